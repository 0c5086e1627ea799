// How is it said where no markup helps? For messages whose markup a platform refused, and for logs.

enum PlainText {
    /// What Markdown says, without its marks, and no longer than it.
    static func text(_ markdown: String) -> String {
        MarkupWriter.text(of: markdown, in: PlainDialect(), limit: max(markdown.unicodeScalars.count, 1000))
    }
}

private struct PlainDialect: MarkupDialect {
    var strong: (open: String, close: String) { ("", "") }
    var strike: (open: String, close: String) { ("", "") }
    var imageMark: String { "" }

    func escaped(_ text: String) -> String { text }
    func emphasis(_ delimiter: String, besideStrong: Bool) -> (open: String, close: String) { ("", "") }
    func link(_ url: String) -> (open: String, close: String)? { nil }
    func code(_ text: String, ticks: Int, isNarrow: Bool) -> String { text }
    func block(_ lines: [String], info: String, lineBreak: String) -> String { lines.joined(separator: lineBreak) }
    func bullet(_ marker: String) -> String { "-" }
}
