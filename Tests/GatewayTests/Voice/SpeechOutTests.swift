import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// Answers are heard while they are being written, by whoever listens, and the text never suffers from it.

/// Speaks as the test says.
final class ScriptedMouth: TextToSpeech {
    private let say: @Sendable (String) async throws -> SpokenAudio
    private let said = Mutex<[String]>([])
    var texts: [String] { said.withLock { $0 } }

    init(_ say: @escaping @Sendable (String) async throws -> SpokenAudio) { self.say = say }

    /// Each text is as many samples as it has bytes: the bytes themselves.
    convenience init() {
        self.init { text in
            SpokenAudio(format: .wav, bytes: WaveFile(samples: Array(text.utf8), rate: 8000).bytes)
        }
    }

    func speech(for text: String, language: String?) async throws -> SpokenAudio {
        said.withLock { $0.append(text) }
        return try await say(text)
    }
}

@Suite struct SpeechOutTests {
    private static let first = "This is the first sentence of all. "
    private static let second = "This is the second sentence of all."

    /// What the frames are, in a word each.
    private static func kinds(_ messages: [ServerMessage]) -> [String] {
        messages.map { message in
            switch message.body {
            case .audioStart: "start"
            case .audioChunk: "chunk"
            case .audioEnd: "end"
            case .delta: "delta"
            case .response: "response"
            case .turnComplete: "complete"
            case .error: "error"
            case .queued: "queued"
            default: "other"
            }
        }
    }

    private static func audio(_ messages: [ServerMessage]) -> [UInt8] {
        messages.flatMap { message -> [UInt8] in
            if case .audioChunk(let data, _) = message.body { data } else { [] }
        }
    }

    private func espeak() -> Voice {
        let folder = FileManager.default.temporaryDirectory.path + "/voice-\(UUID().uuidString)"
        return Voice(
            textToSpeech: CommandTextToSpeech(
                ["espeak-ng", "--stdin", "--stdout"], files: VoiceFiles(folder: folder)))
    }

    @Test("espeak-ng speaks an answer: one WAVE stream in numbered chunks, ended before the response")
    func espeakSpeaks() async throws {
        let voice = espeak()
        let gateway = try TestGateway(voice: voice)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("speak")
            let run = try await gateway.agent.nextRun()
            run.delta(Self.first)
            run.delta(Self.second)
            run.answer(Self.first + Self.second)
            let messages = try await socket.messages { $0.isTurnEnd }
            let audible = Self.kinds(messages).filter { $0 != "delta" }
            let chunks = audible.count { $0 == "chunk" }
            #expect(chunks >= 4)
            #expect(
                audible == ["start"] + Array(repeating: "chunk", count: chunks) + ["end", "response", "complete"])
            #expect(messages.contains { $0.body == .audioStart(.init(format: "wav", mime: "audio/wav")) })
            #expect(messages.contains { $0.body == .audioEnd(chunks: chunks) })
            let numbers = messages.compactMap { message -> Int? in
                if case .audioChunk(_, let number) = message.body { number } else { nil }
            }
            #expect(numbers == Array(1...chunks))
            #expect(messages.allSatisfy { $0.sessionID == "s" && $0.turnID != nil })
            let bytes = Self.audio(messages)
            #expect(Array(bytes[40..<44]) == [255, 255, 255, 255])
            let wave = try #require(WaveFile(bytes))
            let mouth = try #require(voice.textToSpeech)
            var expected = 0
            for text in [Self.first, Self.second] {
                let audio = try await mouth.speech(
                    for: text.trimmingCharacters(in: .whitespaces), language: nil)
                let part = try #require(WaveFile(audio.bytes))
                #expect(part.layout == wave.layout)
                expected += part.samples.count
            }
            #expect(wave.samples.count == expected)
        }
    }

    @Test("a sentence is heard while the answer is still being written")
    func whileWriting() async throws {
        let gateway = try TestGateway(voice: Voice(textToSpeech: ScriptedMouth()))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("speak")
            let run = try await gateway.agent.nextRun()
            run.delta(Self.first + "And")
            let heard = try await socket.messages { if case .audioChunk = $0.body { true } else { false } }
            #expect(WaveFile(Self.audio(heard))?.samples == Array(Self.first.dropLast().utf8))
            run.answer(Self.first + "And more.")
            let rest = try await socket.messages { $0.isTurnEnd }
            #expect(Self.audio(rest) == Array("And more.".utf8))
            #expect(Self.kinds(rest) == ["chunk", "end", "response", "complete"])
        }
    }

    @Test(
        "typed turns are spoken unless the session says no, spoken ones always",
        arguments: [(false, false, true), (false, true, false), (true, true, true), (true, false, true)])
    func mirror(isSpeech: Bool, silent: Bool, isSpoken: Bool) async throws {
        let gateway = try TestGateway(
            ScriptedAgent(.immediate { _ in Self.first }), voice: Voice(textToSpeech: ScriptedMouth()))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            if silent { try await socket.send(.sessionOpen(.init(sessionID: "s", speak: false))) }
            try await socket.send(.textFinal(.init(sessionID: "s", text: "x", source: isSpeech ? .speech : .typed)))
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(
                Self.kinds(messages)
                    == (isSpoken ? ["start", "chunk", "end", "response", "complete"] : ["response", "complete"]))
        }
    }

    @Test("an interruption silences the answer at once, also after its text is complete")
    func interrupt() async throws {
        let (cancellations, cancelled) = AsyncStream.makeStream(of: Void.self)
        let mouth = ScriptedMouth { text in
            guard text.hasPrefix("This is the first") else {
                do { try await Task.sleep(for: .seconds(60)) } catch {
                    cancelled.yield()
                    throw error
                }
                throw CancellationError()
            }
            return SpokenAudio(format: .wav, bytes: WaveFile(samples: [1, 2], rate: 8000).bytes)
        }
        let gateway = try TestGateway(voice: Voice(textToSpeech: mouth))
        try await gateway.run { running in
            for isComplete in [true, false] {
                let socket = try await running.webSocket(gateway.device("user\(isComplete)"))
                try await socket.say("speak")
                let run = try await gateway.agent.nextRun()
                run.delta(Self.first + Self.second + " ")
                _ = try await socket.messages { if case .audioChunk = $0.body { true } else { false } }
                if isComplete { run.answer(Self.first + Self.second) }
                let begin = ContinuousClock.now
                try await socket.send(.interrupt(sessionID: "s"))
                let messages = try await socket.messages { $0.isTurnEnd }
                #expect(ContinuousClock.now - begin < .seconds(2))
                #expect(Self.kinds(messages).filter { $0 != "delta" } == ["end", "response", "complete"])
                var waiting = cancellations.makeAsyncIterator()
                await waiting.next()
            }
        }
    }

    @Test("speech that takes for ever delays the response by a bounded time")
    func bounded() async throws {
        var voice = Voice(
            textToSpeech: ScriptedMouth { _ in
                try await Task.sleep(for: .seconds(1000))
                throw CancellationError()
            })
        voice.limits.endTime = .milliseconds(300)
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in Self.first }), voice: voice)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("speak")
            #expect(Self.kinds(try await socket.messages { $0.isTurnEnd }) == ["response", "complete"])
        }
    }

    @Test("a voice that fails is told once, and the answer comes all the same")
    func failure() async throws {
        let mouth = ScriptedMouth { text in
            guard text.hasPrefix("This is the first") else {
                throw CommandError.missing(program: "piper", setting: "tts.command")
            }
            return SpokenAudio(format: .mp3, bytes: [0xFF, 0xFB, 1, 2])
        }
        let gateway = try TestGateway(voice: Voice(textToSpeech: mouth))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("speak")
            let run = try await gateway.agent.nextRun()
            run.answer(Self.first + Self.second + " " + Self.second)
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(Self.kinds(messages) == ["start", "chunk", "end", "error", "response", "complete"])
            let error = try #require(messages.first { $0.errorCode != nil })
            #expect(error.errorCode == .unavailable && error.text?.contains("tts.command") == true)
            #expect(messages.contains { $0.body == .audioStart(.init(format: "mp3", mime: "audio/mpeg")) })
        }
    }

    @Test("a socket without room misses audio, never the answer, and is not closed for it")
    func slowSocket() async throws {
        var voice = Voice(
            textToSpeech: ScriptedMouth { _ in
                SpokenAudio(
                    format: .wav, bytes: WaveFile(samples: [UInt8](repeating: 7, count: 8 << 20), rate: 8000).bytes)
            })
        voice.limits.slowTime = .milliseconds(100)
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in Self.first }), voice: voice)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("speak")
            // Not read until the turn is over for somebody else.
            let other = try await running.webSocket(device)
            try await other.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            _ = try await other.messages { $0.isTurnEnd }
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.last?.endReason == .completed)
            #expect(Self.kinds(messages).suffix(2) == ["response", "complete"])
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
        }
    }

    @Test("when nobody listens nothing is synthesised")
    func nobody() async throws {
        let mouth = ScriptedMouth()
        let gateway = try TestGateway(voice: Voice(textToSpeech: mouth))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("speak")
            let run = try await gateway.agent.nextRun()
            await socket.close()
            let later = try await running.webSocket(device)
            // Until the gateway has seen the socket go.
            while try await self.isWatched(gateway) { await Task.yield() }
            run.answer(Self.first)
            try await self.ended(gateway)
            try await later.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            #expect(Self.kinds(try await later.messages { $0.isTurnEnd }) == ["response", "complete"])
            #expect(mouth.texts.isEmpty)
        }
    }

    private func isWatched(_ gateway: TestGateway) async throws -> Bool {
        await !gateway.server.sessions.audience(of: SessionKey(handle: "ana", sessionID: "s")).isEmpty
    }

    private func ended(_ gateway: TestGateway) async throws {
        while await !gateway.server.sessions.running.isEmpty { await Task.yield() }
    }
}
