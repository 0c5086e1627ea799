// Which commands can a user give in a conversation? The one list from which help, menus, rights and effects come. What
// each does is in the files beside it.

/// A command of `/ws`, by its name, which is written with a slash where people type it. In the order of the help.
public enum SessionCommand: String, Sendable, CaseIterable {
    case new, clear, stop, status, queue, usage, model, context, compact, restart, help, reset

    /// What it does, in a few words for people.
    public var help: String {
        switch self {
        case .new: "start a fresh conversation; the old one is archived"
        case .clear: "forget this conversation; it is archived"
        case .stop: "stop the current answer and drop what waits"
        case .status: "what is running and waiting"
        case .queue: "how many messages wait"
        case .usage: "what your answers cost this month"
        case .model: "list the models; with one, answer with it here; with default, no longer"
        case .context: "how much of the conversation the agent is given"
        case .compact: "let a summary stand for the conversation so far"
        case .restart: "restart the agent (admins)"
        case .help: "this list"
        case .reset: "the same as new"
        }
    }

    /// Whether only an admin may give it.
    public var needsAdmin: Bool { self == .restart }

    /// Whether the help has it.
    public var isListed: Bool { self != .reset }

    /// Whether a bot's menu has it, which is shorter than the help.
    public var isInMenu: Bool {
        switch self {
        case .new, .clear, .stop, .status, .usage, .restart, .help: true
        case .queue, .model, .context, .compact, .reset: false
        }
    }

    /// The answer to `help`: one line a command.
    public static var list: String {
        allCases.filter(\.isListed).map { "• /\($0.rawValue) — \($0.help)" }.joined(separator: "\n")
    }

    var requiredRole: Role { needsAdmin ? .admin : .member }
}
