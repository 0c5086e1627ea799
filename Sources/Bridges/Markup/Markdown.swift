// What does a Markdown text say, and how was it written? The parts that cmark-gfm finds, beside the source, because chats show what
// Markdown leaves open: line breaks, markers, and emphasis that nobody meant. Pure.

/// A parsed Markdown text.
struct Markdown: Sendable {
    /// UTF-8 bytes. No message is longer, and cmark may take time that grows with the square.
    static let longest = 20_000
    /// Stands where two things must not be read as one, and is never shown. No text has it: it is no character.
    static let seam = Unicode.Scalar(0xFDD0 as UInt32) ?? "\u{FFFD}"

    let source: [UInt8]
    /// Without their line breaks.
    let lines: [Range<Int>]
    let nodes: [MarkdownNode]
    /// How many breaks there are before each node.
    private let breaks: [Int]
    /// Of each node, the last block without blocks in it that begins there or before.
    private let lastBlocks: [Int]

    /// - Returns: nil when the text is longer than ``longest``.
    init?(_ text: String) {
        guard text.utf8.count <= Self.longest else { return nil }
        source = Self.prepared(Array(text.utf8))
        var lines: [Range<Int>] = []
        var start = 0
        for (index, byte) in source.enumerated() where byte == UInt8(ascii: "\n") {
            lines.append(start..<index)
            start = index + 1
        }
        lines.append(start..<source.count)
        self.lines = lines
        nodes = CMark.parse(source)
        var count = 0
        breaks =
            nodes.map { node in
                defer { if node.kind == .softBreak || node.kind == .lineBreak { count += 1 } }
                return count
            } + [count]
        var last = 0
        lastBlocks = nodes.enumerated().map { index, node in
            switch node.kind {
            case .paragraph, .heading, .codeBlock, .htmlBlock, .rule, .row: last = index
            default: break
            }
            return last
        }
    }

    /// One kind of line break, no zero bytes, and seams:
    /// - between `]` and `:`, since Markdown takes `[1]: https://…` for a definition and shows nothing of it; in a message that was cut in
    ///   pieces, what it defines may be in another;
    /// - in `a~~~~b`: two things struck out beside each other, which GitHub's rules don't know, but the vectors do.
    private static func prepared(_ text: [UInt8]) -> [UInt8] {
        let seam = Array(String(Self.seam).utf8)
        var source: [UInt8] = []
        source.reserveCapacity(text.count + 64)
        var index = 0
        func at(_ index: Int) -> UInt8 { text.indices.contains(index) ? text[index] : UInt8(ascii: "\n") }
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        while index < text.count {
            let byte = text[index]
            switch byte {
            case 0: source += Array("\u{FFFD}".utf8)
            case UInt8(ascii: "\r"): if at(index + 1) != UInt8(ascii: "\n") { source.append(UInt8(ascii: "\n")) }
            case seam[0] where at(index + 1) == seam[1] && at(index + 2) == seam[2]: index += 2
            case UInt8(ascii: "]") where at(index + 1) == UInt8(ascii: ":"): source += [byte] + seam
            case UInt8(ascii: "~"):
                var end = index
                while at(end) == byte { end += 1 }
                let isSeam = end - index == 4 && !isBlank(at(index - 1)) && !isBlank(at(end))
                source += isSeam ? [byte, byte] + seam + [byte, byte] : Array(repeating: byte, count: end - index)
                index = end - 1
            default: source.append(byte)
            }
            index += 1
        }
        return source
    }

    /// The line with which a block ends.
    func lastLine(of index: Int) -> Int {
        let last = lastBlocks[nodes[index].end - 1]
        return last < index ? nodes[index].startLine : max(nodes[last].startLine, nodes[last].endLine)
    }

    // MARK: How it was written

    /// A source line without the blanks around it and the marks of quotes before it.
    func line(_ number: Int) -> String {
        guard lines.indices.contains(number - 1) else { return "" }
        var range = content(of: number, inQuote: true)..<lines[number - 1].upperBound
        while let last = source[range].last, last == 0x20 || last == 0x09 { range = range.dropLast() }
        return Self.withoutSeams(String(decoding: source[range], as: UTF8.self))
    }

    /// The character with which an emphasis begins.
    func delimiter(of index: Int) -> String {
        let node = nodes[index]
        guard let offset = offset(line: node.startLine, column: node.startColumn, block: node.block),
            source[offset] == UInt8(ascii: "_")
        else { return "*" }
        return "_"
    }

    /// How many backticks stand before a code span.
    func ticks(of index: Int) -> Int {
        let node = nodes[index]
        guard let offset = offset(line: node.startLine, column: node.startColumn - 1, block: node.block) else {
            return 1
        }
        var count = 0
        while offset - count >= 0, source[offset - count] == UInt8(ascii: "`") { count += 1 }
        return max(count, 1)
    }

    /// The marker of a list's item, e.g. `-` or `3.`.
    func marker(of index: Int) -> String {
        let node = nodes[index]
        guard lines.indices.contains(node.startLine - 1) else { return "-" }
        let line = lines[node.startLine - 1]
        let start = min(line.lowerBound + max(node.startColumn - 1, 0), line.upperBound)
        var end = start
        while end < line.upperBound, end - start < 10, source[end] != 0x20, source[end] != 0x09 { end += 1 }
        return String(decoding: source[start..<end], as: UTF8.self)
    }

    /// cmark counts the columns of a block's later lines as if they began where its first line does, and breaks in code spans not at all.
    private func offset(line: Int, column: Int, block: Int) -> Int? {
        guard nodes.indices.contains(block), lines.indices.contains(line - 1) else { return nil }
        let inQuote = isInQuote(block)
        var line = line
        var start = lines[line - 1].lowerBound
        var index = column - 1
        if line != nodes[block].startLine {
            start = content(of: line, inQuote: inQuote)
            index -= nodes[block].startColumn - 1
        }
        while index >= 0 {
            let end = lines[line - 1].upperBound
            if start + index < end { return start + index }
            index -= end - start + 1
            line += 1
            guard lines.indices.contains(line - 1) else { return nil }
            start = content(of: line, inQuote: inQuote)
        }
        return nil
    }

    private func isInQuote(_ block: Int) -> Bool {
        var parent = nodes[block].parent
        var steps = 0
        while parent >= 0, steps < 32 {
            if nodes[parent].kind == .quote { return true }
            parent = nodes[parent].parent
            steps += 1
        }
        return false
    }

    private func content(of line: Int, inQuote: Bool) -> Int {
        let range = lines[line - 1]
        var start = range.lowerBound
        while start < range.upperBound,
            source[start] == 0x20 || source[start] == 0x09 || inQuote && source[start] == UInt8(ascii: ">")
        { start += 1 }
        return start
    }

    // MARK: What it means in a chat

    /// Whether an emphasis is shown as it was written, with its markers. Where CommonMark and the vectors differ, the vectors count: no
    /// emphasis over a line break (`*a⏎b*`), within a word (`2*3*4`), or in another (`_*mix*_`, which the caller knows).
    func isPlain(emphasis index: Int) -> Bool {
        let node = nodes[index]
        if breaks[node.end] > breaks[index + 1] { return true }
        if index > 0, nodes[index - 1].parent == node.parent, isWord(nodes[index - 1].literal.unicodeScalars.last) {
            return true
        }
        return nodes.indices.contains(node.end) && nodes[node.end].parent == node.parent
            && nodes[node.end].kind == .text && isWord(nodes[node.end].literal.unicodeScalars.first)
    }

    private func isWord(_ scalar: Unicode.Scalar?) -> Bool {
        guard let scalar, scalar != Self.seam else { return false }
        return scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }

    /// What parts say without any markup, in one line.
    func plain(_ range: Range<Int>) -> String {
        var text = ""
        var links: [(end: Int, from: Int, url: String)] = []
        func close(_ index: Int) {
            while let link = links.last, link.end <= index {
                links.removeLast()
                let label = String(decoding: text.utf8.dropFirst(link.from), as: UTF8.self)
                text += Self.address(link.url, behind: label)
            }
        }
        for index in range {
            close(index)
            switch nodes[index].kind {
            case .text, .code, .html: text += Self.withoutSeams(nodes[index].literal)
            case .softBreak, .lineBreak: text += " "
            case .link(let url), .image(let url): links.append((nodes[index].end, text.utf8.count, url))
            default: break
            }
        }
        close(range.upperBound)
        return text
    }

    /// What stands behind a label when its address can't be hidden in it.
    static func address(_ url: String, behind label: String) -> String {
        let url = withoutSeams(url)
        if label.isEmpty { return url }
        return url.isEmpty || label == url || "mailto:\(label)" == url ? "" : " (\(url))"
    }

    static func withoutSeams(_ text: String) -> String {
        guard text.unicodeScalars.contains(seam) else { return text }
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: text.unicodeScalars.filter { $0 != seam })
        return String(scalars)
    }
}
