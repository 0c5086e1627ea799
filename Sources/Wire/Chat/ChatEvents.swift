// What does a chat look like to its user? The events, the ends and the patience of a chat client.

/// How a client comes back after it lost its agent.
public struct ReconnectPolicy: Sendable {
    /// The first delay; each further one is twice as long.
    public var firstDelay: Duration = .milliseconds(250)
    public var maximumDelay: Duration = .seconds(15)
    /// Failures in a row before giving up.
    public var maximumAttempts = 40

    public init() {}

    /// What is waited before the next attempt.
    ///
    /// - Parameters:
    ///   - failures: in a row.
    ///   - jitter: from 0 to 1. Spreads the delay over its upper half, so that clients don't return together.
    public func delay(afterFailures failures: Int, jitter: Double) -> Duration {
        var delay = firstDelay
        for _ in 1..<max(1, failures) where delay < maximumDelay { delay *= 2 }
        return min(delay, maximumDelay) * (0.5 + 0.5 * min(max(jitter, 0), 1))
    }
}

/// What a chat client tells its user.
public enum ChatEvent: Sendable, Equatable {
    case connecting
    case connected(ServerMessage.AuthOK)
    /// Messages that are sent meanwhile are kept.
    case disconnected(reason: String, retryIn: Duration)
    /// Each event of a session once, in order.
    case message(ServerMessage)
}

/// Why a chat is over.
public enum ChatError: Error, Equatable, CustomStringConvertible {
    case revoked
    case replaced
    case notAuthorized(status: Int, text: String)
    case refused(String)
    case unreachable(String)
    /// There is no connection at the moment.
    case notConnected
    /// More messages wait for the agent than may.
    case tooManyWaiting(limit: Int)

    public var description: String {
        switch self {
        case .revoked: "this device was revoked: ask the network's administrator for a new invitation"
        case .replaced: "another connection of this device took over: close the other one to come back"
        case .notAuthorized(let status, let text):
            "the agent refused this device (\(status) \(text)): log in again with 'openagent connect'"
        case .refused(let why): "the agent does not understand this client: \(why); versions may differ"
        case .unreachable(let why): "the agent cannot be reached: \(why)"
        case .notConnected: "there is no connection to the agent at the moment: try again when it is back"
        case .tooManyWaiting(let limit): "\(limit) messages wait for the agent already: try again when it is back"
        }
    }
}
