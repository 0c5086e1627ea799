import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// Files that travel with messages: those that users send along, and those that answers name.

@Suite struct AttachmentTests {
    private func file(
        _ text: String, as name: String, of device: TestDevice, _ running: TestGateway.Running
    ) async throws -> StoredFile {
        let answer = try await running.stream(device).upload(text, as: name)
        return try JSONDecoder().decode(StoredFile.self, from: Data(answer.body.utf8))
    }

    // MARK: From users

    @Test func theAgentGetsTheFilesOfAMessageThenThoseSentAhead() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let device = gateway.device()
            let one = try await file("1", as: "one.png", of: device, running)
            let two = try await file("2", as: "two.txt", of: device, running)
            let socket = try await running.webSocket(device)
            try await socket.send(
                .attachment(sessionID: "s", Wire.Attachment(kind: .file, path: two.path, filename: "x")))
            try await socket.send(
                .textFinal(
                    .init(
                        sessionID: "s", text: "look", messageID: "m",
                        attachments: [Wire.Attachment(kind: .image, path: "", filename: "lie.exe", id: one.id)])))
            let run = try await gateway.agent.nextRun()
            #expect(
                run.request.attachments == [
                    TurnAttachment(kind: "image", path: one.path, filename: "one.png"),
                    TurnAttachment(kind: "file", path: two.path, filename: "two.txt"),
                ])
            #expect(
                run.request.promptText == """
                    The user attached files:
                    - image: one.png — local path: \(one.path)
                    - file: two.txt — local path: \(two.path)
                    Read them when they matter to the answer.

                    look
                    """)
            run.answer("seen")
            _ = try await socket.messages { if case .turnComplete = $0.body { true } else { false } }
        }
    }

    @Test func aMessageThatComesAgainLeavesItsFilesToNoOther() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let device = gateway.device()
            let file = try await file("1", as: "one.png", of: device, running)
            let named = Wire.Attachment(kind: .file, path: file.path, filename: "one.png")
            for attempt in 1...2 {
                // Both frames come again behind a lost connection.
                let socket = try await running.webSocket(device)
                try await socket.send(.attachment(sessionID: "s", named))
                try await socket.say("look", id: "m")
                #expect(try await socket.message().position == 0)
                if attempt == 1 { #expect(try await gateway.agent.nextRun().request.attachments.count == 1) }
            }
            let socket = try await running.webSocket(device)
            try await socket.say("something else", id: "n")
            #expect(try await socket.message().position == 1)
            gateway.agent.runs.first?.answer("seen")
            #expect(try await gateway.agent.nextRun().request.attachments == [])
        }
    }

    @Test func filesAheadOfAMessageThatIsRefusedStayForTheNext() async throws {
        var limits = GatewayLimits.patient
        limits.waitingPerLane = 0
        let gateway = try TestGateway(limits: limits, files: try TestFiles())
        try await gateway.run { running in
            let device = gateway.device()
            let file = try await file("1", as: "one.png", of: device, running)
            let socket = try await running.webSocket(device)
            try await socket.say("busy")
            let run = try await gateway.agent.nextRun()
            try await socket.send(
                .attachment(sessionID: "s", Wire.Attachment(kind: .file, path: file.path, filename: "x")))
            try await socket.say("look", id: "m")
            #expect(try await socket.message().errorCode == .queueFull)
            run.answer("")
            _ = try await socket.messages { $0.isTurnEnd }
            try await socket.say("look", id: "m")
            #expect(try await gateway.agent.nextRun().request.attachments.count == 1)
        }
    }

    @Test func oneDeviceTakesNoPlacesThatOthersFilesWaitIn() {
        var pending = PendingAttachments()
        let file = Wire.Attachment(kind: .file, path: "/f", filename: "f")
        func key(_ session: Int, _ device: String) -> PendingAttachments.Key {
            .init(session: SessionKey(handle: "ana", sessionID: "\(session)"), device: device)
        }
        let taken = (0..<2_000).count { pending.add(file, for: key($0, "greedy"), now: 0) }
        #expect(taken == PendingAttachments.sessionsPerDevice)
        let (known, other) = (
            pending.add(file, for: key(0, "greedy"), now: 0), pending.add(file, for: key(0, "other"), now: 0)
        )
        #expect(known && other)
    }

    @Test func aFileThatIsNotTheSendersMakesNoTurn() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try files.write("secret", to: "identity.key")
        try await gateway.run { running in
            let device = gateway.device()
            let mine = try await file("m", as: "mine.txt", of: device, running)
            let theirs = try await file("1", as: "theirs.txt", of: gateway.device("bob"), running)
            let socket = try await running.webSocket(device)
            let root = files.directory.path
            let bad: [Wire.Attachment] = [
                .init(kind: .file, path: theirs.path, filename: "a"),
                .init(kind: .file, path: "", filename: "b", id: theirs.id),
                .init(kind: .file, path: mine.path, filename: "b", id: theirs.id),
                .init(kind: .file, path: "/etc/passwd", filename: "c"),
                .init(kind: .file, path: "\(root)/identity.key", filename: "d"),
                .init(kind: .file, path: "\(root)/files/\(mine.id)/../../identity.key", filename: "e"),
                .init(kind: .file, path: "\(root)/files/\(mine.id)/other.txt", filename: "f"),
                .init(kind: .file, path: "", filename: "g", id: "../../identity.key"),
                .init(kind: .file, path: "", filename: "h"),
            ]
            let good = Wire.Attachment(kind: .file, path: mine.path, filename: "mine.txt")
            for (number, attachment) in bad.enumerated() {
                try await socket.send(
                    .textFinal(
                        .init(
                            sessionID: "s", text: "look", messageID: "m\(number)", attachments: [good, attachment])))
                let answer = try await socket.message()
                #expect(answer.errorCode == .invalid && answer.messageID == "m\(number)", "\(attachment)")
                if case .error(_, let text) = answer.body { #expect(text.contains("'\(attachment.filename)'")) }
                try await socket.send(.attachment(sessionID: "s", attachment))
                #expect(try await socket.message().errorCode == .invalid, "\(attachment)")
            }
            let many = Array(repeating: good, count: 33)
            try await socket.send(.textFinal(.init(sessionID: "s", text: "x", messageID: "n", attachments: many)))
            #expect(try await socket.message().errorCode == .tooLarge)
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    // MARK: From answers

    /// What `response` says to an answer, and the lines of the log that speak of its markers.
    private func response(
        to answer: String, in files: TestFiles, interrupted: Bool = false
    ) async throws -> (text: String, attachments: [Wire.Attachment], log: [String]) {
        let gateway = try TestGateway(files: files)
        return try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("go")
            let run = try await gateway.agent.nextRun()
            if interrupted {
                run.delta(answer)
                _ = try await socket.messages { if case .delta = $0.body { true } else { false } }
                try await socket.send(.interrupt(sessionID: "s"))
            } else {
                run.answer(answer)
            }
            let messages = try await socket.messages { if case .turnComplete = $0.body { true } else { false } }
            let history = try await gateway.sessions.sessionHistory()
            for message in messages {
                guard case .response(let text, _, let attachments) = message.body else { continue }
                #expect(history == ["go", text])
                for attachment in attachments {
                    let other = try await running.stream(gateway.device())
                    let id = try #require(attachment.id)
                    #expect(try await other.get("/api/files/\(id)")?.status == 200)
                    let bob = try await running.stream(gateway.device("bob"))
                    #expect(try await bob.get("/api/files/\(id)")?.status == 404)
                }
                return (text, attachments, gateway.log.all.filter { $0.contains("files::marker") })
            }
            throw Timeout(what: "a response")
        }
    }

    @Test(arguments: ["memories/Plan.md", "workspace/out/chart.png"])
    func aFileOfTheAgentIsCopiedAndGivenAway(_ path: String) async throws {
        let files = try TestFiles()
        try files.write("before", to: path)
        for named in [path, files.directory.path + "/" + path] {
            let (text, attachments, _) = try await response(to: "Here: [FILE:\(named)]\nDone.", in: files)
            #expect(text == "Here: \nDone.")
            let attachment = try #require(attachments.first)
            #expect(attachments.count == 1 && attachment.size == 6 && attachment.kind == .file)
            #expect(attachment.path.hasPrefix(files.directory.files + "/"))
            // It stays what it was.
            try files.write("after!", to: path)
            #expect(try String(contentsOfFile: attachment.path, encoding: .utf8) == "before")
            try files.write("before", to: path)
        }
    }

    @Test(
        "P-40: a marker gives nothing away but files of vault, workspace and the user",
        arguments: [
            "/etc/passwd", "../../../../etc/passwd", "memories/../identity.key", "identity.key", "openagent.db",
            "openagent.yaml", ".openagent/lock", "memories/.hidden", "memories/.obsidian/x", "memories", "memories/",
            " ", "workspace/link", "workspace/folder/passwd", "workspace/key", "memories/missing.md",
            "memories/fifo", "\u{0}", "https://example.com/a.png", "~/.ssh/id_rsa", "/proc/self/environ",
            "FOREIGN",
        ])
    func aMarkerGivesNothingElseAway(_ path: String) async throws {
        let files = try TestFiles()
        let root = files.directory.path
        for name in [
            "identity.key", "openagent.db", "openagent.yaml", ".openagent/lock", "memories/.hidden",
            "memories/.obsidian/x",
        ] { try files.write("secret", to: name) }
        // Somebody else's file, by its whole path.
        let foreign = "\(root)/files/\(String(repeating: "f", count: 32))/x.txt"
        try files.write("theirs", to: "files/\(String(repeating: "f", count: 32))/x.txt")
        try FileManager.default.createSymbolicLink(
            atPath: root + "/workspace/link", withDestinationPath: "/etc/passwd")
        try FileManager.default.createSymbolicLink(atPath: root + "/workspace/folder", withDestinationPath: "/etc")
        try FileManager.default.linkItem(atPath: root + "/identity.key", toPath: root + "/workspace/key")
        mkfifo(root + "/memories/fifo", 0o600)
        let before = files.all
        let named = path == "FOREIGN" ? foreign : path
        let (text, attachments, log) = try await response(to: "a [FILE:\(named)] b", in: files)
        #expect(attachments.isEmpty && log.count == 1)
        #expect(text == "a  b")
        #expect(files.all == before)
    }

    @Test func aLinkThatStaysInsideIsFollowed() async throws {
        let files = try TestFiles()
        try files.write("inside", to: "memories/real.md")
        try FileManager.default.createSymbolicLink(
            atPath: files.directory.path + "/workspace/link.md",
            withDestinationPath: files.directory.memories + "/real.md")
        let (_, attachments, _) = try await response(to: "[FILE:workspace/link.md]", in: files)
        #expect(attachments.map(\.filename) == ["link.md"] && attachments.first?.size == 6)
    }

    @Test func theAnswerThatWasStoppedLosesItsMarkersToo() async throws {
        let files = try TestFiles()
        try files.write("x", to: "workspace/a.png")
        let (text, attachments, _) = try await response(
            to: "so far [IMAGE:workspace/a.png]", in: files, interrupted: true)
        #expect(text == "so far" && attachments.map(\.kind) == [.image])
    }

    @Test func oneAnswerGivesAtMost32FilesAway() async throws {
        let files = try TestFiles()
        try files.write("x", to: "workspace/a.png")
        let (_, attachments, log) = try await response(
            to: String(repeating: "[IMAGE:workspace/a.png]", count: 40), in: files)
        #expect(attachments.count == 32 && Set(attachments.compactMap(\.id)).count == 32 && log.count == 1)
        #expect(log.first?.contains("count=8") == true)
    }

    @Test func theSameTurnGivesTheSameCopyAgain() async throws {
        let files = try TestFiles()
        try files.write("x", to: "workspace/a.png")
        let database = try Store.Database(path: files.directory.path + "/test.db")
        let store = ArtifactStore(files.files(database), logger: .init(label: "test")) { 0 }
        let turn = Turn(
            TurnRecord(
                id: "t", ordinal: 1, lane: "l", session: 1, handle: "ana", sessionID: "s", messageID: nil, text: "",
                acceptedAt: 0))
        let first = await AnswerFiles(store).content(of: "[IMAGE:workspace/a.png]", in: turn)
        try FileManager.default.removeItem(atPath: files.directory.workspace + "/a.png")
        let second = await AnswerFiles(store).content(of: "[IMAGE:workspace/a.png]", in: turn)
        #expect(first.attachments.count == 1 && first.attachments == second.attachments)
    }
}

extension SessionRepository {
    /// What the transcripts say, in order.
    fileprivate func sessionHistory() async throws -> [String] {
        try await history(of: 1, limit: 100).map(\.text)
    }
}
