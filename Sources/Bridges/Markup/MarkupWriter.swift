// How does a Markdown text become a message? One walk over its parts, the same for all platforms: lines stay where they were, and what is
// opened is closed in its order. Without recursion, so that no nesting is too deep. Pure.

struct MarkupWriter<Dialect: MarkupDialect> {
    /// Deeper lists and quotes are not moved in any further.
    private static var deepest: Int { 12 }

    private let markdown: Markdown
    private let dialect: Dialect
    /// Nothing may become longer than it was written.
    private let isTight: Bool
    private var output = ""
    /// The source's line at the end of the output; 0: there is none yet.
    private var line = 0
    /// The last thing written needs a line of its own.
    private var isBlockOver = false
    /// What stands at the beginning of a line.
    private var prefixes: [String] = []
    private var open: [Open] = []
    /// Numbers of the lists that are open; nil: no ordered list.
    private var numbers: [(next: Int, delimiter: String)?] = []
    private var strongs = 0
    private var emphases = 0
    private var strikes = 0
    private var quotes = 0
    private var links = 0
    private var narrow = 0

    /// What ends where a part does.
    private struct Open {
        enum Change { case none, strong, emphasis, strike, prefix, quote, list, link, heading, paragraph }

        var end: Int
        var text = ""
        var change = Change.none
        /// Of a link, where its label begins in the output, in UTF-8.
        var from = 0
        var url: String?
        var line = 0
    }

    private init(_ markdown: Markdown, _ dialect: Dialect, isTight: Bool) {
        self.markdown = markdown
        self.dialect = dialect
        self.isTight = isTight
    }

    /// The message; a text that is too long to be read, or becomes too long, is shown as it was written.
    ///
    /// - Parameters:
    ///   - limit: of the result as `measure` counts it, for texts that were within it before; nil: none.
    static func text(
        of text: String, in dialect: Dialect, limit: Int? = nil, measure: (String) -> Int = { $0.unicodeScalars.count }
    ) -> String {
        let raw = dialect.escaped(Markdown.withoutSeams(text))
        guard let markdown = Markdown(text) else { return raw }
        for isTight in [false, true] {
            var writer = MarkupWriter(markdown, dialect, isTight: isTight)
            let result = writer.run()
            guard let limit, measure(result) > limit else { return result }
        }
        return raw
    }

    private mutating func run() -> String {
        var index = 0
        while index < markdown.nodes.count {
            while let last = open.last, last.end <= index { close(open.removeLast()) }
            index = write(index)
        }
        while let last = open.popLast() { close(last) }
        return output
    }

    // MARK: Parts

    /// - Returns: the next part to write.
    private mutating func write(_ index: Int) -> Int {
        let node = markdown.nodes[index]
        switch node.kind {
        case .document, .other, .row, .cell: break
        case .text, .html: output += text(node.literal)
        case .softBreak, .lineBreak: breakLine()
        case .code:
            output += dialect.code(
                Markdown.withoutSeams(node.literal), ticks: markdown.ticks(of: index), isNarrow: narrow > 0 || links > 0
            )
        case .emphasis: openEmphasis(index)
        case .strong: openStrong(index, .strong)
        case .strike:
            // Two seams of tildes with nothing between them, e.g. `a~~~~b`.
            if node.end == index + 2,
                markdown.nodes[index + 1].literal.unicodeScalars.allSatisfy({ $0 == Markdown.seam })
            {
                output += text("~~~~")
                return node.end
            }
            openPair(index, strikes == 0 ? dialect.strike : ("", ""), .strike)
            strikes += 1
        case .link(let url): openLink(index, url)
        case .image(let url):
            if links == 0 { output += dialect.imageMark }
            openLink(index, url)
        default: return writeBlock(index)
        }
        return index + 1
    }

    private mutating func writeBlock(_ index: Int) -> Int {
        let node = markdown.nodes[index]
        switch node.kind {
        case .paragraph:
            move(to: node.startLine)
            open.append(Open(end: node.end, change: .paragraph, line: node.endLine))
        case .heading:
            move(to: node.startLine)
            open.append(Open(end: node.end, change: .heading, line: node.endLine))
            narrow += 1
            if node.end > index + 1 { openStrong(index, .strong) }
        case .list(let start, let delimiter):
            numbers.append(start.map { ($0, delimiter) })
            open.append(Open(end: node.end, change: .list))
        case .item(let isDone): openItem(index, isDone)
        case .quote: openQuote(index)
        case .rule: writeLines([markdown.line(node.startLine)], from: node)
        case .htmlBlock: writeLines(lines(node.literal), from: node)
        case .codeBlock(let info, let isFenced):
            let lines = lines(node.literal)
            move(to: node.startLine)
            writeCode(lines, info: Markdown.withoutSeams(info))
            finish(isFenced ? node.endLine : node.startLine + lines.count - 1)
        case .table:
            var last = markdown.lastLine(of: index)
            if let lines = markdown.table(index, asWritten: isTight) {
                move(to: node.startLine)
                writeCode(lines, info: "")
            } else {
                let end = max(last, node.endLine)
                writeLines((node.startLine...max(node.startLine, end)).map(markdown.line), from: node)
                last = end
            }
            finish(last)
            return node.end
        default: break
        }
        return index + 1
    }

    private mutating func openItem(_ index: Int, _ isDone: Bool?) {
        let node = markdown.nodes[index]
        move(to: node.startLine)
        let written = markdown.marker(of: index)
        var marker = dialect.bullet(written)
        if let number = numbers.last ?? nil {
            marker = isTight ? written : "\(number.next)\(number.delimiter)"
            numbers[numbers.count - 1] = (number.next + 1, number.delimiter)
        }
        output += text(marker) + " "
        if let isDone { output += dialect.checkbox(isDone) + " " }
        pushPrefix(String(repeating: " ", count: min(marker.count + 1, 4)), end: node.end)
    }

    /// A quote of one line stays as it was written, as the vectors have it.
    private mutating func openQuote(_ index: Int) {
        let node = markdown.nodes[index]
        move(to: node.startLine)
        if quotes == 0, let quote = dialect.quote, markdown.lastLine(of: index) > node.startLine {
            output += quote.open
            open.append(Open(end: node.end, text: quote.close, change: .quote))
            quotes += 1
            return
        }
        if prefixes.count < Self.deepest { output += text("> ") }
        pushPrefix(text("> "), end: node.end)
    }

    private mutating func pushPrefix(_ prefix: String, end: Int) {
        prefixes.append(prefixes.count < Self.deepest ? prefix : "")
        open.append(Open(end: end, change: .prefix))
    }

    private mutating func openEmphasis(_ index: Int) {
        let node = markdown.nodes[index]
        let delimiter = markdown.delimiter(of: index)
        if emphases > 0 || markdown.isPlain(emphasis: index) {
            output += text(delimiter)
            open.append(Open(end: node.end, text: text(delimiter)))
            return
        }
        let holdsStrong = node.end > index + 1 && markdown.nodes[index + 1].kind == .strong
        openPair(index, dialect.emphasis(delimiter, besideStrong: strongs > 0 || holdsStrong), .emphasis)
        emphases += 1
    }

    private mutating func openStrong(_ index: Int, _ change: Open.Change) {
        openPair(index, strongs == 0 ? dialect.strong : ("", ""), change)
        strongs += 1
    }

    private mutating func openPair(_ index: Int, _ pair: (open: String, close: String), _ change: Open.Change) {
        output += pair.open
        open.append(Open(end: markdown.nodes[index].end, text: pair.close, change: change))
    }

    private mutating func openLink(_ index: Int, _ url: String) {
        let node = markdown.nodes[index]
        links += 1
        // An image may hold links, and a link images: the outer one counts.
        guard links == 1 else {
            open.append(Open(end: node.end, change: .link))
            return
        }
        guard let checked = LinkAddress.checked(url), let link = dialect.link(checked) else {
            open.append(Open(end: node.end, change: .link, from: output.utf8.count, url: url))
            return
        }
        output += link.open
        let isEmpty = markdown.plain(index + 1..<node.end).allSatisfy(\.isWhitespace)
        open.append(Open(end: node.end, text: (isEmpty ? text(url) : "") + link.close, change: .link))
    }

    private mutating func close(_ last: Open) {
        output += last.text
        switch last.change {
        case .none: break
        case .strong: strongs -= 1
        case .emphasis: emphases -= 1
        case .strike: strikes -= 1
        case .prefix: prefixes.removeLast()
        case .quote: quotes -= 1
        case .list: numbers.removeLast()
        case .link:
            links -= 1
            if let url = last.url {
                let label = String(decoding: output.utf8.dropFirst(last.from), as: UTF8.self)
                output += text(Markdown.address(url, behind: label))
            }
        case .heading:
            narrow -= 1
            finish(last.line)
        case .paragraph: finish(last.line)
        }
    }

    // MARK: Lines

    /// Goes on where the source does: with as many line breaks as it has.
    private mutating func move(to target: Int) {
        defer { isBlockOver = false }
        let breaks = output.isEmpty ? 0 : max(target - line, isBlockOver ? 1 : 0)
        for left in stride(from: breaks, to: 0, by: -1) { breakLine(isEmpty: left > 1) }
        line = max(line, target)
    }

    private mutating func breakLine(isEmpty: Bool = false) {
        output += "\n"
        if isEmpty {
            // Blanks at a line's end mean nothing.
            guard let last = prefixes.lastIndex(where: { !$0.allSatisfy(\.isWhitespace) }) else { return }
            output += prefixes[...last].joined()
        } else {
            output += prefixes.joined()
        }
    }

    private mutating func finish(_ line: Int) {
        self.line = max(self.line, line)
        isBlockOver = true
    }

    /// Code is never moved in, for blanks mean something in it.
    private mutating func writeCode(_ lines: [String], info: String) {
        let blanks = output.utf8.reversed().prefix { $0 == UInt8(ascii: " ") }.count
        let isMovedIn = output.utf8.dropLast(blanks).last == UInt8(ascii: "\n")
        if isMovedIn, prefixes.last?.allSatisfy({ $0 == " " }) == true { output.unicodeScalars.removeLast(blanks) }
        let marks = prefixes.filter { !$0.allSatisfy { $0 == " " } }.joined()
        output += dialect.block(lines, info: info, lineBreak: "\n" + marks)
    }

    private mutating func writeLines(_ lines: [String], from node: MarkdownNode) {
        move(to: node.startLine)
        for (number, line) in lines.enumerated() {
            if number > 0 { breakLine() }
            output += text(line)
        }
        finish(node.startLine + max(lines.count, 1) - 1)
    }

    private func lines(_ literal: String) -> [String] {
        var lines = Markdown.withoutSeams(literal).split(separator: "\n", omittingEmptySubsequences: false)
        while let last = lines.last, last.isEmpty { lines.removeLast() }
        return lines.map(String.init)
    }

    private func text(_ text: String) -> String { dialect.escaped(Markdown.withoutSeams(text)) }
}
