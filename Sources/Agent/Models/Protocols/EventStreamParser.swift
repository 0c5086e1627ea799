// How does a stream of server-sent events become events? By the rules of the WHATWG's HTML standard, §9.2.6: lines end in CR, LF or both,
// wherever the bytes were cut. What an event means is for its reader; only `data` and `event` matter to anybody here.

/// Reads server-sent events.
struct EventStreamParser: Sendable {
    struct Event: Sendable, Equatable {
        /// Empty when the stream doesn't say.
        var name: String
        var data: [UInt8]
    }

    /// Bytes of one line, and of the data of one event.
    static let limit = 4 << 20

    private static let (lineFeed, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private var line: [UInt8] = []
    /// The line before ended in CR: an LF that follows belongs to it.
    private var endedInReturn = false
    private var isFirstLine = true
    private var name = ""
    private var data: [UInt8]?

    /// - Returns: the events that are complete now. What stands after the last one when the stream ends is none.
    /// - Throws: ``ModelError/malformed(_:)`` when a line or an event is too long.
    mutating func consume(_ bytes: [UInt8]) throws -> [Event] {
        var events: [Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            if endedInReturn {
                endedInReturn = false
                if rest.first == Self.lineFeed {
                    rest.removeFirst()
                    continue
                }
            }
            guard let end = rest.firstIndex(where: { $0 == Self.lineFeed || $0 == Self.carriageReturn }) else {
                try append(rest)
                break
            }
            try append(rest[..<end])
            endedInReturn = rest[end] == Self.carriageReturn
            rest = rest[(end + 1)...]
            if let event = try endLine() { events.append(event) }
        }
        return events
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) throws {
        guard line.count + bytes.count <= Self.limit else { throw ModelError.malformed("a line is too long") }
        line += bytes
    }

    private mutating func endLine() throws -> Event? {
        var line = self.line[...]
        defer { self.line.removeAll(keepingCapacity: true) }
        if isFirstLine, line.starts(with: Self.byteOrderMark) { line = line.dropFirst(3) }
        isFirstLine = false
        guard !line.isEmpty else {
            defer { (name, data) = ("", nil) }
            // An event of nothing is one, too, and nobody's protocol has it.
            return data.flatMap { $0.isEmpty ? nil : Event(name: name, data: $0) }
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":"))
        let field = line[..<(colon ?? line.endIndex)]
        var value = colon.map { line[($0 + 1)...] } ?? []
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if field.elementsEqual("data".utf8) {
            if data == nil { data = Array(value) } else { data?.append(Self.lineFeed); data? += value }
            guard (data?.count ?? 0) <= Self.limit else { throw ModelError.malformed("an event is too long") }
        } else if field.elementsEqual("event".utf8) {
            name = String(decoding: value.prefix(64), as: UTF8.self)
        }
        return nil
    }
}

/// Reads JSON values of which each has a line.
struct LineParser: Sendable {
    private var line: [UInt8] = []

    /// - Returns: the lines that are complete now, without those that are empty.
    /// - Throws: ``ModelError/malformed(_:)`` when a line is too long.
    mutating func consume(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            try append(rest[..<end])
            rest = rest[(end + 1)...]
            if let line = takeLine() { lines.append(line) }
        }
        try append(rest)
        return lines
    }

    /// The last line, when nothing ends it.
    mutating func finish() -> [UInt8]? { takeLine() }

    private mutating func append(_ bytes: ArraySlice<UInt8>) throws {
        guard line.count + bytes.count <= EventStreamParser.limit else {
            throw ModelError.malformed("a line is too long")
        }
        line += bytes
    }

    private mutating func takeLine() -> [UInt8]? {
        defer { line.removeAll(keepingCapacity: true) }
        let isBlank = line.allSatisfy { [0x20, 0x09, 0x0D].contains($0) }
        return isBlank ? nil : line
    }
}
