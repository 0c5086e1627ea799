// Every bound of the transport in one place, with its default.

/// How much a peer may take of this node. The defaults suit a personal agent.
public struct TransportLimits: Sendable {
    /// A connection without any packet for this long is gone.
    public var idleTimeout: Duration = .seconds(30)
    /// An open connection that is silent for this long sends a PING, so that NATs and the peer remember it.
    public var keepAlive: Duration = .seconds(10)
    /// A handshake that takes longer is given up.
    public var handshakeTimeout: Duration = .seconds(10)
    /// Bidirectional streams that the peer may have open at a time, in each connection.
    public var maxStreamsPerConnection = 100
    /// Connections from one node; one more is refused.
    public var maxConnectionsPerNode = 8
    /// Incoming connections from all nodes together. Past it newcomers are refused by an answer to their first packet,
    /// and whoever is connected stays. When an endpoint knows somebody (``EndpointConfiguration/isKnown``), the last
    /// eighth is theirs alone.
    public var maxConnections = 4_096
    /// Incoming handshakes in flight. While there are more, newcomers must first prove their address (Retry).
    public var maxHandshakes = 256
    /// Incoming handshakes that begin in a second; a fifth as many may begin at once. Those past it wait for about a
    /// second before they are lost, so that newcomers never take the processor away from who is connected.
    public var maxHandshakesPerSecond = 250
    /// Bytes that a peer may send on one stream before the application reads them: at first, and at most when the
    /// stream turns out to be fast.
    public var streamWindow = 1 << 20
    public var maxStreamWindow = 3 << 20
    /// The same for all streams of a connection together.
    public var connectionWindow = 2 << 20
    public var maxConnectionWindow = 6 << 20
    /// Datagrams that wait for the application, and that wait to be sent, in each connection. Past it the newest is
    /// dropped: datagrams are unreliable anyway.
    public var maxQueuedDatagrams = 256

    public init() {}
}
