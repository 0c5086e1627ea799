internal import Store

// Which lines of the found notes answer best? A note is cut into passages (paragraphs, list items, code blocks), each
// with the heading that it stands under; the ones that speak of most of the words are quoted. Pure text in, text out.

/// A piece of a note worth quoting.
struct Passage: Equatable {
    /// The longest quote, in characters.
    static let maximumLength = 600

    /// The note's path.
    var path: String
    /// What to quote, at most ``maximumLength`` characters and two for marks of what was left out.
    var text: String
    /// How many of the words this passage, its heading or its note's title speaks of.
    var score: Int

    /// The passages that speak of the most words, in the order of the hits and of the text.
    static func best(of hits: [NoteHit], for words: [String], limit: Int) -> [Passage] {
        let all = hits.flatMap { passages(of: $0, for: words) }
        let best = all.map(\.score).max() ?? 0
        return Array(all.filter { $0.score == best }.prefix(limit))
    }

    /// A note found by its title alone is represented by its beginning.
    private static func passages(of hit: NoteHit, for words: [String]) -> [Passage] {
        let name = Set(LibrarianRequest.words(hit.path + " " + hit.title).compactMap { word($0, in: words) })
        let blocks = blocks(of: hit.body.marked)
        let found = blocks.compactMap { block -> Passage? in
            let own = Set(markedWords(in: block.text).map { word($0, in: words) ?? $0 })
            let heading = Set(markedWords(in: block.heading).map { word($0, in: words) ?? $0 })
            guard !own.isEmpty || !heading.isEmpty else { return nil }
            return Passage(path: hit.path, text: quote(block.text), score: own.union(heading).union(name).count)
        }
        guard found.isEmpty, let first = blocks.first else { return found }
        return [Passage(path: hit.path, text: quote(first.text), score: name.count)]
    }

    // MARK: Blocks

    private struct Block {
        var heading: Substring
        var text: Substring
    }

    /// Cuts at blank lines, headings and list items that are not indented; never inside a fenced code block.
    private static func blocks(of text: String) -> [Block] {
        var blocks: [Block] = []
        var heading: Substring = ""
        var start: Substring.Index?
        var end = text.startIndex
        var isCode = false
        func finish() {
            if let first = start { blocks.append(Block(heading: heading, text: text[first..<end])) }
            start = nil
        }
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let isFence = line.hasPrefix("```")
            if !isCode {
                if line.allSatisfy(\.isWhitespace) {
                    finish()
                    continue
                }
                if MarkdownNote.heading(line) != nil {
                    finish()
                    heading = line
                    continue
                }
                if isListItem(line) || isFence { finish() }
            }
            if isFence { isCode.toggle() }
            if start == nil { start = line.startIndex }
            end = line.endIndex
        }
        finish()
        return blocks
    }

    private static func isListItem(_ line: Substring) -> Bool {
        if ["- ", "* ", "+ "].contains(where: line.hasPrefix) { return true }
        let rest = line.drop { ("0"..."9").contains($0) }
        return rest.startIndex != line.startIndex && (rest.hasPrefix(". ") || rest.hasPrefix(") "))
    }

    // MARK: Words

    private static func markedWords(in text: Substring) -> [String] {
        text.split(separator: MarkedText.open).compactMap { piece in
            piece.firstIndex(of: MarkedText.close).map { piece[..<$0].lowercased() }
        }
    }

    /// The one of `words` that `form` is probably another form of: `meetings` of `meeting`, but not `meet` of `me`.
    private static func word(_ form: String, in words: [String]) -> String? {
        words.first { word in
            if word == form { return true }
            let common = zip(word, form).prefix { $0 == $1 }.count
            return common >= 4 && common >= max(word.count, form.count) - 3
        }
    }

    // MARK: Quotes

    /// The block without marks, cut to the surroundings of the first found word when it is too long.
    private static func quote(_ block: Substring) -> String {
        let plain = MarkedText(marked: String(block)).plain
        guard plain.count > maximumLength else { return plain }
        let before = block.prefix { $0 != MarkedText.open }.count
        let first = before < plain.count ? max(0, before - maximumLength / 4) : 0
        let start = plain.index(plain.startIndex, offsetBy: min(first, plain.count - maximumLength))
        let end = plain.index(start, offsetBy: maximumLength)
        let cut = plain[start..<end].split(separator: " ", omittingEmptySubsequences: false)
        let inner = cut.dropFirst(start > plain.startIndex && cut.count > 2 ? 1 : 0)
            .dropLast(end < plain.endIndex && cut.count > 2 ? 1 : 0).joined(separator: " ")
        return (start > plain.startIndex ? "…" : "") + inner + (end < plain.endIndex ? "…" : "")
    }
}
