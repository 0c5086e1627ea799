// How much may a peer make the gateway hold or wait for? All bounds of the gateway in one place, with their defaults.

/// Bounds that protect the gateway from its peers.
public struct GatewayLimits: Sendable {
    /// Bytes of the certificate in front of a stream.
    public var preambleLength = 16_384
    /// How long a peer may take to send it.
    public var preambleTime: Duration = .seconds(5)
    /// How long a connection may live on which no member has shown a certificate. Whoever only asks `/api/health` has to
    /// come again.
    public var strangerTime: Duration = .seconds(30)
    /// How long a stream may be silent between requests, or before its first one.
    public var idleTime: Duration = .seconds(120)
    /// Bytes of a request's header fields.
    public var headLength = 32 * 1024
    /// Bytes of a JSON request body.
    public var bodyLength = 1024 * 1024
    /// Bytes of one WebSocket frame.
    public var frameLength = 1024 * 1024
    /// Bytes of one WebSocket message, and how many fragments it may come in.
    public var messageLength = 4 * 1024 * 1024
    public var messageFragments = 1_024
    /// What a WebSocket's reader may be behind before it is closed with 4008.
    public var backlogBytes = 1024 * 1024
    public var backlogEvents = 1_024
    /// Turns that wait behind the running one of a lane.
    public var waitingPerLane = 20
    /// Turns that wait, over all lanes.
    public var waitingPerGateway = 10_000
    /// UTF-8 bytes of the texts that wait of one device, over all its lanes. Texts of up to a 1,024th of it always may.
    public var waitingBytesPerDevice = 64 * 1024 * 1024
    /// Sessions that one user may have; what was removed or cleared away does not count.
    public var sessionsPerUser = 10_000
    /// Sessions that one WebSocket may watch.
    public var sessionsPerSocket = 256
    /// How long a request waits for the answer to its message. The turn goes on.
    public var chatTime: Duration = .seconds(900)
    /// How long a stream of events is silent before it shows that it lives.
    public var streamSilence: Duration = .seconds(15)
    /// Sessions of one device in which turns run or wait at a time, where each session is a lane of its own.
    public var lanesPerDevice = 64
    /// UTF-8 bytes of a `session_id` or `message_id`.
    public var identifierLength = 256
    /// UTF-8 bytes of an answer; the rest of a longer one is cut.
    public var answerLength = 1024 * 1024
    /// Bytes of streamed answer text kept for replay while its turn runs.
    public var liveTextLength = 1024 * 1024
    /// Transcript messages that a turn is given.
    public var historyMessages = 400
    /// UTF-8 bytes of them: of a longer conversation the oldest are left out.
    public var historyLength = 8 * 1024 * 1024
    /// UTF-8 bytes of transcript that a client is given instead of events that are gone.
    public var stateLength = 256 * 1024
    /// How long the end of a turn that could not be saved waits before it is tried again: at first, and at most. The time
    /// doubles in between.
    public var savingPause: Duration = .milliseconds(500)
    public var longestSavingPause: Duration = .seconds(15)
    /// How long a client's `message_id` is recognised.
    public var messageMemory: Duration = .seconds(7 * 24 * 3600)
    /// How long a session's events can be replayed, unless ``SessionRepository/keptEvents`` newer ones came before.
    public var eventMemory: Duration = .seconds(24 * 3600)
    /// How often is looked for what may be forgotten.
    public var forgettingInterval: Duration = .seconds(3600)

    public init() {}

    /// Those of a bridge's WebSocket, which listens for many people at once.
    var forBridges: GatewayLimits {
        var limits = self
        limits.backlogBytes *= 16
        limits.backlogEvents *= 16
        return limits
    }
}
