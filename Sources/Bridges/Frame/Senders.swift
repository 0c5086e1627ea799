internal import Wire

// How does somebody whom the configuration doesn't name come in? An admin lets them in by a code that they were told here. Whether one has
// is asked at each message, so that taking somebody off holds at once; a code is told now and then, not to every message of a stranger.

actor Senders {
    /// Between two tellings to the same user.
    static let codePause = 600.0
    /// Users of whom is remembered when they were told.
    private static let remembered = 1_000

    private let agent: AgentCalls
    private let seams: BridgeSeams
    private var told: [String: Double] = [:]

    init(_ agent: AgentCalls, _ seams: BridgeSeams) {
        self.agent = agent
        self.seams = seams
    }

    func isApproved(_ sender: String) async throws -> Bool { try await agent.isApproved(sender) }

    /// A code to tell; nil when the user was told one a moment ago, or the agent gives out no more.
    func code(for sender: String, name: String) async throws -> String? {
        let now = seams.now()
        if let last = told[sender], now - last < Self.codePause { return nil }
        if told.count >= Self.remembered {
            told = told.filter { now - $0.value < Self.codePause }
            // So many strangers at a time are no users.
            guard told.count < Self.remembered else { return nil }
        }
        told[sender] = now
        return try await agent.code(for: sender, name: name)?.code
    }
}
