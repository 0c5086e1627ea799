// Every way in which a connection can end.

/// Why a connection is over.
public enum ConnectionCloseReason: Sendable, Hashable, CustomStringConvertible {
    /// This side closed it.
    case local(code: UInt64, reason: String)
    /// The peer's application closed it.
    case peer(code: UInt64, reason: String)
    /// The peer's transport closed it (RFC 9000 §20.1).
    case peerTransport(code: UInt64, reason: String)
    /// Nothing was heard for the idle timeout.
    case idleTimeout
    /// The peer has forgotten the connection: it was restarted.
    case statelessReset
    /// This side's endpoint was closed.
    case endpointClosed
    /// This side found the peer at fault, or could not go on.
    case failed(String)

    public var description: String {
        switch self {
        case .local(let code, let reason): "closed here with code \(code)\(Self.quoted(reason))"
        case .peer(let code, let reason): "closed by the peer with code \(code)\(Self.quoted(reason))"
        case .peerTransport(let code, let reason):
            "closed by the peer's transport with code 0x\(String(code, radix: 16))\(Self.quoted(reason))"
        case .idleTimeout: "nothing was heard from the peer"
        case .statelessReset: "the peer was restarted"
        case .endpointClosed: "this endpoint was closed"
        case .failed(let text): "failed: \(text)"
        }
    }

    private static func quoted(_ reason: String) -> String { reason.isEmpty ? "" : ": \(reason)" }
}
