// Where does a message end on a stream of bytes? At the end of its line. Nothing longer than a message may be is ever kept.

/// Divides what a server writes into lines.
struct MCPLines: Sendable {
    struct TooLong: Error, Equatable {}

    private var rest: [UInt8] = []
    private let limit: Int

    /// - Parameter limit: bytes of a line.
    init(limit: Int) { self.limit = limit }

    /// - Returns: the lines that these bytes complete, without their ends; empty ones are left out.
    /// - Throws: ``TooLong`` when a line is longer than it may be; nothing may be appended any more then.
    mutating func append(_ bytes: [UInt8]) throws(TooLong) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var begin = 0
        while let end = bytes[begin...].firstIndex(of: 0x0A) {
            guard rest.count + end - begin <= limit else { throw TooLong() }
            var line = rest + bytes[begin..<end]
            rest = []
            begin = end + 1
            if line.last == 0x0D { line.removeLast() }
            if !line.isEmpty { lines.append(line) }
        }
        guard rest.count + bytes.count - begin <= limit else { throw TooLong() }
        rest += bytes[begin...]
        return lines
    }
}
