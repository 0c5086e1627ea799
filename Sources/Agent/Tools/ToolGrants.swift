// Which server's tools may be called by whom? Two have to agree: the server, which says for whom it is meant (``ToolServer/openTo``), and
// whoever runs the agent, who grants it. What nobody granted is denied, and what is denied is not shown either.

/// What was granted to those who call tools.
public struct ToolGrants: Sendable, Equatable {
    /// The servers that a kind of caller may use.
    public enum Servers: Sendable, Equatable {
        case all
        /// By their names.
        case some(Set<String>)

        func contains(_ name: String) -> Bool {
            switch self {
            case .all: true
            case .some(let names): names.contains(name)
            }
        }
    }

    /// A caller that is missing here may use nothing.
    public var granted: [ToolCaller: Servers]

    /// Turns and workflows may use every server that is meant for them; others what is named here and meant for them.
    public init(granted: [ToolCaller: Servers] = [.turn: .all, .workflow: .all]) { self.granted = granted }

    func allows(_ caller: ToolCaller, _ server: any ToolServer) -> Bool {
        server.openTo.contains(caller) && granted[caller]?.contains(server.name) ?? false
    }
}
