import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// Speech and text outside of a conversation.

@Suite struct VoiceRoutesTests {
    private func ask(
        _ stream: TestStream, _ path: String, type: String, _ body: String
    ) async throws -> TestResponse {
        try await stream.send(
            "POST \(path) HTTP/1.1\r\nHost: agent\r\nContent-Type: \(type)\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        return try #require(try await stream.response())
    }

    @Test("a text is spoken, and audio is understood in the language that was asked for")
    func both() async throws {
        let ear = ScriptedEar {
            "\($0.fileExtension) \($0.language ?? "-") \(String(decoding: $0.bytes, as: UTF8.self))"
        }
        let gateway = try TestGateway(voice: Voice(speechToText: ear, textToSpeech: ScriptedMouth()))
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let spoken = try await ask(stream, "/api/tts/synthesize", type: "application/json", #"{"text":"hello"}"#)
            #expect(spoken.status == 200 && spoken.body.hasPrefix("RIFF") && spoken.body.hasSuffix("hello"))
            for (path, type, expected) in [
                ("/api/stt/transcribe?lang=de", "audio/x-wav", "wav de abc"),
                ("/api/stt/transcribe", "audio/webm;codecs=opus", "webm - abc"),
                ("/api/stt/transcribe", "audio/../x", "audio - abc"),
            ] {
                let text = try await ask(stream, path, type: type, "abc")
                #expect(text.json["text"] as? String == expected, "\(text)")
            }
        }
    }

    @Test("audio comes in as the file of a form, too, whatever says that it is audio")
    func form() async throws {
        let ear = ScriptedEar {
            "\($0.fileExtension) \($0.language ?? "-") \(String(decoding: $0.bytes, as: UTF8.self))"
        }
        var voice = Voice(speechToText: ear)
        voice.limits.utteranceLength = 100
        let gateway = try TestGateway(voice: voice)
        func part(_ name: String, _ type: String?, _ content: String) -> String {
            "--b\r\nContent-Disposition: form-data; \(name)\r\n" + (type.map { "Content-Type: \($0)\r\n" } ?? "")
                + "\r\n\(content)\r\n"
        }
        let field = part("name=\"model\"", nil, "whisper-1")
        let long = String(repeating: "x", count: 101)
        let octets = "application/octet-stream"
        let forms: [(String, Int, String)] = [
            (part("name=\"file\"; filename=\"a.wav\"", octets, "abc") + "--b--\r\n", 200, "wav de abc"),
            (field + part("name=\"x\"; filename=\"A.OPUS\"", nil, "abc") + "--b--\r\n", 200, "opus de abc"),
            (part("name=\"file\"", "audio/webm;codecs=opus", "a\r\n--c") + "--b--\r\n", 200, "webm de a\r\n--c"),
            (part("name=\"file\"; filename=\"../../a.flac\"", octets, "abc") + "--b--\r\n", 200, "flac de abc"),
            (part("name=\"file\"; filename=\"a.txt\"", "text/plain", "abc") + "--b--\r\n", 400, "invalid"),
            (part("name=\"file\"; filename=\"wav\"", octets, "abc") + "--b--\r\n", 400, "invalid"),
            (part("name=\"file\"; filename=\"a.wav\"", nil, "") + "--b--\r\n", 400, "invalid"),
            (part("name=\"file\"; filename=\"a.wav\"", nil, long) + "--b--\r\n", 413, "too_large"),
            (field + "--b--\r\n", 400, "invalid"),
            (field + part("name=\"file\"; filename=\"a.wav\"", nil, "abc"), 400, "bad_message"),
            ("no form", 400, "bad_message"), ("", 400, "bad_message"),
        ]
        try await gateway.run { running in
            for (body, status, expected) in forms {
                let stream = try await running.stream(gateway.device())
                let answer = try await ask(
                    stream, "/api/stt/transcribe?lang=de", type: "multipart/form-data; boundary=b", body)
                #expect(answer.status == status, "\(body) \(answer)")
                #expect((answer.json["text"] as? String ?? answer.code) == expected, "\(body) \(answer)")
            }
            let stream = try await running.stream(gateway.device())
            let answer = try await ask(stream, "/api/stt/transcribe", type: "multipart/form-data", field)
            #expect(answer.status == 400 && answer.code == "invalid", "a form without a boundary: \(answer)")
        }
    }

    @Test("what cannot be done is told with the status of the reference")
    func refusals() async throws {
        let broken = Voice(
            speechToText: ScriptedEar { _ in throw CommandError.missing(program: "x", setting: "stt.command") },
            textToSpeech: ScriptedMouth { _ in throw CommandError.missing(program: "x", setting: "tts.command") })
        let silent = Voice(speechToText: ScriptedEar { _ in "" }, textToSpeech: ScriptedMouth())
        let json = "application/json"
        for (voice, path, type, body, status, code) in [
            (Voice(), "/api/tts/synthesize", json, #"{"text":"x"}"#, 404, "unavailable"),
            (Voice(), "/api/stt/transcribe", "audio/wav", "x", 404, "unavailable"),
            (broken, "/api/tts/synthesize", json, #"{"text":"x"}"#, 502, "unavailable"),
            (broken, "/api/stt/transcribe", "audio/wav", "x", 502, "unavailable"),
            (silent, "/api/tts/synthesize", json, #"{"text":" "}"#, 400, "invalid"),
            (silent, "/api/tts/synthesize", json, "{}", 400, "invalid"),
            (silent, "/api/tts/synthesize", json, "no", 400, "bad_message"),
            (silent, "/api/stt/transcribe", "text/plain", "x", 400, "invalid"),
            (silent, "/api/stt/transcribe", "audio/wav", "", 400, "invalid"),
            (silent, "/api/stt/transcribe", "audio/wav", "x", 404, "invalid"),
        ] {
            let gateway = try TestGateway(voice: voice)
            try await gateway.run { running in
                let stream = try await running.stream(gateway.device())
                let answer = try await ask(stream, path, type: type, body)
                #expect(answer.status == status && answer.code == code, "\(path) \(body) \(answer)")
            }
        }
    }

    @Test("audio and texts have a bound")
    func bounds() async throws {
        var voice = Voice(speechToText: ScriptedEar { _ in "x" }, textToSpeech: ScriptedMouth())
        voice.limits.utteranceLength = 100
        voice.limits.textLength = 100
        let gateway = try TestGateway(voice: voice)
        let long = String(repeating: "x", count: 101)
        try await gateway.run { running in
            for (path, type, body) in [
                ("/api/stt/transcribe", "audio/wav", long),
                ("/api/tts/synthesize", "application/json", #"{"text":"\#(long)"}"#),
            ] {
                let stream = try await running.stream(gateway.device())
                let answer = try await ask(stream, path, type: type, body)
                #expect(answer.status == 413, "\(answer)")
            }
        }
    }

    @Test("only so many recordings are taken at a time, since each is in memory")
    func recordingsAtATime() async throws {
        let voice = Voice(speechToText: ScriptedEar { _ in "x" })
        let gateway = try TestGateway(voice: voice)
        try await gateway.run { running in
            let (gates, gate) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (starts, start) = AsyncStream.makeStream(of: Void.self)
                for _ in 1...8 {
                    group.addTask {
                        try await voice.taking.withSlot {
                            start.yield()
                            for await _ in gates { break }
                        }
                    }
                }
                var begun = 0
                for await _ in starts {
                    begun += 1
                    if begun == 8 { break }
                }
                let stream = try await running.stream(gateway.device())
                let refused = try await ask(stream, "/api/stt/transcribe", type: "audio/wav", "x")
                #expect(refused.status == 503 && refused.code == "unavailable", "\(refused)")
                gate.finish()
                try await group.waitForAll()
            }
            let stream = try await running.stream(gateway.device())
            #expect(try await ask(stream, "/api/stt/transcribe", type: "audio/wav", "x").status == 200)
        }
    }

    @Test("a full line of waiting work is told, and a place is given to who came first")
    func slots() async throws {
        let slots = Slots(1, waiting: 1)
        let (gates, gate) = AsyncStream.makeStream(of: Void.self)
        let (starts, start) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                try await slots.withSlot {
                    start.yield()
                    for await _ in gates { break }
                    return 1
                }
            }
            for await _ in starts { break }
            let waiting = Task { try await slots.withSlot { 2 } }
            while true {
                do {
                    _ = try await withThrowingTaskGroup(of: Int.self) { inner in
                        inner.addTask { try await slots.withSlot { 3 } }
                        inner.cancelAll()
                        return try await inner.next()
                    }
                } catch is Slots.Full { break } catch is CancellationError { await Task.yield() }
            }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            group.addTask { try await slots.withSlot { 4 } }
            gate.yield()
            #expect(try await group.next() == 1)
            #expect(try await group.next() == 4)
        }
    }
}
