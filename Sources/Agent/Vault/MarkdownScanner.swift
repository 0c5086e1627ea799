// Where in a note's text are its links and its tags? Bytes in, places out, in one pass and in time that grows with the text
// alone, whatever the text is: every note of a vault comes through here when the index is filled.

enum MarkdownScanner {
    private static let open = UInt8(ascii: "[")
    private static let close = UInt8(ascii: "]")
    private static let bar = UInt8(ascii: "|")
    /// How far a span of code on one line is followed.
    private static let longestSpan = 4096
    /// More tags of one note than this are not looked for.
    private static let maximumTags = 1000

    /// The targets of `[[target]]` and `[[target|alias]]`, in order, embeds and code blocks included. A target has no `]`
    /// and no `|`, an alias has no `]`, and both have at least one character.
    static func links(in text: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var place = 0
        while place + 1 < text.count {
            guard text[place] == open, text[place + 1] == open else {
                place += 1
                continue
            }
            let start = place + 2
            guard let end = text[start...].firstIndex(where: { $0 == close || $0 == bar }) else { return found }
            guard end > start else {
                place += 1
                continue
            }
            var last = end
            if text[end] == bar {
                guard let closing = text[(end + 1)...].firstIndex(of: close) else { return found }
                last = closing
            }
            let isAliasSound = text[end] == close || last > end + 1
            if isAliasSound, last + 1 < text.count, text[last + 1] == close {
                found.append(start..<end)
                place = last + 2
            } else {
                // Whatever else begins before this place ends at it, and fails as well.
                place = max(place + 1, last)
            }
        }
        return found
    }

    /// Tags in the text: `#` behind white space or at the start of a line, then letters, digits, `_`, `-`, `/` and other
    /// characters that are no punctuation, not only digits. Code, in blocks or between backticks, has none.
    static func tags(in text: [UInt8]) -> [String] {
        var found: [String] = []
        var fence: (mark: UInt8, length: Int)?
        var line = 0
        while line < text.count, found.count < maximumTags {
            let end = text[line...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            defer { line = end + 1 }
            let mark = fenceMark(text, line, end)
            if let open = fence {
                if let mark, mark.mark == open.mark, mark.length >= open.length { fence = nil }
            } else if let mark {
                fence = mark
            } else {
                tags(in: text, line, end, &found)
            }
        }
        return found
    }

    private static func fenceMark(_ text: [UInt8], _ line: Int, _ end: Int) -> (mark: UInt8, length: Int)? {
        var place = line
        while place < end, place < line + 3, text[place] == UInt8(ascii: " ") { place += 1 }
        guard place < end, text[place] == UInt8(ascii: "`") || text[place] == UInt8(ascii: "~") else { return nil }
        let mark = text[place]
        let length = run(text, place, end)
        return length >= 3 ? (mark, length) : nil
    }

    private static func tags(in text: [UInt8], _ line: Int, _ end: Int, _ found: inout [String]) {
        var place = line
        while place < end {
            let byte = text[place]
            if byte == UInt8(ascii: "`") {
                place = pastCode(text, place, end)
            } else if byte == UInt8(ascii: "#"), place == line || isSpace(text[place - 1]) {
                let first = place + 1
                place = first
                while place < end, isTagByte(text[place]) { place += 1 }
                if let tag = tag(text[first..<place]) { found.append(tag) }
            } else {
                place += 1
            }
        }
    }

    /// The place behind a span of code, or behind the backticks that open none.
    private static func pastCode(_ text: [UInt8], _ place: Int, _ end: Int) -> Int {
        let length = run(text, place, end)
        var next = place + length
        let limit = min(end, next + longestSpan)
        while next < limit {
            guard text[next] == UInt8(ascii: "`") else {
                next += 1
                continue
            }
            let closing = run(text, next, end)
            next += closing
            if closing == length { return next }
        }
        return place + length
    }

    private static func run(_ text: [UInt8], _ place: Int, _ end: Int) -> Int {
        var next = place
        while next < end, text[next] == text[place] { next += 1 }
        return next - place
    }

    private static func tag(_ bytes: ArraySlice<UInt8>) -> String? {
        guard !bytes.isEmpty, bytes.count <= 256, let text = String(validating: bytes, as: UTF8.self) else {
            return nil
        }
        let kept = text.prefix { character in
            "_-/".contains(character)
                || character.unicodeScalars.allSatisfy {
                    !$0.properties.isWhitespace && !isPunctuation($0.properties.generalCategory)
                }
        }
        var tag = kept[...]
        while tag.last == "/" { tag = tag.dropLast() }
        return tag.contains { !$0.isNumber && $0 != "/" } ? String(tag) : nil
    }

    private static func isPunctuation(_ category: Unicode.GeneralCategory) -> Bool {
        switch category {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            true
        default: false
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isTagByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "/"), 0x80...:
            true
        default: false
        }
    }
}
