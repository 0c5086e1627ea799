// Where does a message end in a stream of server-sent events? At an empty line. Nothing longer than a message may be is ever kept.

/// Takes messages out of a stream of events (WHATWG HTML, 9.2.6).
struct MCPEvents: Sendable {
    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var kind: [UInt8] = []
    private var hasData = false
    private var wasReturn = false
    private let limit: Int

    /// - Parameter limit: bytes of a line, and of the data of an event.
    init(limit: Int) { self.limit = limit }

    /// - Returns: the data of each event that these bytes complete; of other kinds than messages nothing.
    mutating func append(_ bytes: [UInt8]) throws(MCPLines.TooLong) -> [[UInt8]] {
        var messages: [[UInt8]] = []
        for byte in bytes {
            defer { wasReturn = byte == 0x0D }
            switch byte {
            case 0x0A where wasReturn: continue
            case 0x0A, 0x0D: if let message = try end() { messages.append(message) }
            default:
                guard line.count < limit else { throw MCPLines.TooLong() }
                line.append(byte)
            }
        }
        return messages
    }

    /// A line has ended.
    private mutating func end() throws(MCPLines.TooLong) -> [UInt8]? {
        defer { line.removeAll(keepingCapacity: line.count < 65_536) }
        guard !line.isEmpty else {
            defer { (data, kind, hasData) = ([], [], false) }
            return hasData && !data.isEmpty && (kind.isEmpty || kind == Array("message".utf8)) ? data : nil
        }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch line[..<colon] {
        case ArraySlice("data".utf8):
            guard data.count + value.count < limit else { throw MCPLines.TooLong() }
            if hasData { data.append(0x0A) }
            data += value
            hasData = true
        case ArraySlice("event".utf8): kind = Array(value)
        default: break
        }
        return nil
    }
}
