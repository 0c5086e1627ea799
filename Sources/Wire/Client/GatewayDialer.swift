public import NIOCore

// How does a client get bytes to its agent? This file names the one thing that every client needs, a stream that is
// already authenticated, and the one way in which getting it fails. It does not know QUIC, certificates or HTTP.

/// Opens authenticated streams to one agent. The loopback proxy, the chat client and the REST client all speak
/// through this; a test hands in plain sockets.
public protocol GatewayDialer: Sendable {
    /// Opens a stream that behaves as one TCP connection to the agent's HTTP server (network.md §3).
    ///
    /// - Parameter initializer: sets up the pipeline before the channel becomes active. It runs again, on another
    ///   channel, when the first attempt met a dead connection.
    /// - Throws: ``AgentUnreachable``, the initializer's own error, or `CancellationError`.
    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R

    /// The same without waiting, for callers on an event loop who open many streams.
    ///
    /// - Parameter initializer: sets up the pipeline before the channel becomes active.
    /// - Returns: what `initializer` returned; nil when ``openStream(_:)`` has to be asked, whose errors also tell why.
    /// - Throws: what `initializer` throws.
    func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R?
}

extension GatewayDialer {
    public func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R? { nil }
}

/// No stream to the agent could be had: why, and what its user can try.
public struct AgentUnreachable: Error, Equatable, CustomStringConvertible {
    public enum Cause: Sendable, Equatable {
        /// No connection could be made.
        case dial(String)
        /// There is a connection, and it takes no further stream.
        case stream(String)
        /// Every stream that the agent allows is in use and none came free in time.
        case busy
        /// This device has no certificate that it could show.
        case credentials(String)
    }

    /// The agent's name or the short form of its node id, for people.
    public let agent: String
    public let cause: Cause

    public init(agent: String, cause: Cause) {
        self.agent = agent
        self.cause = cause
    }

    /// What went wrong, in one sentence without a full stop.
    public var reason: String {
        switch cause {
        case .dial(let why): "cannot connect to agent \(agent): \(why)"
        case .stream(let why): "the connection to agent \(agent) failed: \(why)"
        case .busy: "agent \(agent) has no free stream: every one it allows is in use"
        case .credentials(let why): "this device cannot prove who it is to agent \(agent): \(why)"
        }
    }

    /// What to do about it.
    public var hint: String {
        switch cause {
        case .dial:
            "check that 'openagent serve' runs there, that its UDP port can be reached from here, "
                + "and that its address has not changed"
        case .stream: "try again; if it stays so, look at the agent's log"
        case .busy: "close connections that you no longer need, or try again later"
        case .credentials: "log in again with 'openagent connect'"
        }
    }

    public var description: String { "\(reason) (\(hint))" }
}
