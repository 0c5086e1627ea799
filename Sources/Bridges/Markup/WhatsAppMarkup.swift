// How does WhatsApp write it? With marks that are not Markdown's: one asterisk is bold, one tilde strikes out, and links hide nothing.
// There is no way to escape a mark.

enum WhatsAppMarkup {
    private static let longest = 4096

    /// A message in WhatsApp's marks.
    static func text(_ markdown: String) -> String {
        MarkupWriter.text(of: markdown, in: WhatsAppDialect(), limit: max(longest, markdown.unicodeScalars.count))
    }
}

private struct WhatsAppDialect: MarkupDialect {
    var strong: (open: String, close: String) { ("*", "*") }
    var strike: (open: String, close: String) { ("~", "~") }

    func escaped(_ text: String) -> String { text }

    /// As it was written, like the vectors have it, though one asterisk shows bold; beside bold text that would show nothing.
    func emphasis(_ delimiter: String, besideStrong: Bool) -> (open: String, close: String) {
        besideStrong ? ("_", "_") : (delimiter, delimiter)
    }

    func link(_ url: String) -> (open: String, close: String)? { nil }

    func code(_ text: String, ticks: Int, isNarrow: Bool) -> String {
        ticks == 3 || text.contains("`") ? "```\(text)```" : "`\(text)`"
    }

    func block(_ lines: [String], info: String, lineBreak: String) -> String {
        (["```\(info)"] + lines + ["```"]).joined(separator: lineBreak)
    }

    func bullet(_ marker: String) -> String { marker }
}
