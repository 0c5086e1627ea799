// What does this request head say that matters here? A strict reader of one HTTP/1.1 head (RFC 9112 §2-§6): what has two
// readings, or could have for some other parser behind us, is refused. It decides nothing about who may come in.

/// How the bytes behind a head are counted.
enum BodyFraming: Equatable, Sendable {
    case none
    case length(Int)
    case chunked
}

/// The facts of one head, as positions in the bytes that it was read from.
struct RequestHead {
    /// Header fields that the proxy looks at.
    enum FieldName: Equatable {
        case host, origin, fetchSite, authorization, token, webSocketProtocol, upgrade
    }

    struct Field {
        var name: FieldName
        /// The whole line with its CRLF.
        var line: Range<Int>
        /// The value without surrounding blanks.
        var value: Range<Int>
    }

    enum Method: Equatable { case get, other }

    var method: Method
    /// Always in origin form, or `*`.
    var target: Range<Int>
    /// The 1 of HTTP/1.1.
    var minorVersion: Int
    var framing: BodyFraming
    /// Whether `Connection` lists `upgrade`.
    var connectionUpgrade: Bool
    /// In order of appearance.
    var fields: [Field]

    /// Reads a complete head: `bytes` begin with the request line and end with the empty line.
    ///
    /// - Throws: the ``Refusal`` to answer with.
    init(_ bytes: UnsafeRawBufferPointer) throws(Refusal) {
        var reader = HeadReader(bytes)
        method = try reader.method()
        target = try reader.target()
        minorVersion = try reader.version()
        framing = .none
        connectionUpgrade = false
        fields = []
        var length: Int?
        var isChunked = false
        while let line = try reader.field() {
            switch line.name {
            case .contentLength:
                guard length == nil else { throw .badRequest("two Content-Length fields") }
                length = try Self.length(bytes[line.value])
            case .transferEncoding:
                guard !isChunked, bytes[line.value].equalsIgnoringCase("chunked") else {
                    throw .badRequest("a Transfer-Encoding other than 'chunked'")
                }
                isChunked = true
            case .connection: connectionUpgrade = connectionUpgrade || bytes[line.value].listContains("upgrade")
            case .watched(let name): fields.append(Field(name: name, line: line.line, value: line.value))
            case .other: break
            }
        }
        switch (isChunked, length) {
        case (true, .some): throw .badRequest("both Content-Length and Transfer-Encoding")
        case (true, nil):
            // RFC 9112 §6.1: faulty framing, since HTTP/1.0 has no chunks.
            guard minorVersion == 1 else { throw .badRequest("Transfer-Encoding in HTTP/1.0") }
            framing = .chunked
        case (false, .some(let length)): framing = length == 0 ? .none : .length(length)
        case (false, nil): framing = .none
        }
    }

    /// The one field of that name. Two are never right for the names that are looked up this way.
    func single(_ name: FieldName) throws(Refusal) -> Field? {
        var found: Field?
        for field in fields where field.name == name {
            guard found == nil else { throw .badRequest("two \(name) fields") }
            found = field
        }
        return found
    }

    private static func length(_ value: UnsafeRawBufferPointer.SubSequence) throws(Refusal) -> Int {
        // 18 digits fit into an Int; no request is that long.
        guard (1...18).contains(value.count), value.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            throw .badRequest("a Content-Length that is no number")
        }
        return value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

/// Walks over the bytes of a head, line by line.
private struct HeadReader {
    enum Name {
        case contentLength, transferEncoding, connection
        case watched(RequestHead.FieldName)
        case other
    }

    struct Line {
        var name: Name
        var line: Range<Int>
        var value: Range<Int>
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func method() throws(Refusal) -> RequestHead.Method {
        let range = try word(upTo: 32, where: isToken)
        let name = bytes[range]
        if name.equals("GET") { return .get }
        // What follows a CONNECT is no HTTP, and `PRI` begins HTTP/2.
        if name.equals("CONNECT") { throw .badRequest("CONNECT; this is no forward proxy") }
        if name.equals("PRI") { throw .unsupportedVersion }
        return .other
    }

    mutating func target() throws(Refusal) -> Range<Int> {
        let range = try word(upTo: Int.max) { $0 > 0x20 && $0 < 0x7F }
        // Absolute form carries a second host name that might win over the one in `Host`.
        guard bytes[range.lowerBound] == UInt8(ascii: "/") || bytes[range].equals("*") else {
            throw .badRequest("a target that is no path; this is no forward proxy")
        }
        return range
    }

    mutating func version() throws(Refusal) -> Int {
        let line = try lineEnd()
        let text = bytes[position..<line.end]
        position = line.next
        if text.equals("HTTP/1.1") { return 1 }
        if text.equals("HTTP/1.0") { return 0 }
        guard text.count == 8, text.starts(with: "HTTP/".utf8) else { throw .badRequest("a malformed request line") }
        throw .unsupportedVersion
    }

    /// The next field, or nil at the empty line.
    mutating func field() throws(Refusal) -> Line? {
        let line = try lineEnd()
        let start = position
        position = line.next
        if start == line.end { return nil }
        guard let colon = bytes[start..<line.end].firstIndex(of: UInt8(ascii: ":")), colon > start,
            bytes[start..<colon].allSatisfy(isToken)
        else {
            // Also a folded line, which begins with a blank (RFC 9112 §5.2).
            throw .badRequest("a malformed header field")
        }
        var value = colon + 1..<line.end
        while let first = value.first, isBlank(bytes[first]) { value = first + 1..<value.upperBound }
        while let last = value.last, isBlank(bytes[last]) { value = value.lowerBound..<last }
        guard bytes[value].allSatisfy(isFieldValue) else { throw .badRequest("a control character in a header field") }
        return Line(name: name(of: bytes[start..<colon]), line: start..<line.next, value: value)
    }

    private mutating func word(upTo limit: Int, where isAllowed: (UInt8) -> Bool) throws(Refusal) -> Range<Int> {
        let start = position
        while position < bytes.count, isAllowed(bytes[position]) { position += 1 }
        guard position > start, position - start <= limit, position < bytes.count, bytes[position] == 0x20 else {
            throw .badRequest("a malformed request line")
        }
        position += 1
        return start..<position - 1
    }

    /// Where the line's text ends and the next line begins. CR and LF count only together.
    private func lineEnd() throws(Refusal) -> (end: Int, next: Int) {
        var index = position
        while index < bytes.count {
            switch bytes[index] {
            case 0x0D:
                guard index + 1 < bytes.count, bytes[index + 1] == 0x0A else { throw .badRequest("a bare CR") }
                return (index, index + 2)
            case 0x0A: throw .badRequest("a bare LF")
            default: index += 1
            }
        }
        throw .badRequest("a line without an end")
    }

    private func name(of name: UnsafeRawBufferPointer.SubSequence) -> Name {
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"): .watched(.host)
        case 6 where name.equalsIgnoringCase("origin"): .watched(.origin)
        case 7 where name.equalsIgnoringCase("upgrade"): .watched(.upgrade)
        case 10 where name.equalsIgnoringCase("connection"): .connection
        case 13 where name.equalsIgnoringCase("authorization"): .watched(.authorization)
        case 14 where name.equalsIgnoringCase("content-length"): .contentLength
        case 14 where name.equalsIgnoringCase("sec-fetch-site"): .watched(.fetchSite)
        case 17 where name.equalsIgnoringCase("transfer-encoding"): .transferEncoding
        case 17 where name.equalsIgnoringCase("x-openagent-token"): .watched(.token)
        case 22 where name.equalsIgnoringCase("sec-websocket-protocol"): .watched(.webSocketProtocol)
        default: .other
        }
    }
}
