// What a connection can say about its path.

/// Counters and estimates of a connection at one moment.
public struct ConnectionStatistics: Sendable, Equatable {
    /// Round trip time, smoothed and of the latest sample. Zero before there is a sample.
    public let smoothedRTT: Duration
    public let latestRTT: Duration
    /// Bytes that congestion control lets be in flight, and that are.
    public let congestionWindow: Int
    public let bytesInFlight: Int
    /// UDP payload bytes and QUIC packets since the connection began.
    public let sentBytes: UInt64
    public let receivedBytes: UInt64
    public let sentPackets: UInt64
    public let receivedPackets: UInt64
    /// Times that packets were found lost, counted once a recovery period (RFC 9002 §7.3.2): ngtcp2 0.12 tells of
    /// nothing finer.
    public let lossPeriods: Int
    /// Probes in a row that nothing has answered (RFC 9002 §6.2).
    public let unansweredProbes: Int
    /// The largest UDP payload that the path takes, as far as is known.
    public let mtu: Int
    /// Streams that are not closed in both directions.
    public let openStreams: Int
    /// Whether the handshake resumed an earlier session.
    public internal(set) var isResumed = false
    /// `local → remote`, for people.
    public let path: String
}

extension ConnectionStatistics {
    /// When there is nobody left to ask: the event loop has ended.
    static let none = ConnectionStatistics(
        smoothedRTT: .zero, latestRTT: .zero, congestionWindow: 0, bytesInFlight: 0, sentBytes: 0, receivedBytes: 0,
        sentPackets: 0, receivedPackets: 0, lossPeriods: 0, unansweredProbes: 0, mtu: 0, openStreams: 0, path: "")
}
