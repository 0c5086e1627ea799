import Foundation
import GRDB
import Testing
import Wire

// P-88 with the real programs: an agent is saved while people talk to it, and brought back elsewhere.

@Suite struct BackupTests {
    private struct Said: Equatable {
        var state: String
        var text: String
        var answer: String?
    }

    /// Every turn by its message's id.
    private func turns(_ database: String) throws -> [String: Said] {
        let queue = try DatabaseQueue(path: database)
        defer { try? queue.close() }
        return try queue.read { connection in
            let rows = try Row.fetchAll(
                connection,
                sql: """
                    SELECT tm.message_id, t.state, t.text,
                        (SELECT group_concat(text) FROM session_messages m
                         WHERE m.turn = t.id AND m.role = 'assistant') AS answer
                    FROM turn_messages tm JOIN turns t ON t.id = tm.turn
                    """)
            return Dictionary(
                uniqueKeysWithValues: rows.map { row in
                    (row["message_id"], Said(state: row["state"], text: row["text"], answer: row["answer"]))
                })
        }
    }

    private func remembered(_ agent: URL) throws -> String {
        let folder = agent.appendingPathComponent("memories/remembered")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
            try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
        }.joined(separator: "\n")
    }

    @Test("P-88: a backup under load holds everything that was acknowledged before it, and serves elsewhere")
    func underLoad() async throws {
        let home = try TestHome()
        try await home.prepareAgent(wordsPerSecond: 150)
        let server = try await home.serve()
        let homes = try await home.admitDevices([("alice", 2)], ticket: try await server.ticket())
        let port = try await server.port()
        let pulse = Pulse()
        let clients = try homes.enumerated().map { index, home in
            ChaosClient(
                name: "d\(index)", device: try JoinedDevice(home: home, port: port),
                sessions: ["shared", "own-\(index)"], pulse: pulse, seed: UInt64(index + 88))
        }
        let letter = home.root.appendingPathComponent("letter.txt")
        try Data("dear agent".utf8).write(to: letter)
        let put = try await home.run(["files", "put", letter.path], home: homes[0])
        let fileID = put.output.trimmingCharacters(in: .newlines)
        #expect(put.status == 0 && fileID.count == 32, "\(put)")
        let archive = home.root.appendingPathComponent("saved.tar").path

        let acknowledged = try await withThrowingTaskGroup(of: Void.self) { group in
            for client in clients {
                client.setSending(true)
                group.addTask { await client.run() }
            }
            defer { group.cancelAll() }
            func answered() -> [ChaosClient.Message] {
                clients.flatMap { client in
                    let open = Set(client.unanswered.map(\.id))
                    return client.messages.filter { !open.contains($0.id) }
                }
            }
            let isBusy = await pulse.wait(atMost: .seconds(60)) {
                clients.reduce(0) { $0 + $1.messages.count - $1.unanswered.count } >= 30
            }
            #expect(isBusy)
            let before = answered()
            let beats = pulse.beats
            for number in 0..<3 {
                let made = try await home.run(
                    ["backup", home.agent.path, "--with-keys", "--force", "--to", archive], within: 60)
                #expect(made.status == 0, "\(number): \(made)")
                #expect(made.output.hasPrefix(archive))
            }
            #expect(pulse.beats > beats + 20, "people went on talking meanwhile")
            return before
        }
        var mode = stat()
        #expect(stat(archive, &mode) == 0 && mode.st_mode & 0o777 == 0o600)
        // An admin may do it from afar, and gets no key.
        let far = home.root.appendingPathComponent("far.tar").path
        let remote = try await home.run(["backup", "--node", "alice@my-agent", "--to", far, "--json"], home: homes[0])
        #expect(remote.status == 0 && remote.output.contains(#""with_keys":false"#), "\(remote)")
        let refused = try await home.run(
            ["backup", "--node", "alice@my-agent", "--with-keys", "--to", far + "2"], home: homes[0])
        #expect(refused.status == 77, "\(refused)")
        #expect(!FileManager.default.fileExists(atPath: far + "2"))
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)

        // Any tar can read it, and its sums are those of any sha256sum.
        let unpacked = home.root.appendingPathComponent("unpacked")
        try FileManager.default.createDirectory(at: unpacked, withIntermediateDirectories: true)
        let tar = try home.launch("/usr/bin/tar", ["xf", archive, "-C", unpacked.path])
        #expect(try await tar.exit() == 0)
        let sums = try home.launch("/bin/sh", ["-c", "cd '\(unpacked.path)' && sha256sum -c --quiet SHA256SUMS"])
        #expect(try await sums.exit() == 0, "\(sums.output) \(sums.errors)")

        let restored = home.root.appendingPathComponent("elsewhere/my-agent")
        let result = try await home.run(["restore", archive, restored.path])
        #expect(result.status == 0 && result.output.contains("the same agent"), "\(result)")
        let (old, new) = (
            try turns(home.agent.appendingPathComponent("openagent.db").path),
            try turns(restored.appendingPathComponent("openagent.db").path)
        )
        #expect(acknowledged.count >= 30)
        for message in acknowledged {
            let turn = try #require(new[message.id], "\(message.id) is there")
            #expect(turn == old[message.id], "\(message.id)")
        }
        let notes = try remembered(restored)
        var count = 0
        for fact in acknowledged.compactMap(\.fact) where try remembered(home.agent).contains(fact) {
            #expect(notes.contains(fact), "\(fact)")
            count += 1
        }
        #expect(count > 0, "something was written down before")

        let again = try home.start(["serve", restored.path])
        try await again.line { $0.hasPrefix("Listens") }
        let got = try await home.run(
            ["files", "get", fileID, "-o", home.root.appendingPathComponent("back.txt").path], home: homes[0])
        #expect(got.status == 0, "\(got)")
        #expect(try Data(contentsOf: home.root.appendingPathComponent("back.txt")) == Data("dear agent".utf8))
        let asked = try await home.run(["chat", "-m", "hello"], home: homes[1])
        #expect(asked.status == 0, "the same devices are let in: \(asked)")
        again.signal(SIGTERM)
        #expect(try await again.exit() == 0)
    }

    @Test("a backup of a stopped agent, its restore without a key, and what is refused, each with its exit code")
    func exitCodes() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let archive = home.root.appendingPathComponent("saved.tar").path
        let made = try await home.run(["backup", home.agent.path, "--to", archive])
        #expect(made.status == 0, "\(made)")
        let twice = try await home.run(["backup", home.agent.path, "--to", archive])
        #expect(twice.status == 64 && twice.errors.contains("--force"), "\(twice)")
        let place = home.root.appendingPathComponent("back")
        let restored = try await home.run(["restore", archive, place.path, "--json"])
        #expect(restored.status == 0 && restored.output.contains("identity.key"), "\(restored)")
        let refused = try await home.run(["serve", place.path])
        #expect(refused.status == 1 && refused.errors.contains("restore it from a backup"), "\(refused)")
        #expect(try await home.run(["restore", archive, place.path]).status == 64)
        #expect(try await home.run(["restore", "--check", archive]).status == 0)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: archive))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: archive))
        #expect(try await home.run(["restore", "--check", archive]).status == 1)
        #expect(try await home.run(["restore", archive, place.path + "2"]).status == 1)
        #expect(!FileManager.default.fileExists(atPath: place.path + "2"))
        #expect(try await home.run(["restore", "/etc/passwd", place.path + "2"]).status == 64)
        #expect(try await home.run(["backup", home.root.path]).status == 73)
    }

    @Test("P-89: a database that a newer version wrote is refused by serve and by restore, and stays as it is")
    func newerSchema() async throws {
        let home = try TestHome()
        let server = try await home.serve()
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let database = home.agent.appendingPathComponent("openagent.db").path
        let queue = try DatabaseQueue(path: database)
        try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('2099-01-01 future')") }
        try queue.close()
        let refused = try await home.run(["serve", home.agent.path])
        #expect(refused.status == 1 && refused.errors.contains("newer version of openagent"), "\(refused)")
        let listed = try await home.run(["users", "list", "--agent", home.agent.path])
        #expect(listed.status == 1 && listed.errors.contains("newer version"), "\(listed)")
        let read = try DatabaseQueue(path: database)
        let steps = try await read.read { connection in
            #expect(try String.fetchOne(connection, sql: "PRAGMA integrity_check") == "ok")
            return try String.fetchAll(connection, sql: "SELECT identifier FROM grdb_migrations")
        }
        try read.close()
        #expect(steps.contains("2099-01-01 future"))
        // It can still be saved; what was saved is for the newer version.
        let archive = home.root.appendingPathComponent("newer.tar").path
        let made = try await home.run(["backup", home.agent.path, "--to", archive])
        #expect(made.status == 1 && made.errors.contains("newer version"), "\(made)")
        let doctor = try await home.run(["doctor", home.agent.path])
        #expect(doctor.status == 1 && doctor.output.contains("problem: database"), "\(doctor)")
    }
}
