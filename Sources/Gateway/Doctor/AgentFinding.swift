// What did the doctor see? A name for programs, a state, a sentence for people and, where something can be done, what.

/// One thing of an agent that was looked at.
public struct AgentFinding: Sendable, Equatable, Codable {
    public enum State: String, Sendable, Codable {
        case ok
        /// The agent works; somebody should know.
        case warning
        /// Something does not work, or will not after the next start.
        case problem
    }

    /// A stable word, e.g. `database`.
    public var name: String
    public var state: State
    public var message: String
    /// A command to type, or what a person has to do.
    public var fix: String?

    static func ok(_ name: String, _ message: String) -> AgentFinding {
        AgentFinding(name: name, state: .ok, message: message)
    }

    static func warning(_ name: String, _ message: String, fix: String? = nil) -> AgentFinding {
        AgentFinding(name: name, state: .warning, message: message, fix: fix)
    }

    static func problem(_ name: String, _ message: String, fix: String?) -> AgentFinding {
        AgentFinding(name: name, state: .problem, message: message, fix: fix)
    }
}
