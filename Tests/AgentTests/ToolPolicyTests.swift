import Foundation
import JSON
import Testing

@testable import Agent
@testable import Store

// Which rule holds for a tool, and what does a change of the policy leave behind?

@Suite struct ToolPolicyTests {
    static let me = Registry.Actor(name: "root", device: [1])

    private static func line(_ pattern: String, _ rule: ToolRule) -> ToolPolicyRecord {
        ToolPolicyRecord(pattern: pattern, rule: rule, updatedAt: 1, updatedBy: "root")
    }

    @Test(
        "what is usual: reading, notes and the own schedule are allowed, everything else is asked about",
        arguments: [
            ("vault", ToolDefinition.Effect.query, ToolRule.allow), ("vault", .action, .allow),
            ("scheduler", .action, .allow), ("mcp-manager", .query, .allow), ("mcp-manager", .action, .ask),
            ("editor", .action, .ask), ("shell", .action, .ask), ("shell", .query, .ask), ("stranger", .query, .allow),
            ("stranger", .action, .ask), ("vault2", .action, .ask),
        ])
    func usual(_ server: String, _ effect: ToolDefinition.Effect, _ rule: ToolRule) {
        #expect(ToolPolicy.rule(for: ApprovalDesk.tool("x", server: server, effect), in: []) == rule)
    }

    @Test("the most specific line wins, in whatever order they stand")
    func mostSpecific() {
        let lines = [
            Self.line("*", .deny), Self.line("vault_*", .ask), Self.line("vault_write_*", .deny),
            Self.line("vault_write_note", .allow),
        ]
        for lines in [lines, lines.reversed()] {
            func rule(_ name: String, _ server: String) -> ToolRule {
                ToolPolicy.rule(for: ApprovalDesk.tool(name, server: server), in: lines)
            }
            #expect(rule("write_note", "vault") == .allow)
            #expect(rule("write_all", "vault") == .deny)
            #expect(rule("read_note", "vault") == .ask)
            // Another server, whose name goes on where this one's ends.
            #expect(rule("write_note", "vault-two") == .deny && rule("read_note", "vault-two") == .deny)
            #expect(rule("write_note2", "vault") == .deny)
        }
    }

    @Test(
        "a pattern is a name, a beginning, or everything",
        arguments: [
            ("*", true), ("vault_*", true), ("vault_write_note", true), ("Git-hub.x_y", true), ("", false),
            ("vault_*_note", false), ("vau*", false), ("**", false), ("vault *", false), ("vault\u{0}", false),
            ("väult", false),
            ("a/b", false), (String(repeating: "a", count: 256), true), (String(repeating: "a", count: 257), false),
        ])
    func patterns(_ pattern: String, _ isOne: Bool) {
        #expect(((try? ToolPolicy.checked(pattern)) != nil) == isOne)
    }

    @Test("P-30: each change leaves an audit row with what held before and after, and whether that is wider")
    func changesAreTold() async throws {
        let desk = try ApprovalDesk()
        let policies = desk.policies
        #expect(try await policies.set("shell_*", to: .deny, by: Self.me).isNew)
        #expect(try await !policies.set("shell_*", to: .ask, by: Self.me).isNew)
        _ = try await policies.set("shell_exec", to: .allow, by: Self.me)
        try await policies.remove("shell_exec", by: Self.me)
        _ = try await policies.set("shell_*", to: .deny, by: Self.me)
        try await policies.remove("shell_*", by: Self.me)
        let rows = try await desk.rows("tool_policy")
        #expect(
            rows.map(\.details) == [
                #"{"after":"deny","before":"usual","widens":false}"#, #"{"after":"ask","before":"deny","widens":true}"#,
                #"{"after":"allow","before":"ask","widens":true}"#, #"{"after":"ask","before":"allow","widens":false}"#,
                #"{"after":"deny","before":"ask","widens":false}"#, #"{"after":"usual","before":"deny","widens":true}"#,
            ])
        #expect(rows.map(\.subject) == ["shell_*", "shell_*", "shell_exec", "shell_exec", "shell_*", "shell_*"])
        #expect(rows.allSatisfy { $0.actor == "root" && $0.actorDevice == [1] })
        #expect(try await policies.lines().isEmpty)
    }

    @Test("what is refused changes nothing and leaves no row")
    func refused() async throws {
        let desk = try ApprovalDesk()
        await #expect(throws: ToolPolicyError.badPattern) {
            _ = try await desk.policies.set("a b", to: .allow, by: Self.me)
        }
        await #expect(throws: ToolPolicyError.missing("x_*")) { try await desk.policies.remove("x_*", by: Self.me) }
        #expect(try await desk.rows().isEmpty)
    }

    @Test("a rule that was narrowed holds for the next call")
    func narrowedAtOnce() async throws {
        let desk = try ApprovalDesk()
        let tool = ApprovalDesk.tool("read", server: "vault", .query)
        #expect(try await desk.admit(tool) == .allowed)
        _ = try await desk.policies.set("vault_read", to: .deny, by: Self.me)
        #expect(try await desk.admit(tool) != .allowed)
        #expect(desk.history.isEmpty)
    }
}
