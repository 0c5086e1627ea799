internal import Foundation
internal import GRDB

// What is known of a tool's policy and of a question about a call? The rows in domain terms, their states as enums.

/// What a policy says about a tool.
public enum ToolRule: String, Sendable, Codable, CaseIterable, Comparable {
    case deny, ask, allow

    /// Narrower ones first.
    public static func < (left: ToolRule, right: ToolRule) -> Bool { left.width < right.width }

    private var width: Int {
        switch self {
        case .deny: 0
        case .ask: 1
        case .allow: 2
        }
    }
}

/// One line of the policy.
public struct ToolPolicyRecord: Sendable, Equatable {
    /// A tool's full name, a beginning of names with `*` behind it, or `*` alone.
    public var pattern: String
    public var rule: ToolRule
    /// Unix seconds.
    public var updatedAt: Double
    /// A handle, or the name of a part of the system.
    public var updatedBy: String

    public init(pattern: String, rule: ToolRule, updatedAt: Double, updatedBy: String) {
        self.pattern = pattern
        self.rule = rule
        self.updatedAt = updatedAt
        self.updatedBy = updatedBy
    }
}

/// What has become of a question about a call.
public enum ApprovalState: String, Sendable, Codable, CaseIterable {
    case pending, approved, denied
    /// Nobody answered in time.
    case expired
    /// The turn was stopped while it waited.
    case withdrawn
}

/// A question about a call.
public struct ApprovalRecord: Sendable, Equatable {
    /// Its place among all, from 1.
    public var number: Int64
    public var id: String
    public var turn: String
    /// Unique within the turn.
    public var call: String
    public var sessionID: String
    /// Whose turn it is.
    public var handle: String
    /// The tool's full name.
    public var tool: String
    /// JSON, exactly what will run, but for what the tool says is secret.
    public var arguments: String
    /// SHA-256 of exactly what will run.
    public var hash: [UInt8]
    /// Unix seconds, as all times here.
    public var createdAt: Double
    public var expiresAt: Double
    public var state: ApprovalState
    /// A handle, or the name of a part of the system; nil when nobody did.
    public var decidedBy: String?
    public var decidedAt: Double?

    public init(
        id: String, turn: String, call: String, sessionID: String, handle: String, tool: String, arguments: String,
        hash: [UInt8], createdAt: Double, expiresAt: Double
    ) {
        number = 0
        self.id = id
        self.turn = turn
        self.call = call
        self.sessionID = sessionID
        self.handle = handle
        self.tool = tool
        self.arguments = arguments
        self.hash = hash
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        state = .pending
    }

    init(_ row: Row) throws {
        guard let state = ApprovalState(rawValue: row["state"]) else {
            throw NetworkRowError.unknownStatus(column: "state")
        }
        number = row["number"]
        id = row["id"]
        turn = row["turn"]
        call = row["call"]
        sessionID = row["session_id"]
        handle = row["handle"]
        tool = row["tool"]
        arguments = row["arguments"]
        hash = Array(row["hash"] as Data)
        createdAt = row["created_at"]
        expiresAt = row["expires_at"]
        self.state = state
        decidedBy = row["decided_by"]
        decidedAt = row["decided_at"]
    }
}
