public import JSON

// What is said over REST about invitations and about the audit table. A list names an invitation by an id that admits
// nobody; the code leaves the coordinator once, in the answer to the call that made it.

/// One invitation of `GET /api/network/invitations`.
public struct InvitationBody: Codable, Sendable, Equatable {
    /// Ten hexadecimal digits; not the code.
    public var id: String
    /// `user`, `device` or `agent`.
    public var role: String
    /// `open`, `spent` or `expired`.
    public var state: String
    public var bindTo: String?
    public var usesLeft: Int
    public var createdAt: Double
    public var expiresAt: Double
    public var createdBy: String?
    public var usedAt: Double?
    public var label: String?

    public init(
        id: String, role: String, state: String, bindTo: String?, usesLeft: Int, createdAt: Double, expiresAt: Double,
        createdBy: String?, usedAt: Double?, label: String?
    ) {
        self.id = id
        self.role = role
        self.state = state
        self.bindTo = bindTo
        self.usesLeft = usesLeft
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.createdBy = createdBy
        self.usedAt = usedAt
        self.label = label
    }

    private enum CodingKeys: String, CodingKey {
        case id, role, state, label
        case bindTo = "bind_to"
        case usesLeft = "uses_left"
        case createdAt = "created_at"
        case expiresAt = "expires_at"
        case createdBy = "created_by"
        case usedAt = "used_at"
    }
}

public struct InvitationsBody: Codable, Sendable, Equatable {
    public var invitations: [InvitationBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(invitations: [InvitationBody], nextCursor: String? = nil) {
        self.invitations = invitations
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case invitations
        case nextCursor = "next_cursor"
    }
}

/// `POST /api/network/invitations`; of `POST /api/whoami/invitations` only `ttl`, `uses` and `label` count.
public struct NewInvitation: Codable, Sendable, Equatable {
    /// Whom it is for. A user who exists gets a device invitation, unless `role` says otherwise.
    public var handle: String?
    public var role: String?
    /// Seconds, 1 to 7,776,000; 7 days when it is absent.
    public var ttl: Double?
    /// 1 to 1,000; 1 when it is absent.
    public var uses: Int?
    public var label: String?

    public init(
        handle: String? = nil, role: String? = nil, ttl: Double? = nil, uses: Int? = nil, label: String? = nil
    ) {
        self.handle = handle
        self.role = role
        self.ttl = ttl
        self.uses = uses
        self.label = label
    }
}

/// The answer to it: the one time that the ticket is shown.
public struct CreatedInvitation: Codable, Sendable, Equatable {
    public var id: String
    /// `oa1…`
    public var ticket: String
    public var code: String
    public var role: String
    public var bindTo: String?
    /// What it lets its bearer do: `register`, `add_device` or `add_agent`.
    public var intent: String
    public var expiresAt: Double
    public var usesLeft: Int
    public var label: String?

    public init(
        id: String, ticket: String, code: String, role: String, bindTo: String?, intent: String, expiresAt: Double,
        usesLeft: Int, label: String?
    ) {
        self.id = id
        self.ticket = ticket
        self.code = code
        self.role = role
        self.bindTo = bindTo
        self.intent = intent
        self.expiresAt = expiresAt
        self.usesLeft = usesLeft
        self.label = label
    }

    private enum CodingKeys: String, CodingKey {
        case id, ticket, code, role, intent, label
        case bindTo = "bind_to"
        case expiresAt = "expires_at"
        case usesLeft = "uses_left"
    }
}

/// Answer to `DELETE /api/network/invitations/{id}`.
public struct InvitationRevocation: Codable, Sendable, Equatable {
    public var id: String
    public var revoked: Bool
    public init(id: String, revoked: Bool) {
        self.id = id
        self.revoked = revoked
    }
}

/// One row of `GET /api/audit`.
public struct AuditEntryBody: Codable, Sendable, Equatable {
    public var id: Int64
    public var at: Double
    /// Who: a handle, `operator` or `system`.
    public var actor: String
    /// From which device; nil for operator and system.
    public var device: String?
    /// What, as `device.revoke`.
    public var action: String
    /// On whom.
    public var subject: String
    /// `ok`, `refused: …`; of a call also `began` and `error`.
    public var result: String
    /// More of it, for actions that have more.
    public var details: JSONValue?

    public init(
        id: Int64, at: Double, actor: String, device: String?, action: String, subject: String, result: String,
        details: JSONValue? = nil
    ) {
        self.details = details
        self.id = id
        self.at = at
        self.actor = actor
        self.device = device
        self.action = action
        self.subject = subject
        self.result = result
    }
}

/// `GET /api/audit?limit=&before=&actor=&action=&subject=`, newest first.
public struct AuditBody: Codable, Sendable, Equatable {
    public var entries: [AuditEntryBody]
    /// The value of `before` that asks for what follows; nil at the end.
    public var next: Int64?
    /// The same as a `cursor`.
    public var nextCursor: String?

    public init(entries: [AuditEntryBody], next: Int64?, nextCursor: String? = nil) {
        self.entries = entries
        self.next = next
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case entries, next
        case nextCursor = "next_cursor"
    }
}
