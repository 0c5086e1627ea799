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
        // What runs is told in words, not as the wire has it.
        try await chat.line(containing: #"editor_write_file(content: "by hand", file_path: "a.txt")"#)
        try await chat.prompt("› ")
        #expect(Self.written(world) == "by hand" && !chat.output.contains("tool_call_id"), "\(chat.output)")
        try chat.type("\u{4}")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        let account = try await world.run(["audit", "--action", "tool.call", "--agent", world.agent.path])
        #expect(account.output.split(separator: "\n").count == 1, "\(account)")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("P-29: in a terminal: one question's call is asked about where it was asked")
    func askedForOneMessage() async throws {
        let (world, server) = try await Self.world()
        let chat = try world.startInTerminal(["chat", "-m", Self.call])
        try await chat.line(containing: "May editor_write_file run with")
        try chat.type("y\r")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        #expect(Self.written(world) == "by hand")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("P-29: in a terminal: a call that is asked about goes on when somebody says elsewhere that it may")
    func answeredElsewhere() async throws {
        let (world, server) = try await Self.world()
        let chat = try world.startInTerminal(["chat", "-m", Self.call])
        try await chat.line(containing: "y or n")
        // Nothing is typed here: what is printed now comes while the program waits for a line.
        let question = try await ApprovalRestartTests.question(world)
        _ = try await world.api("POST", "/api/approvals/\(question)", ["decision": "approve"])
        try await chat.line(containing: "the call was approved")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        #expect(Self.written(world) == "by hand")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }
}
