internal import Wire

// How is a whole list asked for? Page by page, by the cursor that each answer gives, and put together as if it had been one
// answer. A list that fits into one page is printed as it came.

/// An answer that is a page of a list.
protocol ListPage: Codable, Sendable {
    associatedtype Row: Sendable
    var rows: [Row] { get set }
    var nextCursor: String? { get }
    /// Later pages hold what comes before.
    static var goesBack: Bool { get }
}

extension ListPage {
    static var goesBack: Bool { false }
}

extension Administration {
    /// The most rows that an agent gives in one answer.
    private static let longestPage = 1_000

    /// Asks for a list until it has `count` rows or ends.
    ///
    /// - Parameter query: besides `limit` and `cursor`.
    func pages<Body: ListPage>(
        _ path: String, query: [(name: String, value: String?)] = [], atMost count: Int, as type: Body.Type,
        hint: String? = nil
    ) async throws -> Answer<Body> {
        func page(_ size: Int, _ cursor: String?) async throws -> Answer<Body> {
            try await get(
                Self.path(path, query: [("limit", "\(min(size, Self.longestPage))"), ("cursor", cursor)] + query),
                as: Body.self, hint: hint)
        }
        let first = try await page(count, nil)
        guard var cursor = first.value.nextCursor, first.value.rows.count < count else { return first }
        var rows = first.value.rows
        while true {
            var next = try await page(count - rows.count, cursor).value
            rows = Body.goesBack ? next.rows + rows : rows + next.rows
            // An agent that gives the same cursor again would be asked for ever.
            guard let further = next.nextCursor, further != cursor, rows.count < count, !next.rows.isEmpty else {
                next.rows = rows
                return try Self.answer(next)
            }
            cursor = further
        }
    }
}

extension SessionsBody: ListPage {
    var rows: [SessionBody] {
        get { sessions }
        set { sessions = newValue }
    }
}

extension SessionMessagesBody: ListPage {
    static var goesBack: Bool { true }
    var rows: [TranscriptMessageBody] {
        get { messages }
        set { messages = newValue }
    }
}

extension ArchivedMessagesBody: ListPage {
    static var goesBack: Bool { true }
    var rows: [TranscriptMessageBody] {
        get { messages }
        set { messages = newValue }
    }
}

extension ArchivesBody: ListPage {
    var rows: [ArchiveBody] {
        get { archives }
        set { archives = newValue }
    }
}

extension UsersBody: ListPage {
    var rows: [UserBody] {
        get { users }
        set { users = newValue }
    }
}

extension DevicesBody: ListPage {
    var rows: [DeviceBody] {
        get { devices }
        set { devices = newValue }
    }
}

extension AgentsBody: ListPage {
    var rows: [AgentBody] {
        get { agents }
        set { agents = newValue }
    }
}

extension InvitationsBody: ListPage {
    var rows: [InvitationBody] {
        get { invitations }
        set { invitations = newValue }
    }
}

extension AuditBody: ListPage {
    var rows: [AuditEntryBody] {
        get { entries }
        set { entries = newValue }
    }
}

extension BacklinksBody: ListPage {
    var rows: [NoteBody] {
        get { backlinks }
        set { backlinks = newValue }
    }
}

extension NoteTagsBody: ListPage {
    var rows: [Tag] {
        get { tags }
        set { tags = newValue }
    }
}

extension ApprovalsBody: ListPage {
    var rows: [ApprovalBody] {
        get { approvals }
        set { approvals = newValue }
    }
}

extension ToolsBody: ListPage {
    var rows: [ToolBody] {
        get { tools }
        set { tools = newValue }
    }
}

extension ToolPoliciesBody: ListPage {
    var rows: [ToolPolicyBody] {
        get { policies }
        set { policies = newValue }
    }
}

extension BridgesBody: ListPage {
    var rows: [BridgeBody] {
        get { bridges }
        set { bridges = newValue }
    }
}

extension SendersBody: ListPage {
    var rows: [SenderBody] {
        get { senders }
        set { senders = newValue }
    }
}

extension PairingsBody: ListPage {
    var rows: [PairingBody] {
        get { pairings }
        set { pairings = newValue }
    }
}
