// What a stream's channel says and understands beyond NIO's own vocabulary.

/// Why a stream ended before its time. Fired down the pipeline as an error.
public enum StreamError: Error, Equatable, CustomStringConvertible {
    /// The peer threw the stream away (RESET_STREAM) with this code.
    case reset(code: UInt64)
    /// The peer does not want to read any more (STOP_SENDING). What was written and not sent is lost. It is noticed with
    /// the next write; the code is 0 when the peer gave none, or while it is not known.
    case stopped(code: UInt64)
    /// This side threw the stream away.
    case resetLocally(code: UInt64)
    /// The connection under the stream ended.
    case connectionClosed(ConnectionCloseReason)

    public var description: String {
        switch self {
        case .reset(let code): "the peer reset the stream (code \(code))"
        case .stopped(let code): "the peer stopped reading the stream (code \(code))"
        case .resetLocally(let code): "the stream was reset (code \(code))"
        case .connectionClosed(let reason): "the connection ended: \(reason)"
        }
    }
}

/// An outbound user event: throws the stream away in both directions, with a code for the peer, and closes the channel.
public struct StreamReset: Sendable, Hashable {
    /// Below 2^62. What it means is the application's business.
    public let code: UInt64

    public init(code: UInt64) { self.code = code }
}
