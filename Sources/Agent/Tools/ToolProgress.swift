public import JSON
internal import Synchronization

// How much of a tool's progress is worth telling? Each line is kept on disk and sent to everybody who watches, so a tool that tells a
// thousand things a second is heard once a second.

/// The progress of one call.
final class ToolProgress: Sendable {
    private static let longest = 200
    /// Seconds between two lines.
    private static let rest = 1.0

    private let tool: String
    private let now: @Sendable () -> Double
    private let last = Mutex<Double?>(nil)

    /// - Parameter now: Unix seconds.
    init(tool: String, now: @escaping @Sendable () -> Double) {
        self.tool = tool
        self.now = now
    }

    /// - Returns: nil when it is not told.
    func status(_ text: String) -> String? {
        let now = now()
        let isDue = last.withLock { last in
            if let time = last, abs(now - time) < Self.rest { return false }
            last = now
            return true
        }
        let line = text.prefix(Self.longest).filter { !$0.isNewline }
        return isDue && !line.isEmpty ? "\(tool): \(line)" : nil
    }
}
