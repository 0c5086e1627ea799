// How does Telegram write it? In a few tags of HTML (Bot API, "HTML style"), of which one that is wrong makes it refuse the message: so
// each is closed where it belongs, quotes hold no quotes, code holds nothing, and all else is escaped.

enum TelegramMarkup {
    /// UTF-16 units that a message may show.
    private static let longest = 4096

    /// A message in Telegram's HTML. Shows at most as many UTF-16 units as the Markdown has, or as a message may have.
    static func html(_ markdown: String) -> String {
        let dialect = TelegramDialect()
        let html = MarkupWriter.text(of: markdown, in: dialect, limit: longest, measure: shown)
        // What consists of markup alone, e.g. an empty fence, is shown as it was written: an empty message is none.
        let isEmpty = html.utf8.count < 200 && visible(html).allSatisfy(\.isWhitespace)
        return isEmpty ? dialect.escaped(markdown) : html
    }

    /// Without tags.
    private static func visible(_ html: String) -> String {
        var visible = String.UnicodeScalarView()
        var isTag = false
        for scalar in html.unicodeScalars {
            if scalar == "<" { isTag = true }
            if !isTag { visible.append(scalar) }
            if scalar == ">" { isTag = false }
        }
        return String(visible)
    }

    /// UTF-16 units that are shown: an entity is one.
    private static func shown(_ html: String) -> Int {
        guard html.utf16.count > longest else { return 0 }
        var count = 0
        var isEntity = false
        for scalar in visible(html).unicodeScalars {
            if isEntity {
                isEntity = scalar != ";"
            } else {
                isEntity = scalar == "&"
                count += scalar.value > 0xFFFF ? 2 : 1
            }
        }
        return count
    }
}

private struct TelegramDialect: MarkupDialect {
    var strong: (open: String, close: String) { ("<b>", "</b>") }
    var strike: (open: String, close: String) { ("<s>", "</s>") }
    var quote: (open: String, close: String)? { ("<blockquote>", "</blockquote>") }

    func escaped(_ text: String) -> String { Self.escaped(text, inAttribute: false) }

    static func escaped(_ text: String, inAttribute: Bool) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
            case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
            case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
            case UInt8(ascii: "\"") where inAttribute: bytes += Array("&quot;".utf8)
            case 0: bytes += Array("\u{FFFD}".utf8)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func emphasis(_ delimiter: String, besideStrong: Bool) -> (open: String, close: String) { ("<i>", "</i>") }

    func link(_ url: String) -> (open: String, close: String)? {
        ("<a href=\"\(Self.escaped(url, inAttribute: true))\">", "</a>")
    }

    /// Three backticks with a language on one line are a block to the vectors: "```sh ls```".
    func code(_ text: String, ticks: Int, isNarrow: Bool) -> String {
        let language = text.prefix { Self.isLanguage($0) }
        guard ticks == 3, !isNarrow, !language.isEmpty, language.count < text.count else {
            return "<code>\(escaped(text))</code>"
        }
        return block([String(text.dropFirst(language.count))], info: String(language), lineBreak: "\n")
    }

    func block(_ lines: [String], info: String, lineBreak: String) -> String {
        let code = lines.map(escaped).joined(separator: "\n")
        guard !code.isEmpty else { return "" }
        let language = info.prefix { !$0.isWhitespace }
        guard !language.isEmpty, language.count <= 32, language.allSatisfy(Self.isLanguage) else {
            return "<pre>\(code)</pre>"
        }
        return "<pre><code class=\"language-\(language)\">\(code)</code></pre>"
    }

    private static func isLanguage(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "_+-#.".contains(character))
    }
}
