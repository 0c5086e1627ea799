// Where is a text cut that is too long for one message? At the border of paragraphs or code, else of lines, else of words, as late as there
// is room; code that is cut is closed in one message and opened again in the next. Pure, and in linear time.
//
// Two rules are stricter than those of the vectors, which keep what they say about the text: what closes code is within the limit, and code
// is opened again with its language.

enum Splitting {
    /// A part of a text, and the fences that it needs to stand alone.
    struct Piece: Equatable {
        var opening: String
        /// As it stands in the text.
        var body: String
        var closing: String

        var text: String { opening + body + closing }
    }

    /// Messages of at most `limit` units each. All but blanks at the cuts is in them; of a blank text there are none.
    ///
    /// - Parameter limit: at least 2.
    static func pieces(of markdown: String, limit: Int, unit: PlatformLimits.Unit) -> [String] {
        parts(of: markdown, limit: limit, unit: unit).map(\.text)
    }

    static func parts(of markdown: String, limit: Int, unit: PlatformLimits.Unit) -> [Piece] {
        var splitter = Splitter(markdown, max(limit, 2), unit)
        var pieces: [Piece] = []
        while let piece = splitter.next() {
            if !piece.body.unicodeScalars.allSatisfy(\.properties.isWhitespace) { pieces.append(piece) }
        }
        return pieces
    }
}

private struct Splitter {
    private typealias Scalars = [Unicode.Scalar]

    private let text: Scalars
    private let limit: Int
    private let unit: PlatformLimits.Unit
    private var position = 0
    /// Open at ``position``.
    private var fence: CodeFence?
    /// Whether a line begins at ``position``.
    private var isLineStart = true

    init(_ text: String, _ limit: Int, _ unit: PlatformLimits.Unit) {
        self.text = Scalars(text.unicodeScalars)
        self.limit = limit
        self.unit = unit
    }

    /// The next piece; nil at the end. May be blank.
    mutating func next() -> Splitting.Piece? {
        guard position < text.count else { return nil }
        let carried = fence?.fitting(room)
        let opening = carried?.opening ?? []
        let budget = limit - units(opening)
        if window(budget) == text.count { return last(opening) }
        var cut = Cut(at: position, fence: nil)
        var reserve = 0
        // What is open at a cut decides how much room its end needs, and the room where the cut is.
        for _ in 0..<4 {
            cut = bestCut(before: window(max(budget - reserve, 1)))
            let needed = units(cut.fence?.fitting(room)?.closing ?? [])
            if needed <= reserve { break }
            reserve = needed
        }
        if let end = endOfCode(at: cut, budget) { cut = Cut(at: end, fence: nil, isBorder: true) }
        var closing = cut.fence?.fitting(room)?.closing ?? []
        if units(text[position..<cut.index]) + units(closing) > budget { closing = [] }
        let body = text[position..<cut.index]
        go(on: cut)
        return piece(opening, body, closing)
    }

    /// For what opens and closes code.
    private var room: Int { limit * 2 / 3 }

    private mutating func last(_ opening: Scalars) -> Splitting.Piece {
        let lines = scan(to: text.count)
        let body = text[position...]
        var closing = position == 0 ? [] : (lines.last?.fence?.fitting(room)?.closing ?? [])
        if closing.first == "\n", body.last == "\n" { closing.removeFirst() }
        if units(opening) + units(body) + units(closing) > limit { closing = [] }
        position = text.count
        return piece(opening, body, closing)
    }

    private func piece(_ opening: Scalars, _ body: ArraySlice<Unicode.Scalar>, _ closing: Scalars) -> Splitting.Piece {
        Splitting.Piece(opening: string(opening), body: string(body), closing: string(closing))
    }

    // MARK: Cuts

    private struct Cut {
        /// What comes first in the rest, perhaps blanks.
        var index: Int
        /// Open there.
        var fence: CodeFence?
        /// A line ends there.
        var isBorder = false

        init(at index: Int, fence: CodeFence?, isBorder: Bool = false) {
            self.index = index
            self.fence = fence
            self.isBorder = isBorder
        }
    }

    /// A line within a window.
    private struct Line {
        var start: Int
        /// Its line break, or the window's end.
        var end: Int
        /// Open before it, and behind it.
        var before: CodeFence?
        var fence: CodeFence?
        /// Its line break is in the window, or right behind it.
        var isWhole: Bool
    }

    /// The lines from ``position`` to `end`.
    private func scan(to end: Int) -> [Line] {
        var lines: [Line] = []
        var start = position
        var open = fence
        var mayHoldFence = isLineStart
        while start < end {
            var stop = start
            while stop < end, text[stop] != "\n" { stop += 1 }
            let before = open
            if mayHoldFence, beginsLikeFence(start) {
                var lineEnd = stop
                while lineEnd < text.count, text[lineEnd] != "\n" { lineEnd += 1 }
                let line = text[start..<lineEnd]
                if let fence = open {
                    if fence.isClosed(by: line) { open = nil }
                } else {
                    open = CodeFence(opening: line)
                }
            }
            let isWhole = stop < text.count && text[stop] == "\n" && (stop < end || text[stop - 1] != "\n")
            lines.append(Line(start: start, end: stop, before: before, fence: open, isWhole: isWhole))
            mayHoldFence = true
            start = stop + 1
        }
        return lines
    }

    /// Spares most lines a closer look.
    private func beginsLikeFence(_ start: Int) -> Bool {
        text[start..<min(start + 80, text.count)].contains { $0 == "`" || $0 == "~" }
    }

    /// The last good place before `end`, which is in the text.
    private func bestCut(before end: Int) -> Cut {
        let lines = scan(to: end)
        let size = end - position
        // A line break in the first quarter, or a paragraph's end in the first half, would leave too small a piece.
        let (quarter, half) = (position + size / 4, position + size / 2)
        var border: Cut?
        var lineEnd: Cut?
        for (number, line) in lines.enumerated() where line.isWhole {
            let cut = Cut(at: line.end, fence: line.fence, isBorder: true)
            if line.end > quarter { lineEnd = cut }
            guard line.end > half, line.end > line.start, line.fence == nil else { continue }
            let next = number + 1 < lines.count ? lines[number + 1] : nil
            let isParagraph = line.end + 1 < text.count && text[line.end + 1] == "\n"
            if isParagraph || line.before != nil || next?.fence != nil { border = cut }
        }
        if let border { return border }
        if let lineEnd { return opened(lineEnd, lines) }
        // Within a line: what was open before it still is.
        let index = lastBlank(before: end, after: quarter) ?? graphemeEnd(before: end)
        return Cut(at: index, fence: lines.last { $0.start < index }.map(\.before) ?? fence)
    }

    /// No piece ends with the beginning of code and nothing of it, if it can end before.
    private func opened(_ cut: Cut, _ lines: [Line]) -> Cut {
        guard cut.fence != nil, let number = lines.firstIndex(where: { $0.end == cut.index }), number > 0,
            lines[number].before == nil, lines[number - 1].isWhole, lines[number - 1].end > position
        else { return cut }
        return Cut(at: lines[number - 1].end, fence: lines[number - 1].fence, isBorder: true)
    }

    /// When only the end of the code follows, it belongs to this piece.
    private func endOfCode(at cut: Cut, _ budget: Int) -> Int? {
        guard cut.isBorder, let fence = cut.fence else { return nil }
        var end = cut.index + 1
        while end < text.count, text[end] != "\n", end - cut.index < 100 { end += 1 }
        guard end == text.count || text[end] == "\n", fence.isClosed(by: text[(cut.index + 1)..<end]) else {
            return nil
        }
        return units(text[position..<end]) <= budget ? end : nil
    }

    private func lastBlank(before end: Int, after least: Int) -> Int? {
        func isBlank(_ index: Int) -> Bool {
            // A blank with an accent is a letter.
            (text[index] == " " || text[index] == "\t" || text[index] == "\n")
                && !(index + 1 < text.count && text[index + 1].properties.isGraphemeExtend)
        }
        if isBlank(end), end > position, !text[end - 1].properties.isWhitespace { return end }
        var index = end - 1
        while index > least {
            if isBlank(index) { return index }
            index -= 1
        }
        return nil
    }

    /// A letter of several scalars stays whole, unless it fills the piece.
    private func graphemeEnd(before end: Int) -> Int {
        var count = 0
        // A few scalars behind the end tell whether the last letter goes on.
        let window = string(text[position..<min(end + 8, text.count)])
        for character in window {
            let next = count + character.unicodeScalars.count
            if position + next > end { break }
            count = next
        }
        return count > 0 ? position + count : max(end, position + 1)
    }

    // MARK: Going on

    private mutating func go(on cut: Cut) {
        position = cut.index
        fence = cut.fence
        isLineStart = false
        guard fence == nil else {
            // Blanks mean something in code: the cut itself goes, and nothing else.
            if position < text.count, text[position] == "\n" || !cut.isBorder && text[position] == " " {
                isLineStart = text[position] == "\n"
                position += 1
            }
            return
        }
        var lineStart: Int?
        while position < text.count, text[position].properties.isWhitespace {
            if text[position] == "\n" { lineStart = position + 1 }
            position += 1
        }
        guard let lineStart else { return }
        isLineStart = true
        // How far in a list's item is, counts; four blanks at the beginning of a message would be code.
        position = max(lineStart, position - 3)
    }

    // MARK: Counting

    private func units(_ scalars: some Collection<Unicode.Scalar>) -> Int {
        unit == .scalars ? scalars.count : scalars.reduce(0) { $0 + ($1.value > 0xFFFF ? 2 : 1) }
    }

    /// The index behind the last scalar that fits into so many units from ``position``; at least one does.
    private func window(_ budget: Int) -> Int {
        if unit == .scalars { return min(position + max(budget, 1), text.count) }
        var index = position
        var left = budget
        while index < text.count {
            left -= text[index].value > 0xFFFF ? 2 : 1
            if left < 0 { break }
            index += 1
        }
        return max(index, position + 1)
    }

    private func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }
}
