internal import Synchronization

// What has a program printed lately? The last bytes of a stream that may never end; how much is gone is known.

/// The end of a stream.
final class OutputWindow: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        /// Of the stream, before ``bytes``.
        var dropped = 0
        /// Of the stream: up to where somebody has read.
        var readUpTo = 0
    }

    /// Bytes that are kept of a stream.
    static let limit = 1_000_000

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int = OutputWindow.limit) { self.limit = limit }

    func append(_ piece: [UInt8]) {
        state.withLock { state in
            state.bytes += piece
            // Now and then, not at each piece: what is at the front is moved then.
            if state.bytes.count > 2 * limit {
                state.dropped += state.bytes.count - limit
                state.bytes.removeFirst(state.bytes.count - limit)
            }
        }
    }

    /// - Parameter sinceLast: only what was not read before.
    /// - Returns: the text, and whether bytes before it are gone that were wanted.
    func read(sinceLast: Bool) -> (text: String, isTruncated: Bool) {
        state.withLock { state in
            let excess = max(0, state.bytes.count - limit)
            let first = state.dropped + excess
            let wanted = sinceLast ? state.readUpTo : 0
            let start = max(first, wanted)
            let text = String(decoding: state.bytes[(start - state.dropped)...], as: UTF8.self)
            state.readUpTo = state.dropped + state.bytes.count
            return (text, first > wanted)
        }
    }
}
