// What is said over REST about calls of tools: which wait for their user's word, what the policy says about each tool, and which
// tools there are.

/// A call that waits or waited for its user's word.
public struct ApprovalBody: Codable, Sendable, Equatable {
    public var id: String
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    public var state: String
    /// The tool's full name.
    public var tool: String
    /// JSON, exactly what will run.
    public var arguments: String
    /// Whose turn it is.
    public var handle: String
    public var sessionID: String
    public var turnID: String
    public var createdAt: Double
    /// From then on it counts as denied.
    public var expiresAt: Double
    /// Nil when nobody did.
    public var decidedBy: String?
    public var decidedAt: Double?

    public init(
        id: String, state: String, tool: String, arguments: String, handle: String, sessionID: String, turnID: String,
        createdAt: Double, expiresAt: Double, decidedBy: String?, decidedAt: Double?
    ) {
        self.id = id
        self.state = state
        self.tool = tool
        self.arguments = arguments
        self.handle = handle
        self.sessionID = sessionID
        self.turnID = turnID
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.decidedBy = decidedBy
        self.decidedAt = decidedAt
    }

    private enum CodingKeys: String, CodingKey {
        case id, state, tool, arguments, handle
        case sessionID = "session_id"
        case turnID = "turn_id"
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case decidedBy = "decided_by"
        case decidedAt = "decided_at"
    }
}

/// `GET /api/approvals?all=&state=&limit=&cursor=`, newest first.
public struct ApprovalsBody: Codable, Sendable, Equatable {
    public var approvals: [ApprovalBody]
    public var nextCursor: String?

    public init(approvals: [ApprovalBody], nextCursor: String? = nil) {
        self.approvals = approvals
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case approvals
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/approvals/{id}`.
public struct ApprovalAnswer: Codable, Sendable, Equatable {
    /// `approve` or `deny`.
    public var decision: String

    public init(decision: String) { self.decision = decision }
}

/// The answer to `POST /api/approvals/{id}`.
public struct OneApproval: Codable, Sendable, Equatable {
    public var approval: ApprovalBody

    public init(approval: ApprovalBody) { self.approval = approval }
}

// MARK: The policy

/// One line of the policy of tools.
public struct ToolPolicyBody: Codable, Sendable, Equatable {
    /// A tool's full name, a beginning of names with `*` behind it, or `*` alone.
    public var pattern: String
    /// `allow`, `ask` or `deny`.
    public var rule: String
    public var updatedAt: Double
    public var updatedBy: String

    public init(pattern: String, rule: String, updatedAt: Double, updatedBy: String) {
        self.pattern = pattern
        self.rule = rule
        self.updatedAt = updatedAt
        self.updatedBy = updatedBy
    }

    private enum CodingKeys: String, CodingKey {
        case pattern, rule
        case updatedAt = "updated_at"
        case updatedBy = "updated_by"
    }
}

/// `GET /api/tool-policies`, in the order of the patterns.
public struct ToolPoliciesBody: Codable, Sendable, Equatable {
    public var policies: [ToolPolicyBody]
    public var nextCursor: String?

    public init(policies: [ToolPolicyBody], nextCursor: String? = nil) {
        self.policies = policies
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case policies
        case nextCursor = "next_cursor"
    }
}

/// The body of `PUT /api/tool-policies/{pattern}`.
public struct ToolPolicyWrite: Codable, Sendable, Equatable {
    /// `allow`, `ask` or `deny`.
    public var rule: String

    public init(rule: String) { self.rule = rule }
}

/// What became of a line.
public struct ToolPolicyChanged: Codable, Sendable, Equatable {
    public var ok: Bool
    public var policy: ToolPolicyBody

    public init(ok: Bool, policy: ToolPolicyBody) {
        self.ok = ok
        self.policy = policy
    }
}

/// A line is gone: what is more general holds.
public struct ToolPolicyRemoved: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) { self.ok = ok }
}

// MARK: Tools

/// A tool that the agent has.
public struct ToolBody: Codable, Sendable, Equatable {
    /// `<server>_<tool>`
    public var name: String
    public var server: String
    public var description: String
    /// `query` or `action`.
    public var effect: String
    public var needsAdmin: Bool
    /// What holds for it: `allow`, `ask` or `deny`.
    public var rule: String
    /// The pattern of the line that says so; nil: it is what is usual.
    public var pattern: String?

    public init(
        name: String, server: String, description: String, effect: String, needsAdmin: Bool, rule: String,
        pattern: String?
    ) {
        self.name = name
        self.server = server
        self.description = description
        self.effect = effect
        self.needsAdmin = needsAdmin
        self.rule = rule
        self.pattern = pattern
    }

    private enum CodingKeys: String, CodingKey {
        case name, server, description, effect, rule, pattern
        case needsAdmin = "needs_admin"
    }
}

/// `GET /api/tools`, in the order of the names.
public struct ToolsBody: Codable, Sendable, Equatable {
    public var tools: [ToolBody]
    public var nextCursor: String?

    public init(tools: [ToolBody], nextCursor: String? = nil) {
        self.tools = tools
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case tools
        case nextCursor = "next_cursor"
    }
}
