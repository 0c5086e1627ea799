// How do many files lie in one? As tar has them (POSIX.1-2017, pax): for each a header of 512 bytes, its bytes, and zeros up to
// the next multiple of 512; at the end two blocks of zeros. Any tar can list and unpack what is written here. What is read is
// only what is written here: regular files and the two pax records that long names and large files need. Links, folders,
// devices and sparse files are refused, so an archive can neither lead out of its folder nor grow while it is unpacked.
// Own code, as it is short: no program has to be there, nothing lies unpacked on a disk meanwhile, and the strict reader is
// the point. Pure: no file is touched.

enum Tar {
    static let block = 512
    /// UTF-8 bytes of a path.
    static let longestPath = 4_096
    /// What ends an archive.
    static var end: [UInt8] { [UInt8](repeating: 0, count: 2 * block) }

    /// A file of an archive.
    struct Entry: Equatable {
        var path: String
        /// Bytes.
        var size: Int64
    }

    /// Zeros behind a file of this size.
    static func padding(_ size: Int64) -> Int { Int((Int64(block) - size % Int64(block)) % Int64(block)) }

    // MARK: Writing

    /// What stands before a file's bytes.
    ///
    /// - Parameter time: Unix seconds.
    static func header(_ entry: Entry, time: Int64) -> [UInt8] {
        var records: [UInt8] = []
        let isPlain = entry.path.utf8.count <= 100 && entry.path.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        if !isPlain { records += record("path", entry.path) }
        if entry.size > largestOctal { records += record("size", "\(entry.size)") }
        let name = isPlain ? Array(entry.path.utf8) : Array("long-name".utf8)
        let size = entry.size > largestOctal ? 0 : entry.size
        guard !records.isEmpty else { return plain(name, size: size, type: "0", time: time) }
        let count = Int64(records.count)
        return plain(Array("pax".utf8), size: count, type: "x", time: time) + records
            + [UInt8](repeating: 0, count: padding(count)) + plain(name, size: size, type: "0", time: time)
    }

    private static let largestOctal: Int64 = 0o77777777777

    /// `LENGTH KEY=VALUE\n`, in which the length counts itself.
    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count
        while "\(length)".utf8.count + rest.utf8.count != length { length = "\(length)".utf8.count + rest.utf8.count }
        return Array("\(length)\(rest)".utf8)
    }

    private static func plain(_ name: [UInt8], size: Int64, type: Character, time: Int64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: block)
        func put(_ bytes: [UInt8], _ offset: Int) {
            header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
        func octal(_ value: Int64, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8)
        }
        put(name, 0)
        put(octal(0o600, 7), 100)
        put(octal(0, 7), 108)
        put(octal(0, 7), 116)
        put(octal(size, 11), 124)
        put(octal(max(0, min(time, largestOctal)), 11), 136)
        put(Array(repeating: UInt8(ascii: " "), count: 8), 148)
        put(Array("\(type)".utf8), 156)
        put(Array("ustar\u{0}00".utf8), 257)
        put(octal(Int64(sum(header)), 6) + [0], 148)
        return header
    }

    private static func sum(_ header: [UInt8]) -> Int { header.reduce(0) { $0 + Int($1) } }

    // MARK: Reading

    /// What a block of an archive says.
    enum Header: Equatable {
        case file(path: [UInt8], size: Int64, time: Int64)
        /// The records that follow belong to the file behind them.
        case records(size: Int)
        case end
    }

    /// - Returns: nil for everything that is not written here.
    static func read(_ header: [UInt8]) -> Header? {
        guard header.count == block else { return nil }
        if header.allSatisfy({ $0 == 0 }) { return .end }
        guard let size = octal(header[124..<136]), let time = octal(header[136..<148]) else { return nil }
        let name = Array(header[0..<100].prefix { $0 != 0 })
        let type = Character(Unicode.Scalar(header[156]))
        // Bit by bit what is written here: so there is no field that anybody could hide something in.
        guard header == plain(name, size: size, type: type, time: time) else { return nil }
        switch header[156] {
        case UInt8(ascii: "0"): return .file(path: name, size: size, time: time)
        case UInt8(ascii: "x") where size <= 2 * longestPath && name == Array("pax".utf8):
            return .records(size: Int(size))
        default: return nil
        }
    }

    /// The path and the size that pax records say.
    ///
    /// - Returns: nil for everything that is not written here.
    static func readRecords(_ bytes: [UInt8]) -> (path: [UInt8]?, size: Int64?)? {
        var (path, size): ([UInt8]?, Int64?) = (nil, nil)
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: UInt8(ascii: " ")),
                let length = Int(String(decoding: rest[rest.startIndex..<space], as: UTF8.self)),
                length > space - rest.startIndex + 1, length <= rest.count
            else { return nil }
            let record = rest[(space + 1)..<(rest.startIndex + length)]
            guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                return nil
            }
            let value = record[(equals + 1)...].dropLast()
            switch String(decoding: record[record.startIndex..<equals], as: UTF8.self) {
            case "path" where path == nil: path = Array(value)
            case "size" where size == nil:
                guard let number = Int64(String(decoding: value, as: UTF8.self)), number >= 0 else { return nil }
                size = number
            default: return nil
            }
            rest = rest.dropFirst(length)
        }
        return (path, size)
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> Int64? {
        let digits = field.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) else {
            return nil
        }
        return Int64(String(decoding: digits, as: UTF8.self), radix: 8)
    }
}
