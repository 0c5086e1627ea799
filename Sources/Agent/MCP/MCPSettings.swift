// Which bounds hold for MCP servers? Times, memory and sizes, as the operator set them.

/// Bounds of MCP servers.
public struct MCPSettings: Sendable {
    /// How long calls may take; asked for each one.
    public var times: @Sendable () -> ToolTimes = { ToolTimes() }
    /// Bytes of memory that a server's program may take with all programs that it starts.
    public var memory = 1 << 30
    /// Bytes of what a call answers; more is cut.
    public var outputLimit = 256 << 10
    /// How long a server may take to list its tools after it was started. Programs that are downloaded at each start need long.
    public var startTime = Duration.seconds(60)
    /// How long a server that let a call run out of time has to answer that it is still there.
    public var pingTime = Duration.seconds(5)
    /// How long a server must be well until its failures are forgotten.
    public var healthyTime = Duration.seconds(60)
    /// The folder in which programs run; nil is this process' own.
    public var folder: String?
    /// What servers are told of this program.
    public var version = "0"

    public init() {}
}

/// How long is waited after failures?
struct MCPBackoff: Sendable {
    private(set) var failures = 0

    static let first = Duration.milliseconds(500)
    static let longest = Duration.seconds(300)

    /// - Parameter random: from 0 up to 1; servers that fell together do not rise together.
    mutating func next(random: Double) -> Duration {
        let time = min(Self.first * (1 << min(failures, 16)), Self.longest)
        failures += 1
        return time * (0.8 + 0.4 * random)
    }

    mutating func reset() { failures = 0 }
}
