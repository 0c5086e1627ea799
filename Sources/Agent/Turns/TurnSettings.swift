// What may be set about turns, and what does a turn need to know of its agent? Asked anew for each turn, so that a change counts from
// the next one on.

/// How models and tools work together in a turn.
public struct TurnSettings: Sendable, Equatable {
    /// What the model is told of the agent.
    public struct Description: Sendable, Equatable {
        public var name: String
        /// The folder of the notes.
        public var vault: String
        /// In words.
        public var time: String

        public init(name: String = "an agent", vault: String = "", time: String = "") {
            self.name = name
            self.vault = vault
            self.time = time
        }
    }

    /// How often the model is asked in one turn, 1 to 1,000.
    public var steps = 50
    /// Models that are asked when the chosen one does not answer, by their runtime ids, in this order.
    public var fallback: [String] = []
    public var systemPrompt = "You are a helpful assistant."
    public var agent = Description()
    public var retries = RetryPolicy()

    public init() {}
}
