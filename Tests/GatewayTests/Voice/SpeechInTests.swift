import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// What a user says becomes a turn like any typed text.

/// Understands what the test says.
final class ScriptedEar: SpeechToText {
    private let understand: @Sendable (Recording) async throws -> String
    private let heard = Mutex<[Recording]>([])
    var recordings: [Recording] { heard.withLock { $0 } }

    init(_ understand: @escaping @Sendable (Recording) async throws -> String) { self.understand = understand }

    func text(of recording: Recording) async throws -> String {
        heard.withLock { $0.append(recording) }
        return try await understand(recording)
    }
}

@Suite struct SpeechInTests {
    private static func piece(
        _ data: String, _ sequence: Int? = nil, end: Bool = false, id: String? = nil, session: String = "s"
    ) -> ClientMessage {
        .audioChunk(
            .init(sessionID: session, data: Array(data.utf8), sequence: sequence, isEnd: end, messageID: id))
    }

    /// Understands the bytes themselves.
    private static let plain = Voice(
        speechToText: ScriptedEar { String(decoding: $0.bytes, as: UTF8.self) })

    @Test("spoken text is echoed and becomes a turn with the speaker's message id")
    func turn() async throws {
        let gateway = try TestGateway(voice: Self.plain)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.send(Self.piece("what is ", 2, id: "m1"))
            try await socket.send(Self.piece("hello, ", 1))
            try await socket.send(Self.piece("new?", 3, end: true))
            let heard = try await socket.message()
            #expect(heard.body == .heard("hello, what is new?") && heard.messageID == "m1" && heard.sequence == nil)
            #expect(try await socket.message().position == 0)
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text == "hello, what is new?")
            run.answer("nothing")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["nothing"])
        }
    }

    @Test("what is too long to be an id or a form is not held")
    func longNames() async throws {
        let gateway = try TestGateway(voice: Self.plain)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            let long = String(repeating: "x", count: 257)
            try await socket.send(Self.piece("hi", id: long))
            #expect(try await socket.message().errorCode == .badMessage)
            try await socket.send(Self.piece("hi", end: true, id: "m"))
            #expect(try await socket.message().body == .heard("hi"))
        }
        let chunk = ClientMessage.AudioChunk(
            sessionID: "s", data: [1], encoding: String(repeating: "x", count: 1 << 20), isEnd: true)
        let now = ContinuousClock.now
        var utterance = Utterance(chunk, limits: VoiceLimits(), now: now)
        #expect(!"\(utterance)".contains("xxxxxxxxxxxxxxxxx"))
        #expect(utterance.receive(chunk, now: now) == .complete(Recording(bytes: [1], fileExtension: "audio")))
    }

    @Test("the same utterance again, with its message id, never runs twice")
    func repeated() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { "re: \($0.text)" }), voice: Self.plain)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for _ in 0..<2 {
                try await socket.send(Self.piece("hi", end: true, id: "m1"))
                let messages = try await socket.messages { $0.isTurnEnd }
                #expect(messages.compactMap(\.responseText) == ["re: hi"])
            }
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test("without a backend an utterance gets one error that names the setting, however many pieces it has")
    func noBackend() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for number in 1...3 { try await socket.send(Self.piece("x", number, end: number == 3)) }
            try await socket.send(.ping)
            let messages = try await socket.messages { $0.body == .pong }
            #expect(messages.count == 2)
            #expect(messages[0].errorCode == .unavailable && messages[0].text?.contains("stt.command") == true)
        }
    }

    @Test("while speech is recognised the socket goes on, and others are heard")
    func beside() async throws {
        let (gates, gate) = AsyncStream.makeStream(of: Void.self)
        let ear = ScriptedEar { _ in
            for await _ in gates { break }
            return "late"
        }
        let gateway = try TestGateway(
            ScriptedAgent(.immediate { "re: \($0.text)" }), voice: Voice(speechToText: ear))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.send(Self.piece("x", end: true))
            try await socket.say("typed")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: typed"])
            gate.yield()
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["re: late"])
        }
    }

    @Test("a turn is accepted though its speaker has gone, and nothing of the socket is left")
    func goneSpeaker() async throws {
        let (gates, gate) = AsyncStream.makeStream(of: Void.self)
        let ear = ScriptedEar { _ in
            for await _ in gates { break }
            return "remember me"
        }
        let gateway = try TestGateway(voice: Voice(speechToText: ear))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(Self.piece("x", end: true))
            while ear.recordings.isEmpty { await Task.yield() }
            await socket.close()
            gate.yield()
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text == "remember me")
            run.answer("done")
            let again = try await running.webSocket(device)
            try await again.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            #expect(try await again.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["done"])
        }
    }

    @Test("a speaker who was revoked meanwhile is not heard")
    func revokedSpeaker() async throws {
        let (gates, gate) = AsyncStream.makeStream(of: Void.self)
        let ear = ScriptedEar { recording in
            guard recording.bytes == [UInt8(ascii: "x")] else { return "other" }
            for await _ in gates { break }
            return "never"
        }
        let gateway = try TestGateway(voice: Voice(speechToText: ear))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(Self.piece("x", end: true))
            while ear.recordings.isEmpty { await Task.yield() }
            gateway.membership.revoke(device.nodeID)
            gate.yield()
            let other = try await running.webSocket(gateway.device("bob"))
            try await other.send(Self.piece("y", end: true))
            #expect(try await gateway.agent.nextRun().request.text == "other")
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test("what is not understood, and a backend that fails, are told; the reason stays in the log")
    func failures() async throws {
        struct Broken: Error, CustomStringConvertible { let description = "secret path" }
        let ear = ScriptedEar { recording in
            if recording.bytes == [UInt8(ascii: "!")] { throw Broken() }
            return "  "
        }
        let gateway = try TestGateway(voice: Voice(speechToText: ear))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.send(Self.piece("x", end: true, id: "m1"))
            let silent = try await socket.message()
            #expect(silent.body == .error(code: .invalid, text: "nothing was understood"))
            #expect(silent.messageID == "m1" && silent.sessionID == "s")
            try await socket.send(Self.piece("!", end: true))
            let broken = try await socket.message()
            #expect(broken.errorCode == .unavailable && broken.text?.contains("secret") == false)
            #expect(gateway.log.all.contains { $0.contains("voice::not_recognised") && $0.contains("secret path") })
        }
    }

    @Test("a lost piece is told by its number; the next utterance is heard")
    func lostPiece() async throws {
        let gateway = try TestGateway(voice: Self.plain)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.send(Self.piece("a", 1, id: "m1"))
            try await socket.send(Self.piece("c", 3, end: true))
            let lost = try await socket.message()
            #expect(lost.body == .error(code: .invalid, text: "Audio is missing: seq 2."))
            #expect(lost.messageID == "m1")
            try await socket.send(Self.piece("again", 1, end: true))
            #expect(try await socket.message().body == .heard("again"))
        }
    }

    @Test("endless speech in endless sessions is bounded")
    func flood() async throws {
        var voice = Self.plain
        voice.limits.utteranceLength = 1000
        voice.limits.heldAudio = 3000
        let gateway = try TestGateway(voice: voice)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            let kilo = String(repeating: "x", count: 900)
            try await socket.send(Self.piece(kilo, 1))
            try await socket.send(Self.piece(kilo, 2))
            #expect(try await socket.message().errorCode == .tooLarge)
            for number in 0..<100 { try await socket.send(Self.piece(kilo, 1, session: "s\(number)")) }
            try await socket.send(.ping)
            let messages = try await socket.messages { $0.body == .pong }
            #expect(messages.count > 1 && messages.count < 30)
            #expect(messages.dropLast().allSatisfy { $0.errorCode == .unavailable })
            // Another user is still heard.
            let other = try await running.webSocket(gateway.device("bob"))
            try await other.send(Self.piece("hi", 1, end: true))
            #expect(try await other.message().body == .heard("hi"))
        }
    }
}
