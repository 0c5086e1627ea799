internal import NIOCore

// What would have to be said again to another stream, if the first one is lost before anything is answered? Requests that
// change nothing and have no body, up to the size of one head.

/// The requests that a stream was given, as long as another stream may be given the same.
struct RepeatableRequests {
    /// More than that is not kept.
    private static let limit = 32 << 10

    private(set) var bytes: [ByteBuffer] = []
    private var count = 0

    /// Keeps what is handed to the stream.
    ///
    /// - Parameter isSafe: whether all of it may be repeated.
    /// - Returns: whether everything handed over so far can be repeated.
    mutating func add(_ handed: [ByteBuffer], isSafe: Bool) -> Bool {
        count += handed.reduce(0) { $0 + $1.readableBytes }
        guard isSafe, count <= Self.limit else { return false }
        bytes += handed
        return true
    }
}
