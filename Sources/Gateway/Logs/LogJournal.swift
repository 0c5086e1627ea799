internal import Dispatch
internal import Logging
public import Store
internal import Synchronization

// How is an event written without anybody waiting for the disk? It is laid into a queue of bounded size and written by a queue of the
// system's, which sleeps while there is nothing. What finds no room, or what the disk doesn't take, is counted and
// told in the log as soon as that works again. The same events go to those who follow.

/// What one sees who follows the log.
struct Following: Sendable {
    /// Oldest first.
    let last: [String]
    /// One line of JSON each; empty where ``beat`` was called.
    let next: AsyncStream<String>
    /// Puts an empty line among those to come.
    let beat: @Sendable () -> Void
    /// Nothing comes any more.
    let end: @Sendable () -> Void
}

/// Who follows the log.
struct LogReader: Sendable, Equatable {
    var handle: String
    /// The device key in hexadecimal digits.
    var device: String
}

/// The log of a serving agent. May be shared freely.
public final class LogJournal: Sendable {
    /// Bytes of events that wait to be written.
    static let mostWaiting = 2 << 20
    /// How many may follow at a time.
    static let mostFollowers = 32
    /// Events that one of them may be behind.
    static let mostBehind = 1_000

    private struct State {
        var waiting: [LogRecord] = []
        var weight = 0
        var dropped = 0
        var isScheduled = false
        var isClosed = false
        var followers: [UInt64: Follower] = [:]
        var lastFollower: UInt64 = 0
    }

    private struct Follower {
        let query: LogQuery
        let reader: LogReader
        let lines: AsyncStream<String>.Continuation
        var missed = 0

        /// What one misses who reads too slowly is told to him.
        mutating func take(_ line: String, _ time: Double) {
            if missed > 0 {
                guard case .enqueued = lines.yield(LogRecord.dropped(missed, at: time).line) else {
                    missed += 1
                    return
                }
                missed = 0
            }
            if case .dropped = lines.yield(line) { missed += 1 }
        }
    }

    let path: String
    let limits: LogFileLimits
    private let state = Mutex(State())
    /// Touched on the queue alone.
    private let file: Mutex<RotatingFile>
    private let queue = DispatchQueue(label: "openagent.log", qos: .utility)
    private let now: @Sendable () -> Double

    /// Opens the file at `path`, which is made with mode 0600.
    ///
    /// - Parameter now: Unix seconds, for what the journal says itself.
    /// - Throws: ``PrivateFileError``
    public init(
        _ path: String, limits: LogFileLimits, now: @escaping @Sendable () -> Double
    ) throws(PrivateFileError) {
        self.path = path
        self.limits = limits
        self.now = now
        file = Mutex(try RotatingFile(path, limits: limits))
    }

    deinit { file.withLock { $0.close() } }

    /// Takes an event. Never waits.
    func write(_ record: LogRecord) {
        let isFirst = state.withLock { state in
            guard !state.isClosed else { return false }
            let weight = record.weight
            guard state.weight + weight <= Self.mostWaiting else {
                state.dropped += 1
                return false
            }
            state.waiting.append(record)
            state.weight += weight
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if isFirst { queue.async { self.drain() } }
    }

    /// Returns once all that was said before is written, or counted as lost.
    public func flush() { queue.sync { drain() } }

    /// Writes what waits and ends those who follow. Nothing is taken afterwards.
    public func close() {
        flush()
        let followers = state.withLock { state in
            state.isClosed = true
            defer { state.followers = [:] }
            return state.followers.values.map(\.lines)
        }
        for follower in followers { follower.finish() }
        file.withLock { $0.synchronize() }
    }

    // MARK: Writing

    private func drain() {
        let (records, dropped) = state.withLock { state in
            defer { (state.waiting, state.weight, state.dropped, state.isScheduled) = ([], 0, 0, false) }
            return (state.waiting, state.dropped)
        }
        guard !records.isEmpty || dropped > 0 else { return }
        let all = (dropped > 0 ? [LogRecord.dropped(dropped, at: now())] : []) + records
        let lines = all.map(\.line)
        let isWritten = file.withLock { file in
            guard append(lines, to: &file) else { return false }
            if all.contains(where: { $0.level >= .warning }) { file.synchronize() }
            return true
        }
        // Told with the next line that can be written.
        if !isWritten { state.withLock { $0.dropped += records.count + dropped } }
        tell(Array(zip(all, lines)))
    }

    /// In pieces no larger than what a file may hold.
    private func append(_ lines: [String], to file: inout RotatingFile) -> Bool {
        var bytes: [UInt8] = []
        for line in lines {
            if bytes.count + line.utf8.count > min(limits.size, 1 << 20) / 2, !bytes.isEmpty {
                guard file.append(bytes) else { return false }
                bytes.removeAll(keepingCapacity: true)
            }
            bytes += line.utf8
            bytes.append(UInt8(ascii: "\n"))
        }
        return file.append(bytes)
    }

    // MARK: Following

    /// The last lines that match, and all that come after them, until the log ends. Blocks while the files are read.
    ///
    /// - Returns: nil when too many follow already, or the log has ended.
    private func start(_ query: LogQuery, for reader: LogReader) throws -> Following? {
        drain()
        let (lines, continuation) = AsyncStream.makeStream(
            of: String.self, bufferingPolicy: .bufferingOldest(Self.mostBehind))
        let id: UInt64? = state.withLock { state in
            guard state.followers.count < Self.mostFollowers, !state.isClosed else { return nil }
            state.lastFollower += 1
            state.followers[state.lastFollower] = Follower(query: query, reader: reader, lines: continuation)
            return state.lastFollower
        }
        guard let id else { return nil }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.followers.removeValue(forKey: id) }
        }
        // Nothing is written between the two: this runs where writing does.
        return Following(
            last: query.lines > 0 ? try LogFiles(path: path, keep: limits.keep).last(query) : [], next: lines,
            beat: { continuation.yield("") }, end: { continuation.finish() })
    }

    /// As ``start(_:for:)``, without holding up the caller's thread.
    func follow(_ query: LogQuery, for reader: LogReader) async throws -> Following? {
        try await withCheckedThrowingContinuation { caller in
            queue.async { caller.resume(with: Result { try self.start(query, for: reader) }) }
        }
    }

    /// Ends those who follow and match.
    func end(where matches: (LogReader) -> Bool) {
        let ended = state.withLock { state in
            let ids = state.followers.filter { matches($0.value.reader) }.map(\.key)
            return ids.compactMap { state.followers.removeValue(forKey: $0)?.lines }
        }
        for follower in ended { follower.finish() }
    }

    /// How many follow.
    var followerCount: Int { state.withLock { $0.followers.count } }

    private func tell(_ events: [(LogRecord, String)]) {
        guard state.withLock({ !$0.followers.isEmpty }) else { return }
        state.withLock { state in
            for id in Array(state.followers.keys) {
                for (record, line) in events where state.followers[id]?.query.matches(record) ?? false {
                    state.followers[id]?.take(line, now())
                }
            }
        }
    }
}
