import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// P-38 where no path of a route is asked for: what frames and answers name, and folders that change while they are walked.

@Suite struct ConfinementTests {
    private static let canary = "the canary sings"

    @Test("P-38, P-39: no attachment that a frame names and no marker of an answer leads out")
    func framesAndMarkers() async throws {
        let files = try TestFiles()
        let root = files.directory.path
        let reserved = [
            "openagent.yaml", "identity.key", "openagent.db", "openagent.db.before-1", "coordinator_addr.json",
            ".openagent/lock", ".git/config", ".env", "outside/secret.md",
        ]
        for path in reserved { try files.write(Self.canary, to: path) }
        for folder in [files.directory.memories, files.directory.workspace] {
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link", withDestinationPath: root + "/outside")
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link.md", withDestinationPath: root + "/outside/secret.md")
        }
        let long = String(repeating: "a", count: 4_096)
        var paths = reserved + reserved.map { root + "/" + $0 }
        for start in ["..", "memories/..", "workspace/../", "%2e%2e", "./../", "memories/\u{0}/..", "\\..", long, "/"] {
            paths += reserved.map { "\(start)/\($0)" }
        }
        for folder in ["memories", "workspace"] {
            for name in ["link.md", "link/secret.md"] { paths += ["\(folder)/\(name)", "\(root)/\(folder)/\(name)"] }
        }
        let named = paths
        let before = files.all
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            for path in named {
                let socket = try await running.webSocket(ana)
                let attachment = Wire.Attachment(kind: .file, path: path, filename: "x")
                try await socket.send(.attachment(sessionID: "s", attachment))
                #expect(try await socket.message().errorCode != nil, "\(path)")
                try await socket.send(
                    .textFinal(.init(sessionID: "s", text: "look", messageID: path, attachments: [attachment])))
                #expect(try await socket.message().errorCode != nil, "\(path)")
                await socket.close()
            }
            #expect(gateway.agent.runs.isEmpty)
            let socket = try await running.webSocket(ana)
            try await socket.say("go")
            let run = try await gateway.agent.nextRun()
            run.answer("a" + named.map { "[FILE:\($0)]" }.joined() + "b")
            let messages = try await socket.messages { if case .turnComplete = $0.body { true } else { false } }
            for message in messages {
                guard case .response(let text, _, let attachments) = message.body else { continue }
                #expect(attachments.isEmpty && !text.contains(Self.canary))
            }
        }
        #expect(files.all == before)
        for path in reserved {
            #expect(try String(contentsOfFile: root + "/" + path, encoding: .utf8) == Self.canary, "\(path)")
        }
    }

    @Test("P-38: a folder that is swapped for a link again and again leads no route and no marker out")
    func renameRace() async throws {
        let files = try TestFiles()
        let notes = try TestNotes(["f/a.md": "inside", "b.md": "inside"])
        try files.write("inside", to: "workspace/f/a.md")
        let outside = notes.root + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        let names = ["a.md", "d.md"]
        for name in names { try Data(Self.canary.utf8).write(to: URL(fileURLWithPath: outside + "/" + name)) }
        let folders = [notes.folder, files.directory.workspace]
        for folder in folders {
            try FileManager.default.createSymbolicLink(atPath: folder + "/g", withDestinationPath: outside)
        }
        // At every moment one of the two is the folder and the other one is the link.
        let swapping = Task.detached {
            while !Task.isCancelled {
                for folder in folders {
                    _ = Rename.file(folder + "/f", in: AT_FDCWD, to: folder + "/g", in: AT_FDCWD, .exchanging)
                }
                await Task.yield()
            }
        }
        let gateway = try TestGateway(files: files, vault: notes.vault)
        let database = try Store.Database(path: files.directory.path + "/race.db")
        let store = ArtifactStore(files.files(database), logger: .init(label: "test")) { 0 }
        let (inside, refused) = try await gateway.run { running in
            var (inside, refused) = (0, 0)
            let ana = gateway.device("ana")
            let written = #"{"content":"inside"}"#
            for round in 0..<30 {
                for (method, path, body) in [
                    ("GET", "/api/vault/notes/f/a.md", nil as String?), ("PUT", "/api/vault/notes/f/a.md", written),
                    ("PUT", "/api/vault/notes/f/d.md", written), ("DELETE", "/api/vault/notes/f/d.md", nil),
                    ("POST", "/api/vault/move", #"{"from":"b.md","to":"f/b.md"}"#),
                    ("POST", "/api/vault/move", #"{"from":"f/b.md","to":"b.md"}"#),
                    ("GET", "/api/vault/search?q=canary", nil),
                ] {
                    let stream = try await running.stream(ana)
                    let answer = try await stream.ask(method, path, body)
                    #expect(!answer.body.contains(Self.canary), "\(method) \(path): \(answer)")
                    #expect(answer.status < 500, "\(method) \(path): \(answer)")
                    if answer.status < 300 { inside += 1 } else { refused += 1 }
                    await stream.close()
                }
                let turn = Turn(
                    TurnRecord(
                        id: "t\(round)", ordinal: Int64(round), lane: "l", session: 1, handle: "ana", sessionID: "s",
                        messageID: nil, text: "", acceptedAt: 0))
                let given = await AnswerFiles(store).content(of: "[FILE:workspace/f/a.md]", in: turn)
                for attachment in given.attachments {
                    #expect(try String(contentsOfFile: attachment.path, encoding: .utf8) == "inside")
                }
                if given.attachments.isEmpty { refused += 1 } else { inside += 1 }
            }
            return (inside, refused)
        }
        swapping.cancel()
        await swapping.value
        #expect(inside > 0 && refused > 0, "both were met: \(inside), \(refused)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).sorted() == names)
        for name in names {
            #expect(try String(contentsOfFile: outside + "/" + name, encoding: .utf8) == Self.canary)
        }
    }
}
