// Which parts of an answer are spoken, and when? Text is cut into sentence-sized pieces while it still streams, and what cannot
// be said (code, markers, addresses, markup) is left out. Pure.

/// Cuts a stream of text into pieces that can be spoken one after the other.
struct SentenceSplitter: Sendable {
    /// Characters that a sentence has at least: shorter ones go with the next.
    static let least = 24
    /// Characters after which a piece is cut where nothing invites to.
    static let longest = 300

    private enum Line: Sendable {
        /// The line may still become the beginning or end of a code block.
        case beginning
        case text
        /// The rest of a line that begins or ends a code block.
        case fence
    }

    private var line = Line.beginning
    private var lineStart = ""
    private var isCode = false
    private var prose: [Character] = []
    /// Where a bracket was opened that has not been closed: nothing is cut in a link or marker.
    private var bracket: Int?
    private var endsLine = false

    /// - Returns: the pieces that are complete now.
    mutating func push(_ text: String) -> [String] {
        var pieces: [String] = []
        for character in text { take(character, &pieces) }
        return pieces
    }

    /// - Returns: what is left at the end of the text.
    mutating func finish() -> [String] {
        var pieces: [String] = []
        if line == .beginning, !isCode, !isFence { for character in lineStart { append(character, &pieces) } }
        cut(at: prose.count, &pieces)
        self = SentenceSplitter()
        return pieces
    }

    // MARK: Lines

    private mutating func take(_ character: Character, _ pieces: inout [String]) {
        guard !character.isNewline else {
            if line == .beginning, !isCode { for character in lineStart { append(character, &pieces) } }
            if line != .fence, !isCode { append("\n", &pieces) }
            (line, lineStart) = (.beginning, "")
            return
        }
        switch line {
        case .fence: break
        case .text: if !isCode { append(character, &pieces) }
        case .beginning:
            lineStart.append(character)
            if isFence {
                isCode.toggle()
                line = .fence
                cut(at: prose.count, &pieces)
            } else if !mayBecomeFence {
                line = .text
                if !isCode { for character in lineStart { append(character, &pieces) } }
            }
        }
    }

    private var isFence: Bool {
        let text = lineStart.drop { $0 == " " }
        return text.hasPrefix("```") || text.hasPrefix("~~~")
    }

    private var mayBecomeFence: Bool {
        let text = lineStart.drop { $0 == " " }
        return lineStart.count - text.count <= 12 && ("```".hasPrefix(text) || "~~~".hasPrefix(text))
    }

    // MARK: Sentences

    private mutating func append(_ character: Character, _ pieces: inout [String]) {
        if endsLine, character.isNewline || "-*+#>|•".contains(character) || prose.dropLast().last == ":" {
            // A paragraph, a heading or the next point of a list.
            if character.isNewline || prose.count >= Self.least { cut(at: prose.count, &pieces) }
        }
        endsLine = character.isNewline
        prose.append(character)
        switch character {
        case "[", "(": if bracket == nil { bracket = prose.count - 1 }
        case "]", ")": bracket = nil
        default: break
        }
        if let begin = bracket, prose.count - begin > Self.longest { bracket = nil }
        guard bracket == nil else { return }
        if character.isWhitespace, prose.count > Self.least, endsSentence {
            cut(at: prose.count, &pieces)
        } else if "。！？".contains(character), prose.count >= Self.least / 2 {
            cut(at: prose.count, &pieces)
        } else if prose.count >= Self.longest {
            cut(at: breakingPoint, &pieces)
        }
    }

    /// Whether the white space at the end stands behind a sentence.
    private var endsSentence: Bool {
        let text = prose.dropLast()
        let closed = text.drop(fromEndWhile: "\"')]*_»”’".contains)
        guard let mark = closed.last, ".!?…".contains(mark) else { return false }
        guard mark == "." else { return true }
        // `e. g.`, `Dr.`, `1.` end no sentence.
        let word = closed.dropLast().suffix(while: { $0.isLetter || $0.isNumber })
        return word.count > 2 || word.isEmpty
    }

    private var breakingPoint: Int {
        let later = prose.indices.reversed().prefix { $0 >= Self.longest / 3 }
        let pause = later.first { ",;:–—".contains(prose[$0]) && $0 + 1 < prose.count && prose[$0 + 1].isWhitespace }
        return (pause ?? later.first { prose[$0].isWhitespace }).map { $0 + 1 } ?? prose.count
    }

    private mutating func cut(at end: Int, _ pieces: inout [String]) {
        if let piece = SpokenText.plain(String(prose[..<end])) { pieces.append(piece) }
        prose.removeFirst(end)
        (bracket, endsLine) = (nil, false)
    }
}

extension RandomAccessCollection where Self: BidirectionalCollection {
    fileprivate func drop(fromEndWhile matches: (Element) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, matches(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }

    fileprivate func suffix(while matches: (Element) -> Bool) -> SubSequence {
        var start = endIndex
        while start > startIndex, matches(self[index(before: start)]) { start = index(before: start) }
        return self[start...]
    }
}

/// What of a text can be said.
enum SpokenText {
    /// - Returns: the text without markup, markers and the paths of addresses; nil when nothing is left to say.
    static func plain(_ text: String) -> String? {
        var text = text
        text.replace(/\[(?:IMAGE|FILE|VOICE|VIDEO):[^\]]+\]/, with: "")
        text.replace(/!?\[([^\[\]]*)\]\([^()\s]*\)/) { String($0.1) }
        text.replace(/\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]/) { String($0.1) }
        // Of an address people want to hear whose it is.
        text.replace(/[A-Za-z][A-Za-z0-9+.\-]*:\/\/([^\s\/?#)>\]]*)[^\s)>\]]*/) { String($0.1) }
        text = text.split(whereSeparator: \.isNewline).map(line).joined(separator: " ")
        text.removeAll { "`*#|~<>".contains($0) }
        text = text.replacing("__", with: "")
        let words = text.split {
            $0.isWhitespace || $0.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
        guard words.contains(where: { $0.contains { $0.isLetter || $0.isNumber } }) else { return nil }
        return words.joined(separator: " ")
    }

    /// Without what makes it a heading, a quotation or a point of a list.
    private static func line(_ line: Substring) -> Substring {
        line.drop { $0.isWhitespace || "#>-+•".contains($0) }
    }
}
