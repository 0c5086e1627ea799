import Foundation
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// P-88: what goes into a backup, what comes out of it, and what is refused as none.

/// An agent's folder with some of everything, and a place for archives beside it.
final class BackedUpAgent: Sendable {
    let root: String
    let directory: AgentDirectory
    let key: SecretKey
    let database: Store.Database
    static let fileID = String(repeating: "a", count: 32)
    static let longName = String(repeating: "ä", count: 90)

    init() throws {
        root = FileManager.default.temporaryDirectory.path + "/backup-\(UUID().uuidString)"
        directory = AgentDirectory(root + "/agent")
        _ = try directory.create(name: "Ada")
        key = try SecretKey.loadOrCreate(path: directory.identityKey)
        database = try Store.Database(path: directory.database)
        try write("# One\n", "memories/a/one.md")
        try write("", "memories/empty.md")
        try write("long", "memories/\(Self.longName)/\(Self.longName).md")
        try write("strange", "memories/line\nend\\.md")
        try write("hidden", "memories/.obsidian/app.json")
        try write("work", "workspace/report.csv")
        try write("kept", "files/\(Self.fileID)/letter.txt")
        try write("a log", "logs/serve.log")
        let large = Data((0..<(6 << 20)).map { UInt8(truncatingIfNeeded: $0 / 251) })
        try large.write(to: URL(fileURLWithPath: directory.memories + "/picture.png"))
        try FileManager.default.createSymbolicLink(
            atPath: directory.memories + "/link.md", withDestinationPath: "/etc/passwd")
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func insertFile() async throws {
        try await ArtifactRepository(database).insert(
            ArtifactRecord(
                id: Self.fileID, owner: "ana", filename: "letter.txt", mimeType: "text/plain", size: 4,
                sha256: sha256("kept"), origin: .upload, createdAt: 0))
    }

    func write(_ text: String, _ path: String) throws {
        let url = URL(fileURLWithPath: directory.path + "/" + path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func source(vault: String? = nil) -> BackupSource {
        BackupSource(
            directory: directory, vault: vault ?? directory.memories, name: "Ada", nodeID: key.nodeID.hex,
            version: "0.1.0")
    }

    func begin(_ options: BackupOptions = .init(), gate: RemovalGate? = nil, vault: String? = nil) throws -> Backup {
        try Backup.begin(source(vault: vault), options, gate: gate, now: 1_700_000_000)
    }

    /// Writes what is left of a backup.
    func save(_ backup: Backup, _ start: [UInt8] = []) async throws -> String {
        var bytes = start
        while let piece = try await backup.next() { bytes += piece.readableBytesView }
        return try save(bytes)
    }

    func save(_ bytes: [UInt8]) throws -> String {
        let path = root + "/\(UUID().uuidString).tar"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    func target() -> AgentDirectory { AgentDirectory(root + "/restored-\(UUID().uuidString)/agent") }
}

/// What stands in every file below a folder.
func everyFile(_ folder: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder) {
        var status = stat()
        guard lstat(folder + "/" + path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
        files[path] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path))
    }
    return files
}

@Suite struct BackupTests {
    @Test("P-88: what is restored is what was there, down to the last byte, and the key is not in it")
    func restoredIsWhatWas() async throws {
        let agent = try BackedUpAgent()
        try await agent.insertFile()
        let archive = BackupArchive(try await agent.save(try agent.begin()))
        let checked = try archive.check()
        #expect(checked.information.nodeID == agent.key.nodeID.hex && checked.information.leftOut == ["vault/link.md"])
        #expect(checked.missingFiles == 0)
        let target = agent.target()
        let restored = try archive.restore(to: target)
        #expect(restored.remarks.contains { $0.contains("identity.key") && $0.contains(agent.key.nodeID.hex) })
        var (before, after) = (try everyFile(agent.directory.path), try everyFile(target.path))
        for name in ["identity.key", "openagent.db", "openagent.db-wal", "openagent.db-shm", "logs/serve.log"] {
            before[name] = nil
        }
        before = before.filter { !$0.key.hasPrefix(".openagent/") }
        after["openagent.db"] = nil
        #expect(after.keys.sorted() == before.keys.sorted())
        #expect(after == before)
        #expect(try Store.Database(path: target.database).integrityProblems() == [])
        let kept = try await ArtifactRepository(try Store.Database(path: target.database)).artifact(
            BackedUpAgent.fileID, of: "ana")
        #expect(kept?.filename == "letter.txt")
        // Nothing that lay there is open to others, and nothing else is left.
        for path in [target.path, target.database, target.configuration] {
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o077 == 0, "\(path)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: agent.directory.state + "/backup") == [])
    }

    @Test("P-88: with keys it is the same agent; without, its own key may be given, and no other")
    func keysOnlyWhenAskedFor() async throws {
        let agent = try BackedUpAgent()
        let (without, with) = (
            try await agent.save(try agent.begin()), try await agent.save(try agent.begin(.init(withKeys: true)))
        )
        let secret = try Data(contentsOf: URL(fileURLWithPath: agent.directory.identityKey))
        #expect(try Data(contentsOf: URL(fileURLWithPath: without)).range(of: secret) == nil)
        #expect(try Data(contentsOf: URL(fileURLWithPath: with)).range(of: secret) != nil)
        let (first, second, third) = (agent.target(), agent.target(), agent.target())
        _ = try BackupArchive(with).restore(to: first)
        #expect(try SecretKey.load(path: first.identityKey).nodeID == agent.key.nodeID)
        _ = try BackupArchive(without).restore(to: second, key: agent.directory.identityKey)
        #expect(try SecretKey.load(path: second.identityKey).nodeID == agent.key.nodeID)
        let other = agent.root + "/other.key"
        _ = try SecretKey.loadOrCreate(path: other)
        #expect(throws: BackupError.otherKey(wanted: agent.key.nodeID.hex)) {
            try BackupArchive(without).restore(to: third, key: other)
        }
        #expect(!FileManager.default.fileExists(atPath: third.path))
    }

    @Test("P-17: keys of providers, secrets of MCP servers and of openagent.yaml are in a backup only with keys")
    func secretsOnlyWhenAskedFor() async throws {
        let agent = try BackedUpAgent()
        let canary = "canary-2c9e"
        try await RegistryRepository(agent.database).write { rows in
            for (name, key) in [
                ("one", "sk-\(canary)"), ("two", "{env:KEY}"), ("three", "{env:KEY}\(canary)}"), ("four", "${KEY}"),
            ] {
                var provider = ProviderRecord(
                    name: name, framework: "api-based", kind: .llm, createdAt: 1, updatedAt: 1)
                provider.apiKey = Secret(key)
                _ = try rows.insert(provider)
            }
            var server = MCPRecord(name: "files", source: "api", createdAt: 1, updatedAt: 1)
            server.command = ["files"]
            server.environment = ["A": Secret(canary), "B": Secret("{file:b}")]
            server.headers = ["Authorization": Secret("Bearer \(canary)")]
            try rows.put(server)
        }
        try agent.write("name: Ada\nbridge:\n  token: \(canary)\n# api_key: \(canary)\n", "openagent.yaml")
        try agent.write(canary, "openagent.yaml.bak")
        try agent.write(canary, "openagent.db.before-0.0.1")
        // Also where the notes lie in the agent's folder itself.
        for vault in [nil, agent.directory.path] {
            let (without, with) = (
                try await agent.save(try agent.begin(vault: vault)),
                try await agent.save(try agent.begin(.init(withKeys: true), vault: vault))
            )
            #expect(try Data(contentsOf: URL(fileURLWithPath: without)).range(of: Data(canary.utf8)) == nil)
            #expect(try Data(contentsOf: URL(fileURLWithPath: with)).range(of: Data(canary.utf8)) != nil)
            guard vault == nil else { continue }
            let (first, second) = (agent.target(), agent.target())
            #expect(try BackupArchive(without).restore(to: first).remarks.contains { $0.contains("secrets") })
            #expect(!(try BackupArchive(with).restore(to: second).remarks.contains { $0.contains("secrets") }))
            let left = try await RegistryRepository(try Store.Database(path: first.database)).read { rows in
                (try rows.providers(after: 0, limit: 9).map(\.apiKey), try rows.mcp("files"))
            }
            #expect(left.0 == [nil, Secret("{env:KEY}"), nil, Secret("${KEY}")])
            #expect(left.1?.environment == ["B": Secret("{file:b}")] && left.1?.headers == [:])
            let kept = try await RegistryRepository(try Store.Database(path: second.database)).read {
                try $0.provider(named: "one")?.apiKey
            }
            #expect(kept == Secret("sk-\(canary)"))
        }
        try agent.write("name: [\n  token: \(canary)\n", "openagent.yaml")
        #expect(throws: BackupError.self) { try agent.begin() }
        // What failed holds nothing up and leaves nothing.
        #expect(try FileManager.default.contentsOfDirectory(atPath: agent.directory.state + "/backup") == [])
    }

    @Test("P-88: a file that is deleted while a backup goes on is in it, and gone afterwards")
    func deletionsWait() async throws {
        let agent = try BackedUpAgent()
        try await agent.insertFile()
        let store = ArtifactStore(
            AgentFiles(
                directory: agent.directory, vault: agent.directory.memories, largest: 1 << 20,
                repository: ArtifactRepository(agent.database)), logger: .init(label: "test"), now: { 0 })
        var backup: Backup? = try agent.begin(gate: store.gate)
        #expect(throws: BackupError.busy) { try agent.begin(gate: store.gate) }
        #expect(try await store.delete(BackedUpAgent.fileID, of: "ana"))
        #expect(try await store.open(BackedUpAgent.fileID, of: "ana") == nil)
        let archive = BackupArchive(try await agent.save(try #require(backup)))
        backup = nil
        #expect(try archive.check().missingFiles == 0)
        let folder = agent.directory.files + "/" + BackedUpAgent.fileID
        try await eventually("the bytes to be gone") { !FileManager.default.fileExists(atPath: folder) }
        // The next one may begin.
        _ = try agent.begin(gate: store.gate)
    }

    @Test("P-88: a note that is moved while a backup goes on is in it under its new name")
    func movesAreFollowed() async throws {
        let agent = try BackedUpAgent()
        let backup = try agent.begin()
        var bytes: [UInt8] = []
        // Until the first note: from then on the names are known.
        while let piece = try await backup.next() {
            bytes += piece.readableBytesView
            if String(decoding: piece.readableBytesView.prefix(6), as: UTF8.self) == "vault/" { break }
        }
        try FileManager.default.createDirectory(
            atPath: agent.directory.memories + "/0", withIntermediateDirectories: true)
        for (index, name) in ["a/one.md", "empty.md", "Welcome.md"].enumerated() {
            try FileManager.default.moveItem(
                atPath: agent.directory.memories + "/" + name, toPath: agent.directory.memories + "/0/\(index).md")
        }
        let target = agent.target()
        _ = try BackupArchive(try await agent.save(backup, bytes)).restore(to: target)
        let notes = try everyFile(target.memories)
        #expect(notes["0/0.md"] == Data("# One\n".utf8) || notes["a/one.md"] == Data("# One\n".utf8))
        #expect(notes["0/1.md"] != nil || notes["empty.md"] != nil)
        #expect(notes["0/2.md"] != nil || notes["Welcome.md"] != nil)
    }

    @Test("notes that lie outside of the agent's folder are restored inside, and the configuration says so")
    func notesFromElsewhere() async throws {
        let agent = try BackedUpAgent()
        let elsewhere = agent.root + "/Obsidian"
        try FileManager.default.moveItem(atPath: agent.directory.memories, toPath: elsewhere)
        try Data("name: Ada\nmemory:\n  vault_path: \(elsewhere)\n".utf8).write(
            to: URL(fileURLWithPath: agent.directory.configuration))
        let archive = BackupArchive(try await agent.save(try agent.begin(vault: elsewhere)))
        let target = agent.target()
        let contents = try archive.restore(to: target)
        #expect(contents.remarks.contains { $0.contains("memories/") })
        let read = try AgentConfiguration.load(target, environment: [:])
        #expect(read.configuration.vault == target.memories && read.warnings == [])
        #expect(try everyFile(target.memories)["a/one.md"] == Data("# One\n".utf8))
    }

    @Test func aBackupThatIsGivenUpLeavesNothing() async throws {
        let agent = try BackedUpAgent()
        let gate = RemovalGate()
        var backup: Backup? = try agent.begin(gate: gate)
        _ = try await backup?.next()
        backup = nil
        try await eventually("the copy to be gone") {
            (try? FileManager.default.contentsOfDirectory(atPath: agent.directory.state + "/backup")) == []
        }
        #expect(gate.hold())
    }

    @Test("only the operator gets the key, and one backup is made at a time")
    func theRoute() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(place: .coordinator, files: files)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let refused = try await running.stream(admin).ask("POST", "/api/backup", #"{"with_keys":true}"#)
            #expect(refused.status == 403 && refused.message?.contains("operator") == true, "\(refused)")
            let garbage = try await running.stream(admin).ask("POST", "/api/backup", #"{"with_keys":"yes"}"#)
            #expect(garbage.status == 400, "\(garbage)")
            let given = try await running.stream(admin).ask("POST", "/api/backup", "{}")
            #expect(given.status == 200 && given.headers["content-type"] == "application/x-tar")
        }
    }
}
