// What may a user set about approvals and about the account of tools' calls?

/// Settings of the section `approvals`.
public struct ApprovalConfiguration: Sendable, Equatable {
    /// How many seconds a call waits for its user before that means no, 5 to 604,800.
    public var expiresSeconds = 600
    /// After how many days rows about calls of tools leave the audit table, 1 to 36,500; 0: never.
    public var auditDays = 0

    public init() {}

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        expiresSeconds = try section.integer("expires_seconds", in: 5...604_800) ?? expiresSeconds
        auditDays = try section.integer("audit_days", in: 0...36_500) ?? auditDays
    }
}
