internal import NIOCore

// Where does one request end and the next begin, and may each of them pass? Watches the client's bytes on their way to
// the agent: every head is checked, everything else is counted and passed on as it came. Does no I/O and never sees
// an answer; the one that matters, to an upgrade, is reported to it.

/// The client's side of one keep-alive connection (RFC 9112), as a state machine.
///
///                    ┌───────────── no body ──────────────┐
///                    ▼                                    │
///     bytes ──►  head ── passes ──► length ── counted ────┤
///                 │  │                                    │
///                 │  └────────────► chunk size ◄─► data   │
///                 │                     └─ 0 ─► trailers ─┘
///                 ├── WebSocket ──► awaiting answer ── 101 ──► tunnel (bytes, no HTTP any more)
///                 │                     └── anything else ──► head
///                 └── must not pass, or has two readings ──► refused
///
/// What is forwarded has one reading only, whoever parses it behind us: that is what makes counting it safe. Only the
/// first request of a connection may upgrade, since later the answer to look for could not be told from others.
struct RequestGuard {
    /// What to do next.
    enum Step: Equatable {
        /// Pass these bytes on.
        case forward(ByteBuffer)
        /// Pass nothing more on until ``upgradeAnswered(accepted:)``. The answer must name `answerProtocol`, when there
        /// is one, as the WebSocket's subprotocol.
        case awaitUpgrade(answerProtocol: String?)
        /// Answer with this and end the connection. Nothing follows.
        case refuse(Refusal)
    }

    struct Limits: Sendable {
        /// A head, with its empty line.
        var head = 32 << 10
        /// A chunk's size line, with extensions.
        var chunkLine = 256
        /// All trailer fields of one request.
        var trailers = 8 << 10
    }

    private enum State: Equatable {
        case head
        case length(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers(seen: Int)
        case awaitingAnswer
        case tunnel
        case refusing(Refusal)
        case refused
    }

    private let rules: AccessRules
    private let limits: Limits
    private var state = State.head
    /// What is not forwarded yet.
    private var buffer = ByteBuffer()
    /// Bytes at the front of `buffer` that may be forwarded.
    private var accepted = 0
    /// How far behind `accepted` the end of a head has been looked for.
    private var searched = 0
    private var hasSeenRequest = false
    /// An empty line before the request line is tolerated once (RFC 9112 §2.2).
    private var hasSkippedEmptyLine = false
    /// An upgrade that has been forwarded and not been reported yet.
    private var upgrade: (answerProtocol: String?, isPending: Bool) = (nil, false)

    /// Whether the latest request was a HEAD, to which no answer may have a body.
    private(set) var isHeadRequest = false

    /// Whether all requests so far were GET or HEAD without a body: asking once more changes nothing (RFC 9110 §9.2.2).
    private(set) var mayRepeat = true

    init(rules: AccessRules, limits: Limits = Limits()) {
        self.rules = rules
        self.limits = limits
    }

    /// Whether a head has begun and its end is missing.
    var isInsideHead: Bool { state == .head && buffer.readableBytes > 0 }

    /// Takes bytes from the client. Call ``next()`` until it returns nil.
    mutating func receive(_ bytes: ByteBuffer) {
        guard state != .refused else { return }
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The agent answered the upgrade: with 101, or with anything else.
    mutating func upgradeAnswered(accepted isAccepted: Bool) {
        guard state == .awaitingAnswer else { return }
        state = isAccepted ? .tunnel : .head
    }

    /// The next thing to do, or nil when more bytes are needed.
    mutating func next() -> Step? {
        if upgrade.isPending {
            upgrade.isPending = false
            return .awaitUpgrade(answerProtocol: upgrade.answerProtocol)
        }
        if case .refusing(let refusal) = state {
            state = .refused
            buffer.clear()
            return .refuse(refusal)
        }
        while accepted < buffer.readableBytes {
            do throws(Pause) {
                guard let rewritten = try advance() else { continue }
                return .forward(rewritten)
            } catch {
                if case .refusal(let refusal) = error { state = .refusing(refusal) }
                break
            }
        }
        if accepted > 0, let bytes = buffer.readSlice(length: accepted) {
            accepted = 0
            return .forward(bytes)
        }
        if case .refusing = state { return next() }
        return nil
    }

    // MARK: Framing

    private enum Pause: Error {
        case needsMore
        case refusal(Refusal)
    }

    /// Moves over the next piece behind `accepted`. Returns bytes when they are to be forwarded instead of that piece.
    private mutating func advance() throws(Pause) -> ByteBuffer? {
        switch state {
        case .head: return try head()
        case .length(let remaining):
            let count = take(remaining)
            state = count == remaining ? .head : .length(remaining: remaining - count)
        case .chunkSize: try chunkSize()
        case .chunkData(let remaining):
            let count = take(remaining)
            state = count == remaining ? .chunkEnd : .chunkData(remaining: remaining - count)
        case .chunkEnd:
            let line = try line(limit: 2)
            guard line.isEmpty else { throw .refusal(.badRequest("a chunk longer than its size")) }
            accepted += 2
            state = .chunkSize
        case .trailers(let seen): try trailer(seen)
        case .tunnel: accepted = buffer.readableBytes
        case .awaitingAnswer, .refusing, .refused: throw .needsMore
        }
        return nil
    }

    /// Accepts up to `count` bytes.
    private mutating func take(_ count: Int) -> Int {
        let available = min(count, buffer.readableBytes - accepted)
        accepted += available
        return available
    }

    private mutating func chunkSize() throws(Pause) {
        let line = try line(limit: limits.chunkLine)
        let size = buffer.withUnsafeReadableBytes { bytes in Self.chunkSize(bytes[line]) }
        guard let size else { throw .refusal(.badRequest("a malformed chunk size")) }
        accepted += line.count + 2
        state = size == 0 ? .trailers(seen: 0) : .chunkData(remaining: size)
    }

    /// Up to 15 hexadecimal digits, then nothing or `;` and printable extensions.
    private static func chunkSize(_ line: UnsafeRawBufferPointer.SubSequence) -> Int? {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        guard (1...15).contains(digits.count) else { return nil }
        var size = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): size = size << 4 | Int(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): size = size << 4 | Int(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): size = size << 4 | Int(digit - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        guard line.dropFirst(digits.count).allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { return nil }
        return size
    }

    private mutating func trailer(_ seen: Int) throws(Pause) {
        let line = try line(limit: limits.trailers - seen)
        let isField = buffer.withUnsafeReadableBytes { bytes in
            let name = bytes[line].prefix { $0 != UInt8(ascii: ":") }
            return !name.isEmpty && name.count < line.count && name.allSatisfy(isToken)
                && bytes[line].allSatisfy(isFieldValue)
        }
        guard line.isEmpty || isField else { throw .refusal(.badRequest("a malformed trailer")) }
        accepted += line.count + 2
        state = line.isEmpty ? .head : .trailers(seen: seen + line.count + 2)
    }

    /// The line behind `accepted`, without its CRLF. `limit` counts the CRLF.
    private func line(limit: Int) throws(Pause) -> Range<Int> {
        let start = accepted
        let found = buffer.withUnsafeReadableBytes { bytes -> Result<Range<Int>, Pause> in
            for index in start..<min(bytes.count, start + limit) where bytes[index] == 0x0A {
                guard index > start, bytes[index - 1] == 0x0D, !bytes[start..<index - 1].contains(0x0D) else {
                    return .failure(.refusal(.badRequest("a bare CR or LF")))
                }
                return .success(start..<index - 1)
            }
            guard bytes.count - start < limit else { return .failure(.refusal(.badRequest("a line that is too long"))) }
            return .failure(.needsMore)
        }
        return try found.get()
    }

    // MARK: Heads

    private mutating func head() throws(Pause) -> ByteBuffer? {
        if try isAtEmptyLine() {
            // Dropped. What is before it goes first.
            if accepted > 0 { return takeAccepted() }
            buffer.moveReaderIndex(forwardBy: 2)
            hasSkippedEmptyLine = true
            return nil
        }
        guard let end = try headEnd() else { throw .needsMore }
        let outcome = buffer.withUnsafeReadableBytes {
            bytes -> Result<(RequestHead, AccessRules.Verdict, Bool), Refusal> in
            let bytes = UnsafeRawBufferPointer(rebasing: bytes[accepted..<end])
            isHeadRequest = bytes.starts(with: "HEAD ".utf8)
            do throws(Refusal) {
                let head = try RequestHead(bytes)
                let upgrades = !hasSeenRequest && Self.isWebSocket(head, bytes)
                return .success((head, try rules.check(head, bytes, keepsUpgrade: upgrades), upgrades))
            } catch {
                return .failure(error)
            }
        }
        let (head, verdict, upgrades): (RequestHead, AccessRules.Verdict, Bool)
        switch outcome {
        case .success(let success): (head, verdict, upgrades) = success
        case .failure(let refusal): throw .refusal(refusal)
        }
        if case .rewrite = verdict, accepted > 0 {
            // Bytes before it go first; this head is looked at once more then.
            return takeAccepted()
        }
        begin(head, upgrades: upgrades)
        let count = end - accepted
        switch verdict {
        case .pass:
            accepted = end
            return nil
        case .rewrite(let edits, let answerProtocol):
            upgrade.answerProtocol = answerProtocol
            return rewrite(count, edits)
        }
    }

    private mutating func begin(_ head: RequestHead, upgrades: Bool) {
        searched = 0
        hasSkippedEmptyLine = false
        hasSeenRequest = true
        mayRepeat = mayRepeat && (head.method == .get || isHeadRequest) && head.framing == .none
        switch head.framing {
        case .none: state = .head
        case .length(let count): state = .length(remaining: count)
        case .chunked: state = .chunkSize
        }
        if upgrades {
            state = .awaitingAnswer
            upgrade = (nil, true)
        }
    }

    /// Takes the head's bytes out of the buffer and returns them with the edits made.
    private mutating func rewrite(_ count: Int, _ edits: [AccessRules.Edit]) -> ByteBuffer {
        guard let head = buffer.readSlice(length: count) else { return ByteBuffer() }
        var result = ByteBuffer()
        result.reserveCapacity(count)
        head.withUnsafeReadableBytes { bytes in
            var position = 0
            for edit in edits {
                result.writeBytes(bytes[position..<edit.range.lowerBound])
                result.writeBytes(edit.replacement)
                position = edit.range.upperBound
            }
            result.writeBytes(bytes[position...])
        }
        return result
    }

    private mutating func takeAccepted() -> ByteBuffer? {
        defer { (accepted, searched) = (0, 0) }
        return buffer.readSlice(length: accepted)
    }

    private func isAtEmptyLine() throws(Pause) -> Bool {
        guard buffer.getInteger(at: buffer.readerIndex + accepted, as: UInt8.self) == 0x0D else { return false }
        guard !hasSkippedEmptyLine else { throw .refusal(.badRequest("empty lines before a request")) }
        guard let second = buffer.getInteger(at: buffer.readerIndex + accepted + 1, as: UInt8.self) else {
            throw .needsMore
        }
        guard second == 0x0A else { throw .refusal(.badRequest("a bare CR")) }
        return true
    }

    /// The position behind the head's empty line, or nil when it has not arrived.
    private mutating func headEnd() throws(Pause) -> Int? {
        let start = accepted
        let from = max(start, start + searched - 3)
        let end = buffer.withUnsafeReadableBytes { bytes -> Int? in
            var index = from
            while index + 3 < bytes.count {
                // The fourth byte tells how far the next candidate is away.
                switch bytes[index + 3] {
                case 0x0A:
                    if bytes[index] == 0x0D, bytes[index + 1] == 0x0A, bytes[index + 2] == 0x0D { return index + 4 }
                    index += 2
                case 0x0D: index += 1
                default: index += 4
                }
            }
            return nil
        }
        let size = (end ?? buffer.readableBytes) - start
        guard size <= limits.head else { throw .refusal(.headTooLarge(limit: limits.head)) }
        if end == nil {
            guard !hasBareLineFeed(from: from) else { throw .refusal(.badRequest("a bare LF")) }
            searched = size
        }
        return end
    }

    /// Told at once: the end of such a head never comes.
    private func hasBareLineFeed(from: Int) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            bytes.indices[from...].contains { bytes[$0] == 0x0A && ($0 == 0 || bytes[$0 - 1] != 0x0D) }
        }
    }

    /// Whether this is a WebSocket's opening handshake (RFC 6455 §4.1).
    private static func isWebSocket(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard head.method == .get, head.minorVersion == 1, head.framing == .none, head.connectionUpgrade else {
            return false
        }
        let upgrades = head.fields.filter { $0.name == .upgrade }
        return upgrades.count == 1 && bytes[upgrades[0].value].equalsIgnoringCase("websocket")
    }
}
