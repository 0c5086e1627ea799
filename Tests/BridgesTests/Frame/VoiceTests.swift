import Foundation
import Synchronization
import Testing

@testable import Agent
@testable import Bridges
@testable import Gateway
@testable import Wire

// Voice notes become text, and whoever speaks is spoken to. Files are bounded and named safely.

@Suite(.timeLimit(.minutes(2))) struct VoiceTests {
    private struct Ear: SpeechToText {
        func text(of recording: Recording) async throws -> String { String(decoding: recording.bytes, as: UTF8.self) }
    }

    private final class Mouth: TextToSpeech {
        let said = Mutex<[String]>([])

        func speech(for text: String, language: String?) async throws -> SpokenAudio {
            said.withLock { $0.append(text) }
            return SpokenAudio(format: .mp3, bytes: Array(text.utf8))
        }
    }

    private func run(
        _ voice: Voice, _ agent: ScriptedAgent = .echo,
        _ body: @escaping @Sendable (FakePlatform, TestAgentHost, TestBridge) async throws -> Void
    ) async throws {
        var options = TestAgentHost.Options()
        options.voice = voice
        options.hasFiles = true
        let (platform, host) = (FakePlatform(), try TestAgentHost(agent, options))
        let bridge = try TestBridge(platform, host)
        try await host.run { try await bridge.run { try await body(platform, host, bridge) } }
    }

    private static func voice(_ said: String) -> InboundFile {
        InboundFile(name: "voice.ogg", mimeType: "audio/ogg", isVoice: true) { try await $0(Array(said.utf8)) }
    }

    @Test func aVoiceNoteIsUnderstoodAndAnsweredByOne() async throws {
        let mouth = Mouth()
        try await run(Voice(speechToText: Ear(), textToSpeech: mouth)) { platform, host, _ in
            platform.give(.say("look:", files: [Self.voice("what time is it")]))
            try await platform.waitFor("voice and text") { $0.messages.count == 2 }
            #expect(host.agent.texts == ["look:\nwhat time is it"])
            #expect(platform.messages[0].kind == .voice && !platform.messages[0].bytes.isEmpty)
            #expect(platform.messages[1].text == "echo: look:\nwhat time is it")
            // Whoever types is not spoken to.
            platform.give(.say("typed"))
            try await platform.waitFor("the answer") { $0.messages.last?.text == "echo: typed" }
            #expect(platform.messages.count == 3)
        }
        // Once, for the chat: nobody listens on the bridge's socket.
        #expect(mouth.said.withLock { $0 } == ["echo: look:\nwhat time is it"])
    }

    @Test func aVoiceNoteThatIsNotUnderstoodSaysSoToTheAgent() async throws {
        try await run(Voice()) { platform, host, _ in
            platform.give(.say("", files: [Self.voice("what time is it")]))
            try await platform.waitFor("the answer") { $0.messages.count == 1 }
            #expect(host.agent.texts == [Words.untranscribed])
        }
    }

    @Test func aFileIsBoundedWhileItIsRead() async throws {
        try await run(Voice()) { platform, host, bridge in
            // It does not say how large it is.
            let endless = InboundFile(name: "../../endless.txt") { write in
                while true { try await write([UInt8](repeating: 65, count: 65_536)) }
            }
            platform.give(.say("look", id: "1", files: [endless]))
            try await platform.waitFor("a word and an answer") { $0.messages.count == 2 }
            #expect(platform.texts(in: "ana").contains { $0.contains("endless.txt is too large") })
            #expect(host.agent.runs[0].request.attachments.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: bridge.folder.path + "/endless.txt"))
            let left = try FileManager.default.contentsOfDirectory(atPath: bridge.folder.path + "/files")
            #expect(left.isEmpty)
        }
    }

    @Test func aFileThatTheAgentMadeTooLargeIsToldInWords() async throws {
        try await run(Voice(), ScriptedAgent()) { platform, host, _ in
            platform.give(.say("make one"))
            let run = try await host.agent.nextRun()
            let path = host.directory.workspace + "/large.bin"
            try write(String(repeating: "x", count: 2 << 20), path)
            run.answer("There.\n[FILE:\(path)]")
            try await platform.waitFor("the words") { $0.messages.count == 2 }
            #expect(platform.texts(in: "ana")[0].contains("large.bin (2.0 MiB) is too large to be sent here"))
            #expect(platform.texts(in: "ana")[1].contains("There."))
        }
    }

    @Test(arguments: [
        ("a.exe", true), ("a.EXE", true), ("a.txt.JaR", true), ("a.ps1", true), ("exe", false), ("a.exe.txt", false),
        (".lnk", true), ("a", false),
    ])
    func whatRunsWhenItIsOpenedIsNotTaken(name: String, isBlocked: Bool) {
        #expect(InboundFiles.isBlocked(name) == isBlocked)
    }
}
