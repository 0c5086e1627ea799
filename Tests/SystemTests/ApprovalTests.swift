import Foundation
import Testing

/// P-29: a call of a tool that has to be asked about, as the people see it who are asked.
@Suite struct ApprovalTests {
    private static let call = #"/tool editor_write_file {"file_path":"a.txt","content":"by hand"}"#

    private static func world() async throws -> (TestHome, Server) {
        let world = try TestHome()
        let server = try await world.serve()
        let joined = try await world.join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        return (world, server)
    }

    private static func written(_ world: TestHome) -> String? {
        try? String(contentsOf: world.agent.appendingPathComponent("workspace/a.txt"), encoding: .utf8)
    }

    @Test("P-29: in a terminal: what would run is shown and waits; n keeps it from running, y lets it run, once")
    func askedInAConversation() async throws {
        let (world, server) = try await Self.world()
        let chat = try world.startInTerminal(["connect"])
        try await chat.line(containing: "Connected")
        try await chat.prompt("› ")
        try chat.type(Self.call + "\r")
        try await chat.line(containing: "May editor_write_file run with")
        try await chat.line(containing: "y or n")
        try chat.type("perhaps\r")
        try await chat.line(containing: "y lets it run, n does not")
        try chat.type("n\r")
        try await chat.line(containing: "denied")
        #expect(Self.written(world) == nil)
        try await chat.prompt("› ")
        try chat.type(Self.call + "\r")
        try await chat.lines(2, containing: "May editor_write_file run with")
        try chat.type("y\r")
        try await chat.line(containing: "the call was approved")
        try await chat.line(containing: "a.txt")
        try await chat.prompt("› ")
        #expect(Self.written(world) == "by hand")
        try chat.type("\u{4}")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        let account = try await world.run(["audit", "--action", "tool.call", "--agent", world.agent.path])
        #expect(account.output.split(separator: "\n").count == 1, "\(account)")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("P-29: in a terminal: one question's call is asked about where it was asked")
    func askedForOneMessage() async throws {
        let (world, _) = try await Self.world()
        let chat = try world.startInTerminal(["chat", "-m", Self.call])
        try await chat.line(containing: "May editor_write_file run with")
        try chat.type("y\r")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        #expect(Self.written(world) == "by hand")
    }

    @Test("P-29: without a terminal the question and its id are said, and the answer is given from elsewhere")
    func askedElsewhere() async throws {
        let (world, server) = try await Self.world()
        let chat = try world.start(["chat", "-m", Self.call])
        chat.closeInput()
        var waiting = ""
        let deadline = ContinuousClock.now + .seconds(20)
        while waiting.isEmpty, ContinuousClock.now < deadline {
            waiting = try await world.run(["approvals", "list"]).output
        }
        let id = try #require(waiting.split(separator: "\t").first.map(String.init), "\(chat.output) \(chat.errors)")
        #expect(waiting.contains("editor_write_file") && waiting.contains("by hand"), "\(waiting)")
        // A restart forgets nothing: the same question waits.
        server.program.signal(SIGKILL)
        try await server.program.exit()
        _ = try await world.serve()
        #expect(try await world.run(["approvals", "list"]).output.hasPrefix(id))
        #expect(Self.written(world) == nil)
        let approved = try await world.run(["approvals", "approve", id])
        #expect(approved.status == 0 && approved.output == "editor_write_file runs.\n", "\(approved)")
        #expect(try await chat.exit() == 0, "\(chat.errors)")
        #expect(chat.errors.contains("openagent approvals approve \(id)"), "\(chat.errors)")
        #expect(Self.written(world) == "by hand")
        let again = try await world.run(["approvals", "deny", id])
        #expect(again.status == 73 && again.errors.contains("hint: "), "\(again)")
    }
}
