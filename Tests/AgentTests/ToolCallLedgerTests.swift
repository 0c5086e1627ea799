import Foundation
import JSON
import Testing

@testable import Agent
@testable import Store

// P-31: what does the audit table say about calls of tools, and what does it not?

@Suite struct ToolCallLedgerTests {
    private func ledger(_ desk: ApprovalDesk, secrets: [String]? = []) -> ToolCallLedger {
        struct Unknown: Error {}
        return ToolCallLedger(
            desk.log,
            secrets: KnownSecrets(all: {
                guard let secrets else { throw Unknown() }
                return secrets
            }), now: { 7 })
    }

    private func details(_ row: AuditRecord) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(try #require(row.details).utf8))
    }

    @Test("P-31: each call has a row before it runs and one of its end, each refusal has one")
    func rows() async throws {
        let desk = try ApprovalDesk()
        let (ledger, tool, context) = (ledger(desk), ApprovalDesk.tool(), ApprovalDesk.context())
        try await ledger.began(tool, ["path": "a"], for: context)
        await ledger.ended(tool, for: context, ToolResult("done", isError: false), took: .milliseconds(42))
        await ledger.ended(tool, for: context, ToolResult("broken", isError: true), took: .seconds(1))
        await ledger.denied(tool, for: context, because: "No.")
        let rows = try await desk.rows("tool")
        #expect(
            rows.map { [$0.actor, $0.action, $0.subject, $0.result] } == [
                ["ana", "tool.call", "other_write", "began"], ["ana", "tool.result", "other_write", "ok"],
                ["ana", "tool.result", "other_write", "error"], ["ana", "tool.denied", "other_write", "refused: No."],
            ])
        let began = try details(rows[0])
        #expect(began["arguments"]?.string == #"{"path":"a"}"# && began["bytes"] == .integer(12))
        #expect(began["sha256"]?.string == (try CallArguments(["path": "a"])).digest)
        #expect(began["turn"] == "t" && began["call"] == "c" && began["session"] == "s")
        let ended = try details(rows[1])
        #expect(ended["bytes"] == .integer(4) && ended["milliseconds"] == .integer(42) && ended["arguments"] == nil)
    }

    @Test("secrets of the agent are in no row, wherever in the arguments they stand, and rows stay short")
    func secrets() async throws {
        let desk = try ApprovalDesk()
        let ledger = ledger(desk, secrets: ["hunter2hunter2", "a\"quoted\"/one"])
        try await ledger.began(
            ApprovalDesk.tool(),
            [
                "url": "https://x/?k=hunter2hunter2", "list": ["hunter2hunter2", ["deep": "a\"quoted\"/one"]],
                "password": "short", "hunter2hunter2": true, "X-Api-Key": "also",
                "text": .string(String(repeating: "é", count: 9_999)),
            ], for: ApprovalDesk.context())
        let text = try #require(try await desk.rows("tool.call").first?.details)
        for word in ["hunter2", "quoted", "short", "also"] { #expect(!text.contains(word), "\(word)") }
        #expect(text.contains("[redacted]") && text.utf8.count < 2_000)
    }

    @Test("when nobody can say what is secret a row has the arguments' hash alone")
    func unknownSecrets() async throws {
        let desk = try ApprovalDesk()
        try await ledger(desk, secrets: nil).began(ApprovalDesk.tool(), ["a": "plain"], for: ApprovalDesk.context())
        let row = try details(try #require(try await desk.rows().first))
        #expect(row["arguments"] == nil && row["sha256"]?.string?.utf8.count == 64)
    }

    @Test("P-31: a call that can't be written down is not let through")
    func fullDisk() async throws {
        let desk = try ApprovalDesk()
        let ledger = ledger(desk)
        try desk.database.close()
        await #expect(throws: (any Error).self) {
            try await ledger.began(ApprovalDesk.tool(), [:], for: ApprovalDesk.context())
        }
    }

    @Test("the secrets of providers and servers are known, those behind references, too")
    func registrySecrets() async throws {
        let desk = try ApprovalDesk()
        struct NoNetwork: OutboundHTTP {
            func send(_ request: OutboundRequest) async throws -> OutboundAnswer { throw OutboundHTTPError.unreachable }
        }
        let registry = Registry(RegistryRepository(desk.database), http: NoNetwork(), now: { 1 }) {
            $0 == "{env:KEY}" ? "looked-up" : $0
        }
        _ = try await registry.addProvider(
            .init(name: "a", apiKey: "{env:KEY}", baseURL: "http://127.0.0.1:9"), by: ToolPolicyTests.me)
        _ = try await registry.addMCP(
            "m", MCPChange(command: .line("x"), environment: ["T": "of-the-server"]), by: ToolPolicyTests.me)
        #expect(Set(try await registry.secrets()) == ["looked-up", "of-the-server"])
    }
}
