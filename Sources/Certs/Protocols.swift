// Which protocols does a node of OpenAgent speak over QUIC? Both ends must use the same ASCII names, byte for byte.

/// Application protocol names (RFC 7301) of OpenAgent.
public enum ALPN {
    /// HTTP/1.1 and WebSocket to an agent; each stream opens with a device certificate.
    public static let gateway = "openagent/gateway/1"
    /// Coordinator RPC: one call a stream.
    public static let coordinator = "openagent/coordinator/1"
}
