import Foundation
import Testing

/// The real program, while the agent that it asks is being started again.
@Suite struct RestartWindowTests {
    @Test("chat -m keeps trying while the agent is away, and so does what only reads; a failed /command is an error")
    func theCommandLineWaitsForARestart() async throws {
        let world = try TestHome()
        let first = try await world.serve()
        let joined = try await world.join(try await first.ticket())
        #expect(joined.status == 0, "\(joined)")
        let failed = try await world.run(["chat", "-m", "/model nope"])
        #expect(failed.status == 64 && failed.output == "" && failed.errors.contains("nope"), "\(failed)")
        let known = try await world.run(["chat", "-m", "/model"])
        #expect(known.status == 0 && known.output.contains("builtin:librarian"), "\(known)")
        let afar = try await world.run(["status", "--network", "alice@my-agent", "--json"])
        #expect(afar.status == 0 && afar.output.contains("\"node_id\":\"") && afar.output.contains("\"system\":{"))

        first.program.signal(SIGTERM)
        #expect(try await first.program.exit() == 0)
        let chat = try world.start(["chat", "-m", "hello", "--timeout", "60"])
        chat.closeInput()
        let command = try world.start(["chat", "-m", "/status", "--timeout", "60"])
        command.closeInput()
        // Both have found nobody before the agent is back.
        let soon = try await world.run(["chat", "-m", "hello", "--timeout", "1"])
        #expect(soon.status == 69, "\(soon)")
        let second = try await world.serve()
        #expect(try await chat.exit(within: 60) == 0, "\(chat.errors)")
        #expect(try await command.exit(within: 60) == 0, "\(command.errors)")
        try await chat.line(containing: "librarian")
        second.program.signal(SIGTERM)
        #expect(try await second.program.exit() == 0)
    }
}
