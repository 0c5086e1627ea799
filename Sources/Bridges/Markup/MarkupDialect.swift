// In which words does a platform write what Markdown says? The differences between platforms, and nothing else. Pure.

protocol MarkupDialect {
    /// A text as it stands in a message.
    func escaped(_ text: String) -> String
    var strong: (open: String, close: String) { get }
    var strike: (open: String, close: String) { get }
    /// - Parameters:
    ///   - delimiter: the character of the source.
    ///   - besideStrong: it is in, or holds, a strong text.
    func emphasis(_ delimiter: String, besideStrong: Bool) -> (open: String, close: String)
    /// Nil: the platform hides no address behind a label.
    func link(_ url: String) -> (open: String, close: String)?
    /// - Parameter isNarrow: it stands where no block can.
    func code(_ text: String, ticks: Int, isNarrow: Bool) -> String
    /// - Parameters:
    ///   - lines: without line breaks.
    ///   - lineBreak: with what has to stand at the beginning of a line.
    func block(_ lines: [String], info: String, lineBreak: String) -> String
    /// Around a quote of several lines; nil: a mark before each line.
    var quote: (open: String, close: String)? { get }
    func bullet(_ marker: String) -> String
    func checkbox(_ isDone: Bool) -> String
    /// What stands before an image.
    var imageMark: String { get }
}

extension MarkupDialect {
    var quote: (open: String, close: String)? { nil }
    var imageMark: String { "!" }
    func bullet(_ marker: String) -> String { "•" }
    func checkbox(_ isDone: Bool) -> String { isDone ? "☑" : "☐" }
}

/// Which addresses become links.
enum LinkAddress {
    private static let schemes: Set<String> = ["http", "https", "tg", "mailto"]

    /// The address in a form without blanks, quotes and control characters; nil when it leads nowhere that a chat should.
    static func checked(_ url: String) -> String? {
        let url = Markdown.withoutSeams(url)
        guard let colon = url.utf8.firstIndex(of: UInt8(ascii: ":")),
            schemes.contains(url[..<colon].lowercased()), url.utf8.count > url[...colon].utf8.count
        else { return nil }
        var bytes: [UInt8] = []
        for byte in url.utf8 {
            switch byte {
            case 0...0x20, 0x7F, UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "|"),
                UInt8(ascii: "\\"), UInt8(ascii: "`"):
                let text = String(byte, radix: 16, uppercase: true)
                bytes += Array((text.count == 1 ? "%0\(text)" : "%\(text)").utf8)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
