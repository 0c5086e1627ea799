internal import Wire

// How is a long answer cut for the platform?

enum Pieces {
    static func split(_ markdown: String, _ limit: Int, _ unit: PlatformLimits.Unit) -> [String] {
        var pieces: [String] = []
        var rest = Substring(markdown)
        while !rest.isEmpty {
            var (end, length) = (rest.startIndex, 0)
            while end < rest.endIndex {
                let next = rest.index(after: end)
                length += unit.count(rest[end..<next])
                guard length <= limit else { break }
                end = next
            }
            if end < rest.endIndex, let line = rest[..<end].lastIndex(of: "\n"), line > rest.startIndex { end = line }
            if end == rest.startIndex { end = rest.index(after: end) }
            pieces.append(String(rest[..<end]))
            rest = rest[end...].drop { $0.isNewline }
        }
        return pieces
    }
}
