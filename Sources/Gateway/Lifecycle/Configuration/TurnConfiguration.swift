internal import Agent

// What may be set in openagent.yaml about how models and tools answer? The chain of models, the steps of a turn, what the model is told,
// and who may use which tools for how long. All of it counts from the next turn or call on.

/// `system_prompt` and the sections `models`, `agent` and `tools`.
struct TurnConfiguration: Sendable, Equatable {
    var turns = TurnSettings()
    var tools = ToolSettings()

    /// How long a call of a tool may take, in seconds.
    private static let seconds = 1.0...3_600

    mutating func read(_ root: inout ConfigurationSection) throws(ConfigurationError) {
        turns.systemPrompt =
            try root.value("system_prompt", "text of at most 64 KiB") { $0.utf8.count <= 64 << 10 ? $0 : nil }
            ?? turns.systemPrompt
        try root.section("models") { models throws(ConfigurationError) in
            turns.fallback = try models.texts("fallback") ?? turns.fallback
        }
        try root.section("agent") { agent throws(ConfigurationError) in
            turns.steps = try agent.integer("steps", in: 1...1_000) ?? turns.steps
        }
        try root.section("tools") { section throws(ConfigurationError) in
            for (key, caller) in [("turns", ToolCaller.turn), ("workflows", .workflow), ("outside", .outside)] {
                guard let names = try section.texts(key) else { continue }
                tools.grants.granted[caller] = names == ["all"] ? .all : .some(Set(names))
            }
            tools.times.query =
                try section.number("query_seconds", in: Self.seconds).map { .seconds($0) } ?? tools.times.query
            tools.times.action =
                try section.number("action_seconds", in: Self.seconds).map { .seconds($0) } ?? tools.times.action
            tools.times.certain =
                try section.numbers("time_limits", in: Self.seconds)?.mapValues { .seconds($0) } ?? tools.times.certain
        }
    }
}
