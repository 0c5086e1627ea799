// How does Slack write it? In "mrkdwn": marks of its own, links between angle brackets, and three characters that are always escaped, so
// that no text can mention anybody.

enum SlackMarkup {
    /// A message in Slack's mrkdwn.
    static func text(_ markdown: String) -> String { MarkupWriter.text(of: markdown, in: SlackDialect()) }
}

private struct SlackDialect: MarkupDialect {
    var strong: (open: String, close: String) { ("*", "*") }
    var strike: (open: String, close: String) { ("~", "~") }
    var imageMark: String { "" }

    func escaped(_ text: String) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped.append(contentsOf: "&amp;".unicodeScalars)
            case "<": escaped.append(contentsOf: "&lt;".unicodeScalars)
            case ">": escaped.append(contentsOf: "&gt;".unicodeScalars)
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    func emphasis(_ delimiter: String, besideStrong: Bool) -> (open: String, close: String) { ("_", "_") }

    func link(_ url: String) -> (open: String, close: String)? { ("<\(escaped(url))|", ">") }

    func code(_ text: String, ticks: Int, isNarrow: Bool) -> String { "`\(escaped(text))`" }

    /// Without the language, which Slack would show as the first line.
    func block(_ lines: [String], info: String, lineBreak: String) -> String {
        (["```"] + lines.map(escaped) + ["```"]).joined(separator: lineBreak)
    }
}
