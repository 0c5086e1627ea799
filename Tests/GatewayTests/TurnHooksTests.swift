import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Wire

// What a voice and files are asked while a turn runs, and when.

private final class FakeVoice: TurnListener {
    let calls = Mutex<[String]>([])

    func began(_ turn: Turn, in sessions: SessionManager) async { note("began \(turn.record.text)") }

    func delta(_ text: String, of turn: Turn, in sessions: SessionManager) async { note("delta \(text)") }

    func willEnd(_ turn: Turn, text: String?, in sessions: SessionManager) async {
        note("end \(text ?? "-")")
        await sessions.say(.audioEnd(chunks: 1), of: turn)
    }

    private func note(_ call: String) { calls.withLock { $0.append(call) } }
}

private struct FakeFiles: AnswerContent {
    func content(of text: String, in turn: Turn) async -> (text: String, attachments: [Wire.Attachment]) {
        (
            text.replacing("[FILE:/x/a.txt]", with: ""),
            [Wire.Attachment(kind: .file, path: "/x/a.txt", filename: "a.txt")]
        )
    }
}

/// Takes its time until the test says go.
private struct SlowFiles: AnswerContent {
    let begun: AsyncStream<Void>.Continuation
    let gate: AsyncStream<Void>

    func content(of text: String, in turn: Turn) async -> (text: String, attachments: [Wire.Attachment]) {
        begun.yield()
        for await _ in gate { break }
        return (text, [])
    }
}

@Suite struct TurnHooksTests {
    @Test func whatIsClearedWhileItsAnswerIsBeingKeptIsNotRemembered() async throws {  // P-92
        let (gate, opening) = AsyncStream.makeStream(of: Void.self)
        let (beginnings, begun) = AsyncStream.makeStream(of: Void.self)
        let gateway = try TestGateway(hooks: TurnHooks(content: SlowFiles(begun: begun, gate: gate)))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("a secret", id: "m")
            try await gateway.agent.nextRun().answer("I forget it")
            try await within(30, "the answer to be complete") { for await _ in beginnings { return } }
            #expect(try await socket.command("clear").hasPrefix("Stopped current operation."))
            opening.yield()
            // Its sender has the answer all the same.
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["I forget it"])
            try await socket.say("what was it?", id: "n")
            #expect(try await gateway.agent.nextRun().request.history.isEmpty)
            let archive = try #require(try await gateway.sessions.archives(of: "ana", limit: 9).first)
            let archived = try await gateway.sessions.transcript(ofArchive: archive.id, limit: 9)
            #expect(archived.messages.map(\.message.text) == ["a secret", "I forget it"])
        }
    }

    @Test func theVoiceHasItsLastWordAheadOfTheResponseWhichNamesItsFiles() async throws {
        let voice = FakeVoice()
        let gateway = try TestGateway(hooks: TurnHooks(listener: voice, content: FakeFiles()))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s", speak: false, language: "de")))
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            run.delta("take ")
            run.answer("take [FILE:/x/a.txt]")
            let told = try await socket.messages { $0.isTurnEnd }
            #expect(told.map(\.body.name) == ["queued", "delta", "audio_end", "response", "turn_complete"])
            #expect(told[2].turnID == told[3].turnID && told[2].sequence == nil)
            #expect(
                told[3].body
                    == .response(
                        text: "take ", model: "test",
                        attachments: [Wire.Attachment(kind: .file, path: "/x/a.txt", filename: "a.txt")]))
            #expect(voice.calls.withLock { $0 } == ["began hello", "delta take ", "end take [FILE:/x/a.txt]"])
            let speech = await gateway.server.sessions.speech(for: SessionKey(handle: "ana", sessionID: "s"))
            #expect(speech.speak == false)
            #expect(speech.language == "de")
            #expect(try await gateway.sessions.history(of: 1, limit: 9).map(\.text) == ["hello", "take "])
        }
    }

    @Test func aLanguageThatIsNoneIsNotKept() {
        var settings = SessionSettings()
        settings.apply(.init(sessionID: "s", language: "de"))
        settings.apply(.init(sessionID: "s", language: String(repeating: "x", count: 36)))
        #expect(settings.language == "de")
    }

    @Test func filesOfAMessageReachTheAgentAlsoAfterACrash() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        let device = gateway.device()
        let caller = Caller(
            DeviceCertificate.issue(
                handle: "ana", deviceKey: device.nodeID, networkID: TestGateway.networkID, capabilities: [],
                issuedAt: 0, lifetime: 1, signedBy: gateway.coordinator), role: .member)
        let sessions = gateway.server.sessions
        let image = try await files.keep("a.png", kind: .image, of: "ana", in: gateway.database)
        let queued = Wire.Attachment(kind: .file, path: "/f/2/b.txt", filename: "b.txt", id: "2")
        try await gateway.run { running in
            let socket = try await running.webSocket(device)
            #expect(await sessions.addAttachment(queued, to: "s", by: caller))
            try await socket.send(.textFinal(.init(sessionID: "s", text: "", messageID: "m", attachments: [image])))
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text == "")
            #expect(
                run.request.attachments == [
                    TurnAttachment(kind: "image", path: image.path, filename: "a.png"),
                    TurnAttachment(kind: "file", path: "/f/2/b.txt", filename: "b.txt"),
                ])
            let next = try TestGateway(databasePath: gateway.databasePath)
            try await next.run { _ in
                let again = try await next.agent.nextRun()
                #expect(again.request.attachments == run.request.attachments)
            }
            // They belong to one message; of another they are none.
            run.answer("")
            try await socket.say("next", id: "n")
            #expect(try await gateway.agent.nextRun().request.attachments == [])
            for _ in 0..<PendingAttachments.limit {
                #expect(await sessions.addAttachment(queued, to: "s", by: caller))
            }
            #expect(await sessions.addAttachment(queued, to: "s", by: caller) == false)
        }
    }

    @Test func aModelThatBreaksOffIsReportedOnceAndTheQueueGoesOn() async throws {  // P-63
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("one", id: "one")
            try await socket.say("two", id: "two")
            let run = try await gateway.agent.nextRun()
            run.delta("half")
            run.fail(AgentError.modelFailed("the connection broke"))
            let told = try await socket.messages { $0.isTurnEnd }.filter { $0.messageID == "one" }
            #expect(told.map(\.body.name) == ["queued", "delta", "error", "response", "turn_complete"])
            #expect(told.filter { $0.text?.contains("the connection broke") ?? false }.count == 1)
            #expect(told.compactMap(\.responseText) == ["half"])
            #expect(told.last?.endReason == .error)
            try await gateway.agent.nextRun().answer("fine")
            #expect(try await socket.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["fine"])
        }
    }
}
