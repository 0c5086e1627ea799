// How busy is a node? What an operator, a test or a benchmark may ask an endpoint, counted at one moment.

/// Counters of an endpoint.
public struct EndpointStatistics: Sendable, Equatable {
    /// Connections in both directions whose handshake is complete.
    public let connections: Int
    public let handshakes: Int
    /// Streams of all connections that this side has not closed.
    public let openStreams: Int
    /// Newcomers that were turned away because there were too many connections, of one node or of all, since the
    /// endpoint was bound.
    public let refusals: UInt64

    /// When there is nobody left to ask: the event loop has ended.
    static let none = EndpointStatistics(connections: 0, handshakes: 0, openStreams: 0, refusals: 0)
}
