internal import Agent
internal import Store

// How do the policy of tools, the questions to users and the account of calls come together over one database?

extension GatewayConfiguration {
    /// Lets tools ask their users, and keeps account of what they and administrators do.
    mutating func keepAccount(
        _ database: Database, _ registry: Registry, _ random: Randomness, store: ConfigurationStore
    ) -> (gate: Approvals, ledger: ToolCallLedger) {
        let (now, log) = (now, AuditLog(database))
        let approvals = Approvals(
            ApprovalRepository(database), policies: ToolPolicies(ToolPolicyRepository(database), now: now),
            lifetime: { .seconds(store.active.approvals.expiresSeconds) },
            time: TimeSource(now: now, sleep: TimeSource.system.sleep), makeID: { random.uuid() }
        ) { time in
            let days = store.active.approvals.auditDays
            if days > 0 { try await log.forgetCalls(before: time - Double(days) * 86_400, at: time) }
        }
        self.approvals = approvals
        audit = log
        let ledger = ToolCallLedger(
            log, secrets: KnownSecrets(all: { try await registry.secrets() }, hidden: LogSecrets.hidden), now: now)
        self.ledger = ledger
        services.append { await approvals.run() }
        return (approvals, ledger)
    }
}
