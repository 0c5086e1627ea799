public import Logging
public import Wire

// What does a bridge get from the agent that runs it? The gateway knows no platform: whoever starts the agent hands in how a bridge is
// run, and gets for each one what it needs.

/// What one run of a bridge is given.
public struct BridgeRun: Sendable {
    public var settings: ChannelSettings
    /// Streams to the agent, with the bridge's own certificate.
    public var dialer: GatewayPool
    /// Path of what the bridge has to remember.
    public var database: String
    /// An empty folder for files on their way.
    public var temporary: String
    public var logger: Logger

    public init(
        settings: ChannelSettings, dialer: GatewayPool, database: String, temporary: String, logger: Logger
    ) {
        self.settings = settings
        self.dialer = dialer
        self.database = database
        self.temporary = temporary
        self.logger = logger
    }
}

/// Runs a bridge until the task is cancelled. Throws ``BridgeMustBeMended`` when only an admin can help; after anything else it is
/// called again.
public typealias RunBridge = @Sendable (BridgeRun) async throws -> Void

/// Why a bridge ended that won't do better by itself: a wrong token, an account that is used twice.
public struct BridgeMustBeMended: Error, Equatable, CustomStringConvertible {
    /// A sentence without secrets.
    public var reason: String

    public init(_ reason: String) { self.reason = reason }

    public var description: String { reason }
}
