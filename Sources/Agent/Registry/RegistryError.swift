// Why was a provider, a model or an MCP server not changed? In words for whoever asked; never with a secret in them.

/// A change that the registry refuses.
public enum RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A value that can't be.
    case invalid(String, hint: String? = nil)
    case notFound(String)
    /// There is something of that name.
    case conflict(String, hint: String? = nil)

    public var description: String {
        switch self {
        case .invalid(let text, _), .notFound(let text), .conflict(let text, _): text
        }
    }

    public var hint: String? {
        switch self {
        case .invalid(_, let hint), .conflict(_, let hint): hint
        case .notFound: nil
        }
    }
}
