import Foundation
import Testing

/// P-92: a conversation that was cleared is found again, from the command line and on each way to the agent.
@Suite struct SessionsTests {
    @Test(
        "P-92, P-11: what is cleared is listed and read from the archive by its owner, and by nobody else",
        arguments: [Carrier.network, .proxy])
    func clearedConversationsAreFound(_ carrier: Carrier) async throws {
        let world = try await AdministeredWorld(carrier)
        #expect(try await world.document(["sessions", "list"])["sessions"] as? [String] == [])
        for text in ["remember that the canary is yellow", "list notes"] {
            let chat = try await world.home.run(["chat", "-m", text])
            #expect(chat.status == 0, "\(chat)")
        }
        let list = try await world.run(["sessions", "list"])
        let cells = list.output.split(separator: "\t", omittingEmptySubsequences: false)
        #expect(list.status == 0 && cells.count == 7 && cells[0] == "cli" && cells[1] == "4", "\(list)")
        let show = try await world.run(["sessions", "messages", "cli"])
        #expect(show.status == 0 && show.output.contains("remember that the canary is yellow"), "\(show)")
        let part = try await world.run(["sessions", "messages", "cli", "--limit", "2"])
        #expect(!part.output.contains("canary is yellow\n"), "\(part)")
        #expect(part.errors.contains("--before"), "\(part)")

        let cleared = try await world.run(["sessions", "clear", "cli"])
        #expect(cleared.status == 0 && cleared.output.contains("openagent sessions archives"), "\(cleared)")
        let archives = try #require(
            try await world.document(["sessions", "archives"])["archives"] as? [[String: Any]])
        #expect(archives.count == 1 && archives[0]["messages"] as? Int == 4)
        #expect(archives[0]["opening"] as? String == "remember that the canary is yellow")
        let id = "\(try #require(archives[0]["id"] as? Int))"
        let archive = try await world.run(["sessions", "archive", id])
        #expect(archive.output == show.output, "the archive holds what was shown")

        // Neither another user nor the operator has any of it.
        for (target, home) in [
            (["--node", "bob@my-agent"], world.bob), (["--agent", world.home.agent.path], world.home.home),
        ] {
            let theirs = try await world.home.run(["sessions", "archives"] + target, home: home)
            #expect(theirs.status == 0 && theirs.output == "", "\(theirs)")
            let refused = try await world.home.run(["sessions", "archive", id] + target, home: home)
            #expect(refused.status == 64 && AdministrationTests.isAdvice(refused.errors), "\(refused)")
            #expect(!refused.errors.contains("/api/") && refused.errors.contains("openagent sessions"), "\(refused)")
            let empty = try await world.home.runInTerminal(
                ["sessions", "list"] + target, columns: 80, lines: 24, home: home)
            #expect(empty.output.contains("You have no conversation here yet"), "\(empty)")
        }
    }
}
