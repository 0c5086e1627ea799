// Which part of a file does a client want? `Range` as RFC 9110 §14 has it, for one range; whatever else is asked, the
// whole file is a right answer. Pure.

/// The part of a file that is sent.
enum ByteRange: Equatable {
    case whole
    case part(Range<Int64>)
    /// The range lies outside of the file.
    case unsatisfiable

    /// - Parameters:
    ///   - header: the value of `Range`.
    ///   - size: bytes of the file.
    init(_ header: String?, size: Int64) {
        self = Self.read(header, size: size) ?? .whole
    }

    private static func read(_ header: String?, size: Int64) -> ByteRange? {
        guard let header, header.utf8.count <= 100, let sign = header.firstIndex(of: "="),
            header[..<sign].lowercased() == "bytes"
        else { return nil }
        let range = header[header.index(after: sign)...].filter { $0 != " " && $0 != "\t" }
        // Several ranges would need a multipart answer: the whole file does as well.
        let ends = range.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2 else { return nil }
        switch (ends[0].isEmpty, ends[1].isEmpty) {
        case (true, true): return nil
        case (true, false):
            guard let count = number(ends[1]) else { return nil }
            return count > 0 && size > 0 ? .part(max(0, size - count)..<size) : .unsatisfiable
        case (false, true):
            guard let first = number(ends[0]) else { return nil }
            return first < size ? .part(first..<size) : .unsatisfiable
        case (false, false):
            guard let first = number(ends[0]), let last = number(ends[1]), first <= last else { return nil }
            return first < size ? .part(first..<min(size, last + 1)) : .unsatisfiable
        }
    }

    /// More digits than a size can have mean a number beyond every file.
    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return text.utf8.count <= 18 ? Int64(text) : Int64.max - 1
    }
}
