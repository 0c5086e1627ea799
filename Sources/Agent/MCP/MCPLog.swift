internal import Logging
internal import Synchronization

// What does an MCP server leave in the log? When it came and went, and what it says itself: a few lines at once and then a count, never
// longer than a line may be, and never a secret that it was given.

/// The log of one server, under the source `mcp:<name>`.
final class MCPLog: Sendable {
    private struct State {
        var windowBegan = 0.0
        var count = 0
        var dropped = 0
    }

    /// Lines of the server's own within ``window``.
    static let mostLines = 50
    /// Seconds.
    static let window = 10.0
    /// Bytes of a line of the server's own.
    static let longestLine = 1_024
    /// A shorter secret would make holes in words that only look alike, in bytes.
    private static let shortestHidden = 6

    private let name: String
    private let logger: Logger
    private let now: @Sendable () -> Double
    private let secrets = Mutex<[String]>([])
    private let state = Mutex(State())

    init(_ name: String, logger: Logger, now: @escaping @Sendable () -> Double) {
        self.name = name
        self.now = now
        var logger = logger
        logger[metadataKey: "source"] = "mcp:\(name)"
        self.logger = logger
    }

    /// What must not stand in any line.
    func hide(_ values: some Sequence<String>) {
        var hidden = values.filter { $0.utf8.count >= Self.shortestHidden }
        // A token is often a word behind another one, as in `Bearer …`.
        hidden += hidden.flatMap { $0.split(separator: " ").map(String.init) }.filter { $0.utf8.count >= 12 }
        hidden.sort { $0.utf8.count > $1.utf8.count }
        secrets.withLock { [hidden] in $0 = hidden }
    }

    /// A text without the server's secrets.
    func hidden(_ text: String) -> String {
        secrets.withLock { $0 }.reduce(text) { $0.replacing($1, with: "[redacted]") }
    }

    func ready(tools: Int, isNew: Bool) {
        guard isNew else { return logger.info("mcp::ready", metadata: ["tools": "\(tools)"]) }
        logger.notice("mcp::ready", metadata: ["tools": "\(tools)"])
    }

    func ended(_ reason: String, retryAfter delay: Duration) {
        logger.warning("mcp::ended", metadata: ["reason": "\(reason)", "retry_after": "\(delay)"])
    }

    func refused(_ reason: String) { logger.warning("mcp::refused", metadata: ["reason": "\(reason)"]) }

    func stopped() { logger.notice("mcp::stopped") }

    /// What the server writes to standard error, or sends as a message for the log.
    func said(_ text: String, level: String = "info") {
        guard let dropped = admit() else { return }
        if dropped > 0 { logger.warning("mcp::silenced", metadata: ["lines": "\(dropped)"]) }
        let metadata: Logger.Metadata = ["text": "\(MCPMessages.cut(hidden(text), to: Self.longestLine))"]
        switch level {
        case "debug": logger.debug("mcp::said", metadata: metadata)
        case "warning", "notice": logger.warning("mcp::said", metadata: metadata)
        case "error", "critical", "alert", "emergency": logger.error("mcp::said", metadata: metadata)
        default: logger.info("mcp::said", metadata: metadata)
        }
    }

    /// - Returns: how many lines were left out before this one; nil when it is left out, too.
    private func admit() -> Int? {
        let now = now()
        return state.withLock { state in
            if now - state.windowBegan > Self.window || now < state.windowBegan {
                state.windowBegan = now
                state.count = 0
            }
            guard state.count < Self.mostLines else {
                state.dropped += 1
                return nil
            }
            state.count += 1
            defer { state.dropped = 0 }
            return state.dropped
        }
    }
}

/// Divides what a server writes for people into lines, cut to what a log takes.
struct MCPRemarks: Sendable {
    private var line: [UInt8] = []

    mutating func append(_ bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 0x0A {
                if !line.isEmpty { lines.append(String(decoding: line, as: UTF8.self)) }
                line = []
            } else if line.count < MCPLog.longestLine, byte != 0x0D {
                line.append(byte)
            }
        }
        return lines
    }
}
