import Foundation
import GRDB
import Testing

// P-83, the first half: whatever is broken alone, the doctor names it, says what to do, and ends with 1; what only needs to be
// known leaves it at 0. And it changes nothing, not even of what is broken.

@Suite struct DoctorTableTests {
    /// One thing that is wrong.
    struct Damage: CustomTestStringConvertible, Sendable {
        var testDescription: String
        /// The finding that names it.
        var name: String
        var isProblem = true
        /// What the advice has in it.
        var fix: String
        var make: @Sendable (_ agent: String) async throws -> Void

        init(
            _ description: String, _ name: String, isProblem: Bool = true, fix: String,
            _ make: @escaping @Sendable (_ agent: String) async throws -> Void
        ) {
            (testDescription, self.name, self.isProblem, self.fix, self.make) = (
                description, name, isProblem, fix, make
            )
        }
    }

    private struct Found: Decodable {
        var name: String
        var state: String
        var message: String
        var fix: String?
    }

    private static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private static func change(_ agent: String, _ sql: String) async throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: agent + "/openagent.db", configuration: configuration)
        try await queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    /// A file where a folder should be.
    private static func block(_ path: String) throws {
        try FileManager.default.removeItem(atPath: path)
        try write("in the way", to: path)
        chmod(path, 0o600)
    }

    static let damages: [Damage] = [
        Damage("a configuration that can't be read", "configuration", fix: "openagent.yaml") {
            try write("name: [\n", to: $0 + "/openagent.yaml")
        },
        Damage("a value that can't be", "configuration", fix: "openagent.yaml") {
            try write("network:\n  port: many\n", to: $0 + "/openagent.yaml")
        },
        Damage("a key of the configuration that nobody knows", "configuration", isProblem: false, fix: "these keys") {
            try write("colour: red\n", to: $0 + "/openagent.yaml")
        },
        Damage("a database that is none", "database", fix: "backup") {
            try write(String(repeating: "no database ", count: 1_000), to: $0 + "/openagent.db")
            chmod($0 + "/openagent.db", 0o600)
        },
        Damage("a database of a newer version", "database", fix: "install that version") {
            try await change($0, "INSERT INTO grdb_migrations VALUES ('2099-01-01 future')")
        },
        Damage("a row that points to nothing", "database", fix: "backup") {
            try await change($0, "INSERT INTO turn_journal VALUES ('nobody', 0, '{}')")
        },
        Damage("a file without its bytes", "files", fix: "openagent files rm") {
            for name in try FileManager.default.contentsOfDirectory(atPath: $0 + "/files") {
                try FileManager.default.removeItem(atPath: $0 + "/files/" + name)
            }
        },
        Damage("a clock that went back", "clock", fix: "timedatectl") {
            try await change($0, "UPDATE sessions SET created_at = \(Date().timeIntervalSince1970 + 3_600)")
        },
        Damage("a vault that is gone", "vault", fix: "vault_path") {
            try FileManager.default.removeItem(atPath: $0 + "/memories")
        },
        Damage("a vault that can't be read", "vault", fix: "vault_path") { try block($0 + "/memories") },
        Damage("a key that others can read", "identity", fix: "chmod 600") { chmod($0 + "/identity.key", 0o640) },
        Damage("a key that is gone", "identity", fix: "backup") {
            try FileManager.default.removeItem(atPath: $0 + "/identity.key")
        },
        Damage("a key that is none", "identity", fix: "backup") {
            try write("no key", to: $0 + "/identity.key")
            chmod($0 + "/identity.key", 0o600)
        },
        Damage("a state folder that others can read", "permissions", fix: "chmod go-rwx") {
            chmod($0 + "/.openagent", 0o755)
        },
        Damage("a database that others can read", "permissions", fix: "chmod go-rwx") {
            chmod($0 + "/openagent.db", 0o644)
        },
        Damage("a state folder that is none", "writing", fix: ".old") { try block($0 + "/.openagent") },
        Damage("a folder of files that is none", "writing", fix: ".old") {
            try await change($0, "DELETE FROM artifacts")
            try block($0 + "/files")
        },
        Damage("logs that can't be written", "logs", fix: ".old") { try block($0 + "/logs") },
        Damage("a program that speaks and is not there", "tts.command", fix: "install it") {
            try write("tts:\n  command: no-such-program -x\n", to: $0 + "/openagent.yaml")
        },
        Damage("a program that listens and is not there", "stt.command", fix: "install it") {
            try write("stt:\n  command: /no/such/program {file}\n", to: $0 + "/openagent.yaml")
        },
        Damage("a search index that is damaged", "note_index", isProblem: false, fix: "--repair") {
            try write(String(repeating: "x", count: 8_192), to: $0 + "/.openagent/notes.db")
            chmod($0 + "/.openagent/notes.db", 0o600)
        },
        Damage("the record of a server that died", "server", isProblem: false, fix: "openagent serve") {
            // What a server wrote that is over.
            let record = URL(fileURLWithPath: $0).deletingLastPathComponent().path + "/run.json"
            try FileManager.default.copyItem(atPath: record, toPath: $0 + "/.openagent/run.json")
        },
        Damage("a turn that waits for a start", "turns", isProblem: false, fix: "openagent serve") {
            try await change($0, "UPDATE turns SET state = 'accepted'")
        },
    ]

    /// An agent that was used once and is stopped.
    private func usedAgent() async throws -> TestHome {
        let home = try TestHome()
        let server = try await home.serve()
        #expect(try await home.join(try await server.ticket()).status == 0)
        #expect(try await home.run(["chat", "-m", "hello"]).status == 0)
        let file = home.root.appendingPathComponent("plan.txt").path
        try Self.write("a plan", to: file)
        #expect(try await home.run(["files", "put", file]).status == 0)
        try FileManager.default.copyItem(
            atPath: home.agent.path + "/.openagent/run.json", toPath: home.root.path + "/run.json")
        server.program.signal(SIGTERM)
        try await server.program.exit()
        return home
    }

    private func doctor(
        _ home: TestHome, _ agent: String, _ arguments: [String] = []
    ) async throws -> (status: Int32, found: [Found], text: String) {
        let result = try await home.run(["doctor", agent, "--json"] + arguments)
        // One document in one line, like every command's.
        #expect(!result.output.contains("\n"), "\(result)")
        return (result.status, try JSONDecoder().decode([Found].self, from: Data(result.output.utf8)), result.output)
    }

    @Test("P-83: whatever is broken alone is named with its fix, the exit code tells, and nothing is changed")
    func eachAlone() async throws {
        let home = try await usedAgent()
        let sound = try await doctor(home, home.agent.path)
        #expect(sound.status == 0 && !sound.found.contains { $0.state == "problem" }, "\(sound.text)")
        for (number, damage) in Self.damages.enumerated() {
            let agent = home.root.path + "/broken-\(number)"
            let copy = try home.launch("/bin/cp", ["-a", home.agent.path, agent])
            #expect(try await copy.exit() == 0)
            try await damage.make(agent)
            let before = try fingerprint(agent)
            let (status, found, text) = try await doctor(home, agent)
            #expect(try fingerprint(agent) == before, "\(damage.testDescription) was changed")
            #expect(status == (damage.isProblem ? 1 : 0), "\(damage.testDescription): \(text)")
            // How much room this machine has is not what is tried.
            let named = found.filter { $0.state != "ok" && $0.name != "disk" }
            #expect(named.map(\.name) == [damage.name], "\(damage.testDescription): \(text)")
            #expect(named.first?.state == (damage.isProblem ? "problem" : "warning"), "\(damage.testDescription)")
            #expect(named.first?.fix?.contains(damage.fix) == true, "\(damage.testDescription): \(text)")
            try? FileManager.default.removeItem(atPath: agent)
        }
    }

    @Test("P-83: a port that another program has is a problem of an agent that is stopped")
    func port() async throws {
        let home = try await usedAgent()
        let port = try freeUDPPorts(1)[0]
        try Self.write("network:\n  port: \(port)\n", to: home.agent.appendingPathComponent("openagent.yaml").path)
        #expect(try await doctor(home, home.agent.path).status == 0)
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0)
        let taken = try await doctor(home, home.agent.path)
        #expect(taken.status == 1 && taken.found.filter { $0.state == "problem" }.map(\.name) == ["port"])
    }

    @Test("P-83: a server that does not answer is a problem")
    func deafServer() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        server.program.signal(SIGSTOP)
        let deaf = try await doctor(home, home.agent.path, ["--timeout", "1"])
        server.program.signal(SIGCONT)
        let problems = deaf.found.filter { $0.state == "problem" }
        #expect(deaf.status == 1 && problems.map(\.name) == ["server"], "\(deaf.text)")
        #expect(problems.first?.fix?.contains("openagent stop") == true)
        #expect(try await doctor(home, home.agent.path).status == 0)
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test(
        "P-83: a full disk and one that can't be written are problems", .enabled(if: SmallDisk.canMount),
        arguments: [
            (
                "cp -a \"$1\" \"$1.copy\" && mount -t tmpfs -o size=8m,mode=700 tmpfs \"$1\" && cp -a \"$1.copy/.\" \"$1\"",
                "disk"
            ),
            ("mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"", "writing"),
        ])
    func disk(_ mount: String, _ name: String) async throws {
        let home = try await usedAgent()
        let script = mount + " && exec \"$0\" doctor \"$1\" --json"
        let program = try home.launch(
            "/usr/bin/unshare", ["-rm", "sh", "-c", script, TestHome.binary, home.agent.path],
            environment: ["OPENAGENT_HOME": home.home.path])
        #expect(try await program.exit() == 1, "\(program.errors)")
        let found = try JSONDecoder().decode([Found].self, from: Data(program.output.utf8))
        #expect(found.filter { $0.state == "problem" }.map(\.name) == [name], "\(program.output)")
    }
}

/// Name, mode, time and a hash of all files below a folder that `isMeant`, folders without a time.
func fingerprint(_ folder: String, where isMeant: (String) -> Bool = { _ in true }) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter(isMeant).sorted().map { path in
        var status = stat()
        lstat(folder + "/" + path, &status)
        guard status.st_mode & S_IFMT == S_IFREG else { return "\(path) \(status.st_mode)" }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path))
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        let digest = hasher.finalize()
        return "\(path) \(status.st_mode) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) \(digest)"
    }
}
