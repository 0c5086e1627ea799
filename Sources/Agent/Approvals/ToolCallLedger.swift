internal import Foundation
public import JSON
public import Store

// What was called, by whom, with what, and how did it go? Rows of the audit table: one when a call is let through, before it runs, one
// when it has ended, one when it was refused. Arguments are there by their SHA-256 and their beginning without secrets; of a result its
// size is enough.

/// Keeps account of calls of tools in the audit table.
public struct ToolCallLedger: ToolLedger {
    /// UTF-8 bytes of arguments that a row shows.
    static let longestArguments = 512
    /// UTF-8 bytes of a reason.
    private static let longestReason = 300

    private let log: AuditLog
    private let secrets: KnownSecrets
    private let now: @Sendable () -> Double

    /// - Parameter now: Unix seconds.
    public init(_ log: AuditLog, secrets: KnownSecrets, now: @escaping @Sendable () -> Double) {
        self.log = log
        self.secrets = secrets
        self.now = now
    }

    public func began(
        _ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext
    ) async throws {
        let exact = try CallArguments(arguments)
        var details = Self.names(context)
        details["sha256"] = .string(exact.digest)
        details["bytes"] = .integer(Int64(exact.text.utf8.count))
        if let plain = await secrets.removed(from: tool.definition.withoutSecrets(arguments)) {
            details["arguments"] = .string(try CallArguments(plain).text.cut(to: Self.longestArguments))
        }
        try await log.append(row("tool.call", tool, context, "began", details))
    }

    public func ended(_ tool: OfferedTool, for context: ToolContext, _ result: ToolResult, took: Duration) async {
        var details = Self.names(context)
        details["bytes"] = .integer(Int64(result.text.utf8.count))
        details["milliseconds"] = .integer(Int64(took / .milliseconds(1)))
        // What can't be written is said by the row of its beginning, which has no other behind it.
        try? await log.append(row("tool.result", tool, context, result.isError ? "error" : "ok", details))
    }

    public func denied(_ tool: OfferedTool, for context: ToolContext, because reason: String) async {
        let reason = reason.cut(to: Self.longestReason)
        try? await log.append(row("tool.denied", tool, context, "refused: \(reason)", Self.names(context)))
    }

    private func row(
        _ action: String, _ tool: OfferedTool, _ context: ToolContext, _ result: String, _ details: [String: JSONValue]
    ) -> AuditRecord {
        var record = AuditRecord(
            at: now(), actor: context.handle, action: action, subject: tool.fullName, result: result)
        record.details = AuditDetails.text(details)
        return record
    }

    private static func names(_ context: ToolContext) -> [String: JSONValue] {
        var names: [String: JSONValue] = [
            "call": .string(context.callID.cut(to: 128)), "session": .string(context.sessionID),
            "turn": .string(context.turnID),
        ]
        if context.isUnattended { names["unattended"] = true }
        return names
    }
}

/// How details stand in an audit row.
enum AuditDetails {
    static func text(_ details: [String: JSONValue]) -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(details)).map { String(decoding: $0, as: UTF8.self) }
    }
}
