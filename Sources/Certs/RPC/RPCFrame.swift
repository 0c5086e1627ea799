// Where does a message end? `u32 length | message`, one message in each direction of a stream. A pure state machine: bytes
// in, an event out. A length beyond the limit is refused as soon as its four bytes are there, and memory grows with what
// has arrived, never with what was announced.
//
//   length ──4 bytes──▶ message ──all bytes──▶ done
//      │  too large        │  end of stream
//      └──────────────────▶└──▶ failed

/// Reads one length-prefixed message.
struct RPCFrameReader {
    enum Event: Equatable {
        case needsMore
        case message([UInt8])
        case failed(Failure)
    }

    enum Failure: Error, Equatable {
        case tooLarge
        case endOfStream
    }

    private enum State {
        case length([UInt8])
        case message([UInt8], missing: Int)
        case done
        case failed(Failure)
    }

    private let limit: Int
    private var state = State.length([])

    /// - Parameter limit: the longest message in bytes, without its length.
    init(limit: Int) { self.limit = limit }

    /// Takes bytes as they arrive. What follows the message is ignored: one stream carries one call.
    mutating func consume(_ bytes: some Collection<UInt8>) -> Event {
        var rest = Array(bytes)[...]
        if case .length(var prefix) = state {
            let taken = rest.prefix(4 - prefix.count)
            prefix += taken
            rest = rest.dropFirst(taken.count)
            guard prefix.count == 4 else {
                state = .length(prefix)
                return .needsMore
            }
            let length = prefix.reduce(0) { $0 << 8 | Int($1) }
            state = length > limit ? .failed(.tooLarge) : .message([], missing: length)
        }
        switch state {
        case .message(var message, let missing):
            let taken = rest.prefix(missing)
            message += taken
            guard taken.count == missing else {
                state = .message(message, missing: missing - taken.count)
                return .needsMore
            }
            state = .done
            return .message(message)
        case .failed(let failure): return .failed(failure)
        case .length, .done: return .needsMore
        }
    }

    /// The peer will send nothing more.
    mutating func end() -> Event {
        switch state {
        case .length, .message:
            state = .failed(.endOfStream)
            return .failed(.endOfStream)
        case .failed(let failure): return .failed(failure)
        case .done: return .needsMore
        }
    }
}

/// Reads length-prefixed messages that follow one another until the stream ends, as a watch's do.
struct RPCFrameSequence {
    private let limit: Int
    /// At most one message less a byte, and what came in with it.
    private var waiting: [UInt8] = []

    /// - Parameter limit: the longest message in bytes, without its length.
    init(limit: Int) { self.limit = limit }

    /// Takes bytes as they arrive.
    ///
    /// - Returns: the messages that are complete now.
    /// - Throws: ``RPCFrameReader/Failure/tooLarge`` as soon as a length says so.
    mutating func consume(_ bytes: some Collection<UInt8>) throws(RPCFrameReader.Failure) -> [[UInt8]] {
        waiting += bytes
        var messages: [[UInt8]] = []
        var start = 0
        while waiting.count - start >= 4 {
            let length = waiting[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= limit else { throw .tooLarge }
            guard waiting.count - start - 4 >= length else { break }
            messages.append(Array(waiting[start + 4..<start + 4 + length]))
            start += 4 + length
        }
        waiting.removeFirst(start)
        return messages
    }
}

enum RPCFrame {
    /// Longest request that the coordinator reads, in bytes.
    static let requestLimit = 64 * 1_024
    /// Longest answer that a client reads, in bytes: the reference's bound.
    static let responseLimit = 1_024 * 1_024

    static func encode(_ message: [UInt8]) -> [UInt8] { UInt32(message.count).bigEndianBytes + message }
}
