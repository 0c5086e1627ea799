import Foundation
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport

// What if somebody else made the archive? Whatever it holds, nothing lies anywhere afterwards that did not lie there before.

@Suite struct HostileBackupTests {
    /// An archive put together by hand, with sums that agree.
    struct Forged {
        var bytes: [UInt8] = []
        private var sums = ""

        init(_ agent: BackedUpAgent, format: Int = 1, vault: String = "memories") {
            add(
                BackupLayout.information,
                Array(
                    """
                    {"format":\(format),"created_at":1,"version":"1","name":"x","node_id":"\(agent.key.nodeID.hex)",\
                    "with_keys":false,"with_files":true,"vault":"\(vault)"}
                    """.utf8))
        }

        mutating func add(_ path: String, _ content: [UInt8] = Array("x".utf8), claiming size: Int64? = nil) {
            bytes += Tar.header(.init(path: path, size: size ?? Int64(content.count)), time: 1)
            bytes += content + [UInt8](repeating: 0, count: Tar.padding(Int64(content.count)))
            let digest = RunningDigest()
            content.withUnsafeBytes { digest.update($0) }
            sums += BackupLayout.line(path, sha256: digest.finish())
        }

        /// An entry of another kind than a file.
        mutating func add(_ path: String, type: Character, target: String = "/etc") {
            var header = Tar.header(.init(path: path, size: 0), time: 1)
            header[156] = UInt8(ascii: Unicode.Scalar(String(type)) ?? "0")
            header.replaceSubrange(157..<157 + target.utf8.count, with: target.utf8)
            header.replaceSubrange(148..<156, with: Array("        ".utf8))
            let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
            header.replaceSubrange(
                148..<156, with: Array((String(repeating: "0", count: 6 - sum.count) + sum + "\u{0} ").utf8))
            bytes += header
        }

        mutating func end() -> [UInt8] {
            let content = Array(sums.utf8)
            let sums = Tar.header(.init(path: BackupLayout.sums, size: Int64(content.count)), time: 1) + content
            return bytes + sums + [UInt8](repeating: 0, count: Tar.padding(Int64(content.count))) + Tar.end
        }
    }

    private func database(_ agent: BackedUpAgent) throws -> [UInt8] {
        let copy = agent.root + "/\(UUID().uuidString).db"
        try DatabaseSnapshot.write(of: agent.directory.database, to: copy)
        return Array(try Data(contentsOf: URL(fileURLWithPath: copy)))
    }

    /// Restoring these bytes fails and leaves nothing.
    private func refuses(_ bytes: [UInt8], _ agent: BackedUpAgent, _ what: String) throws {
        let path = try agent.save(bytes)
        let parent = agent.root + "/parent-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Data("canary".utf8).write(to: URL(fileURLWithPath: parent + "/canary"))
        #expect(throws: BackupError.self, "\(what)") {
            try BackupArchive(path).restore(to: AgentDirectory(parent + "/agent"))
        }
        #expect(try FileManager.default.subpathsOfDirectory(atPath: parent) == ["canary"], "\(what)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: parent + "/canary")) == Data("canary".utf8))
    }

    static let foreignNames = [
        "../canary", "/tmp/canary", "vault/../../canary", "vault/./x", "vault//x", "vault/", "vault", "..", ".", "",
        "openagent.db-wal", "openagent.db-shm", "openagent.db/x", ".openagent/lock", ".git/config", "logs/x",
        "memories/x",
        "files/abc/x", "files/x", "files/\(BackedUpAgent.fileID)/../x", "files/\(BackedUpAgent.fileID)/a/b",
        "files/\(BackedUpAgent.fileID)/.hidden", "vault/a\u{0}b", "vault/" + String(repeating: "x", count: 256),
        "vault/" + String(repeating: "x/", count: 2_500) + "x", "vault/" + String(repeating: "x/", count: 100) + "x",
        "identity.key2", "openagent-backup.json",
    ]

    @Test("an archive that names something else than a backup does is refused whole", arguments: foreignNames)
    func foreignNamesAreRefused(_ name: String) throws {
        let agent = try BackedUpAgent()
        var forged = Forged(agent)
        forged.add(BackupLayout.database, try database(agent))
        forged.add(name)
        try refuses(forged.end(), agent, name)
    }

    @Test("links, folders, devices and what tars have besides are refused", arguments: Array("123456LKSgVD"))
    func otherKindsAreRefused(_ type: Character) throws {
        let agent = try BackedUpAgent()
        var forged = Forged(agent)
        forged.add(BackupLayout.database, try database(agent))
        forged.add("vault/link", type: type)
        forged.add("vault/link/passwd")
        try refuses(forged.end(), agent, "\(type)")
    }

    @Test func whatIsInTwiceOrLiesAboutItsSizeIsRefused() throws {
        let agent = try BackedUpAgent()
        let sound = try database(agent)
        var twice = Forged(agent)
        twice.add(BackupLayout.database, sound)
        twice.add("vault/a.md")
        twice.add("vault/a.md")
        try refuses(twice.end(), agent, "twice")
        var folder = Forged(agent)
        folder.add(BackupLayout.database, sound)
        folder.add("vault/a")
        folder.add("vault/a/b")
        try refuses(folder.end(), agent, "a file as a folder")
        for size in [Int64.max, 1 << 40, 1 << 33, 100_000] {
            var bomb = Forged(agent)
            bomb.add(BackupLayout.database, sound)
            bomb.add("vault/a.md", claiming: size)
            try refuses(bomb.end(), agent, "\(size)")
        }
        for vault in ["../x", "/x", ".openagent", "files", "openagent.yaml", "a/../../x", ".."] {
            var place = Forged(agent, vault: vault)
            place.add(BackupLayout.database, sound)
            place.add("vault/a.md")
            try refuses(place.end(), agent, vault)
        }
    }

    @Test("what a newer version made is refused")
    func whatIsNewerIsRefused() throws {
        let agent = try BackedUpAgent()
        var forged = Forged(agent, format: 2)
        forged.add(BackupLayout.database, try database(agent))
        try refuses(forged.end(), agent, "format")
    }

    @Test("an archive that ends early or has one wrong bit is refused, wherever that is")
    func damageIsFound() async throws {
        let agent = try BackedUpAgent()
        try FileManager.default.removeItem(atPath: agent.directory.memories + "/picture.png")
        let path = try await agent.save(try agent.begin())
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        var random = SystemRandomNumberGenerator()
        let cuts =
            stride(from: 0, to: whole.count, by: Tar.block * 16).map { $0 } + [1, 511, 513]
            + [whole.count - 1, whole.count - Tar.block, whole.count - 3 * Tar.block]
        for cut in cuts { try refuses(Array(whole.prefix(cut)), agent, "cut at \(cut)") }
        try refuses(whole + [0], agent, "one more byte")
        var flips = (0..<60).map { _ in Int.random(in: 0..<whole.count, using: &random) }
        flips += [0, 100, 156, 260, 520]
        for place in flips {
            var bytes = whole
            bytes[place] ^= 1 << Int.random(in: 0..<8, using: &random)
            try refuses(bytes, agent, "bit at \(place)")
        }
        _ = try BackupArchive(path).restore(to: agent.target())
    }

    @Test func whatIsNoBackupIsToldSo() throws {
        let agent = try BackedUpAgent()
        for bytes in [[], Array("hello".utf8), [UInt8](repeating: 0, count: 4096), try database(agent)] {
            let path = try agent.save(bytes)
            #expect(throws: BackupError.notABackup(path: path)) { try BackupArchive(path).restore(to: agent.target()) }
        }
        #expect(throws: BackupError.self) { try BackupArchive(agent.root).restore(to: agent.target()) }
        #expect(throws: BackupError.self) { try BackupArchive("/nowhere").restore(to: agent.target()) }
    }

    @Test func nothingThatIsThereIsOverwritten() async throws {
        let agent = try BackedUpAgent()
        let archive = BackupArchive(try await agent.save(try agent.begin()))
        let before = try everyFile(agent.directory.path)
        #expect(throws: BackupError.targetNotEmpty(path: agent.directory.path)) {
            try archive.restore(to: agent.directory)
        }
        #expect(try everyFile(agent.directory.path).keys == before.keys)
        let empty = AgentDirectory(agent.root + "/empty")
        try FileManager.default.createDirectory(atPath: empty.path, withIntermediateDirectories: true)
        _ = try archive.restore(to: empty)
        #expect(FileManager.default.fileExists(atPath: empty.database))
    }
}
