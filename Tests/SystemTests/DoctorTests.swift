import Foundation
import Testing

// Does the doctor find what is broken, name what to do, and touch nothing?

@Suite struct DoctorTests {
    private struct Found: Decodable {
        var name: String
        var state: String
        var message: String
        var fix: String?
    }

    private func examine(
        _ world: TestHome, _ arguments: [String] = []
    ) async throws -> (status: Int32, problems: [Found], all: [Found]) {
        let result = try await world.run(["doctor", world.agent.path, "--json"] + arguments)
        #expect(result.output.split(separator: "\n").count == 1, "one line")
        let all = try JSONDecoder().decode([Found].self, from: Data(result.output.utf8))
        return (result.status, all.filter { $0.state == "problem" }, all)
    }

    /// An agent that has served once and ended well.
    private func agent() async throws -> TestHome {
        let world = try TestHome()
        let server = try await world.serve()
        server.program.signal(SIGTERM)
        try await server.program.exit()
        return world
    }

    private func file(_ world: TestHome, _ name: String) -> String { world.agent.appendingPathComponent(name).path }

    /// Name, size, time and mode of everything in the agent's folder.
    private func contents(_ world: TestHome) throws -> [String] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: world.agent.path).sorted()
        return try paths.map { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: file(world, path))
            return
                "\(path) \(attributes[.size] ?? 0) \(attributes[.modificationDate] ?? 0) \(attributes[.posixPermissions] ?? 0)"
        }
    }

    @Test func aSoundAgentHasNoProblemsRunningOrNotAndIsNotTouched() async throws {
        let world = try await agent()
        let before = try contents(world)
        let stopped = try await examine(world)
        #expect(stopped.status == 0 && stopped.problems.isEmpty, "\(stopped)")
        #expect(try contents(world) == before)
        let server = try await world.serve()
        let running = try await examine(world)
        #expect(running.status == 0 && running.problems.isEmpty, "\(running)")
        #expect(running.all.contains { $0.name == "server" && $0.message.contains("answers") })
        let status = try await world.run(["status", "--agent", world.agent.path])
        #expect(status.output.contains("Health  answers; 0 turns running"), "\(status)")
        let text = try await world.run(["doctor", world.agent.path])
        #expect(text.output.contains("ok: database: the database is sound"))
        server.program.signal(SIGTERM)
        try await server.program.exit()
    }

    @Test func aKeyThatOthersCanReadIsAProblem() async throws {
        let world = try await agent()
        chmod(file(world, "identity.key"), 0o644)
        let found = try await examine(world)
        #expect(found.status == 1)
        #expect(found.problems.map(\.name) == ["identity"])
        #expect(found.problems.first?.fix == "chmod 600 \(file(world, "identity.key"))")
    }

    @Test func anotherAgentsKeyIsAProblem() async throws {
        let (world, other) = (try await agent(), try await agent())
        try FileManager.default.removeItem(atPath: file(world, "identity.key"))
        try FileManager.default.copyItem(atPath: file(other, "identity.key"), toPath: file(world, "identity.key"))
        let found = try await examine(world)
        #expect(found.status == 1)
        #expect(found.problems.first?.name == "identity")
        #expect(found.problems.first?.message.contains("another agent's key") == true)
    }

    @Test func aConfigurationThatCannotBeReadIsAProblemWithItsLine() async throws {
        let world = try await agent()
        try Data("name: ok\nlimits: [\u{7}\n".utf8).write(to: world.agent.appendingPathComponent("openagent.yaml"))
        let found = try await examine(world)
        #expect(found.status == 1)
        let problem = try #require(found.problems.first { $0.name == "configuration" })
        #expect(problem.message.contains("openagent.yaml:"), "\(problem)")
    }

    @Test func aDamagedDatabaseIsFoundAndServeNamesTheFileAndTheDoctor() async throws {
        let world = try await agent()
        let path = world.agent.appendingPathComponent("openagent.db")
        let sound = try Data(contentsOf: path)
        // In the middle, where only a whole check looks.
        var bytes = sound
        let middle = sound.count / 4096 / 2 * 4096
        for index in middle..<middle + 512 { bytes[index] ^= 0xA5 }
        try bytes.write(to: path)
        let found = try await examine(world)
        #expect(found.status == 1)
        let problem = try #require(found.problems.first { $0.name == "database" })
        #expect(problem.message.contains("damaged"))
        #expect(problem.fix?.contains("backup") == true)
        #expect(try Data(contentsOf: path) == bytes)

        // At the beginning, where a start looks.
        bytes = sound
        for index in 0..<512 { bytes[index] ^= 0xA5 }
        try bytes.write(to: path)
        #expect(try await examine(world).problems.map(\.name) == ["database"])
        let refused = try await world.run(["serve", world.agent.path])
        #expect(refused.status == 1)
        #expect(refused.errors.contains(path.path) && refused.errors.contains("openagent doctor"), "\(refused)")
    }

    @Test func aDamagedSearchIndexIsRemovedOnlyWhenAsked() async throws {
        let world = try await agent()
        let path = file(world, ".openagent/notes.db")
        try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        let found = try await examine(world)
        #expect(found.status == 0)
        #expect(found.all.contains { $0.name == "note_index" && $0.state == "warning" })
        #expect(FileManager.default.fileExists(atPath: path))
        #expect(try await examine(world, ["--repair"]).status == 0)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func aProgramThatIsNotThereIsAProblem() async throws {
        let world = try await agent()
        let yaml = "name: ok\ntts:\n  command: no-such-program --stdout\nstt:\n  command: cat\n"
        try Data(yaml.utf8).write(to: world.agent.appendingPathComponent("openagent.yaml"))
        let found = try await examine(world)
        #expect(found.problems.map(\.name) == ["tts.command"])
        #expect(found.all.contains { $0.name == "stt.command" && $0.state == "ok" })
    }

    @Test func whatADeadServerLeftIsAWarning() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        server.program.signal(SIGKILL)
        try await server.program.exit()
        let found = try await examine(world)
        #expect(found.status == 0)
        #expect(found.all.contains { $0.name == "server" && $0.state == "warning" && $0.fix != nil })
    }
}
