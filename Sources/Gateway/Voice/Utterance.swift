internal import Agent
internal import Wire

// How do pieces of microphone audio become one recording? They may be numbered and come in any order, or come in their order
// without numbers. Bounded and pure: it is told the time and knows no sockets.

/// One utterance while it is being spoken.
///
/// ```
///   gathering ──end, all there──▶ (complete)
///       │ └──end, pieces miss──▶ late ──they came──▶ (complete)
///       │                          └──time──▶ (failed)
///       └──too much──▶ refused ──end──▶ (over)
/// ```
struct Utterance: Sendable {
    enum Problem: Error, Equatable {
        case tooLong(limit: Int)
        case tooManyPieces(limit: Int)
        case badNumber
        case badSampleRate
        case missing([Int])
        case empty
    }

    enum Step: Sendable, Equatable {
        case more
        case complete(Recording)
        case failed(Problem)
        /// The end of an utterance that was refused.
        case over
    }

    private enum State: Sendable {
        case gathering, late, refused
    }

    /// UTF-8 bytes of what a client calls its audio.
    private static let longestEncoding = 16

    private var state = State.gathering
    private var pieces: [Int: [UInt8]] = [:]
    private let isNumbered: Bool
    private let encoding: String
    private let sampleRate: Int?
    private let limits: VoiceLimits
    private var highest: Int?
    /// The number of the last piece, once it is known.
    private var end: Int?
    /// Bytes that are held.
    private(set) var length = 0
    private(set) var messageID: String?
    /// When it is forgotten unless another piece comes.
    private(set) var deadline: ContinuousClock.Instant

    /// - Parameter first: the piece that came first; it is to be received, too.
    init(_ first: ClientMessage.AudioChunk, limits: VoiceLimits, now: ContinuousClock.Instant) {
        isNumbered = first.sequence != nil
        // It is held for as long as the utterance.
        encoding = first.encoding.utf8.count <= Self.longestEncoding ? first.encoding : ""
        sampleRate = first.sampleRate
        self.limits = limits
        deadline = now + limits.idleTime
    }

    mutating func receive(_ chunk: ClientMessage.AudioChunk, now: ContinuousClock.Instant) -> Step {
        messageID = chunk.messageID ?? messageID
        if case .refused = state {
            deadline = now + limits.idleTime
            return chunk.isEnd ? .over : .more
        }
        if case .gathering = state { deadline = now + limits.idleTime }
        // The end may be told without a piece.
        if !chunk.data.isEmpty || (isNumbered && chunk.sequence != nil) {
            let number = isNumbered ? chunk.sequence ?? next : next
            guard number >= 0 else { return refuse(.badNumber, chunk) }
            guard number <= limits.utterancePieces, pieces.count < limits.utterancePieces else {
                return refuse(.tooManyPieces(limit: limits.utterancePieces), chunk)
            }
            if pieces[number] == nil, end.map({ number <= $0 }) ?? true {
                guard length + chunk.data.count <= limits.utteranceLength else {
                    return refuse(.tooLong(limit: limits.utteranceLength), chunk)
                }
                pieces[number] = chunk.data
                length += chunk.data.count
                highest = max(highest ?? number, number)
            }
            if chunk.isEnd { end = end ?? number }
        } else if chunk.isEnd {
            end = end ?? highest ?? 0
        }
        guard let end else { return .more }
        guard missing(through: end).isEmpty else {
            if case .gathering = state { deadline = now + limits.lateTime }
            state = .late
            return .more
        }
        return finish(through: end)
    }

    /// Nothing came for too long.
    ///
    /// - Returns: what its speaker has to know; nil when there is nothing to say.
    func expired() -> Problem? {
        guard case .late = state, let end else { return nil }
        return .missing(missing(through: end))
    }

    /// Nothing of it is wanted; the pieces that are still under way are swallowed.
    mutating func refuse() {
        pieces = [:]
        length = 0
        state = .refused
    }

    // MARK: Parts

    private var next: Int { highest.map { $0 + 1 } ?? 1 }
    private var first: Int { pieces[0] == nil ? 1 : 0 }

    private func missing(through end: Int) -> [Int] {
        guard end >= first else { return [] }
        return (first...end).filter { pieces[$0] == nil }
    }

    private mutating func refuse(_ problem: Problem, _ chunk: ClientMessage.AudioChunk) -> Step {
        refuse()
        return .failed(problem)
    }

    private func finish(through end: Int) -> Step {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length)
        if end >= first { for number in first...end { bytes += pieces[number] ?? [] } }
        guard !bytes.isEmpty else { return .failed(.empty) }
        switch encoding.lowercased() {
        case "pcm16":
            let rate = sampleRate ?? 16_000
            guard (1...768_000).contains(rate) else { return .failed(.badSampleRate) }
            return .complete(Recording(bytes: WaveFile(samples: bytes, rate: rate).bytes, fileExtension: "wav"))
        case let other:
            return .complete(Recording(bytes: bytes, fileExtension: Self.fileExtension(other)))
        }
    }

    /// What a client calls its audio becomes part of a file's name.
    static func fileExtension(_ encoding: String) -> String {
        let isPlain =
            (1...longestEncoding).contains(encoding.utf8.count)
            && encoding.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
        return isPlain ? encoding : "audio"
    }
}

extension Utterance.Problem {
    var code: ErrorCode {
        switch self {
        case .tooLong, .tooManyPieces: .tooLarge
        case .badNumber, .badSampleRate, .missing, .empty: .invalid
        }
    }

    var text: String {
        switch self {
        case .tooLong(let limit): "An utterance may have \(limit >> 20) MiB."
        case .tooManyPieces(let limit): "An utterance may come in \(limit) pieces."
        case .badNumber: "A piece of audio is numbered from 0 or 1."
        case .badSampleRate: "This is no sample rate."
        case .missing(let numbers):
            "Audio is missing: seq " + numbers.prefix(10).map(String.init).joined(separator: ", ")
                + (numbers.count > 10 ? " and \(numbers.count - 10) more." : ".")
        case .empty: "There was no audio."
        }
    }
}
