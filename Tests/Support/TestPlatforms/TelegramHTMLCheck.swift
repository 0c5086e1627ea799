// Would Telegram take this HTML? The rules of the Bot API's "HTML style", and somewhat stricter: what the server only puts up with is an
// error here too.

/// Checks messages with `parse_mode` HTML.
public enum TelegramHTMLCheck {
    /// Why a message is refused.
    public struct Refusal: Error, Equatable, CustomStringConvertible {
        public var reason: String
        public var offset: Int
        /// As the server says it.
        public var description: String { "Bad Request: can't parse entities: \(reason) at byte offset \(offset)" }
    }

    /// The text that is shown, without tags.
    ///
    /// - Throws: ``Refusal``
    public static func text(of html: String) throws(Refusal) -> String {
        var parser = Parser(Array(html.utf8))
        return try parser.run()
    }

    private struct Parser {
        private let bytes: [UInt8]
        private var index = 0
        private var shown: [UInt8] = []
        private var open: [String] = []

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func run() throws(Refusal) -> String {
            while index < bytes.count {
                switch bytes[index] {
                case UInt8(ascii: "<"): try tag()
                case UInt8(ascii: ">"): throw refusal("unescaped '>'")
                case UInt8(ascii: "&"): try entity()
                case 0: throw refusal("a zero byte")
                case let byte:
                    shown.append(byte)
                    index += 1
                }
            }
            guard open.isEmpty else {
                throw refusal("can't find end tag corresponding to start tag \(open.last ?? "")")
            }
            return String(decoding: shown, as: UTF8.self)
        }

        private func refusal(_ reason: String) -> Refusal { Refusal(reason: reason, offset: index) }

        private mutating func entity() throws(Refusal) {
            guard let end = bytes[index...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
                throw refusal("unescaped '&'")
            }
            let name = String(decoding: bytes[index + 1..<end], as: UTF8.self)
            switch name {
            case "lt": shown.append(UInt8(ascii: "<"))
            case "gt": shown.append(UInt8(ascii: ">"))
            case "amp": shown.append(UInt8(ascii: "&"))
            case "quot": shown.append(UInt8(ascii: "\""))
            default:
                let digits = name.dropFirst(name.hasPrefix("#x") ? 2 : 1)
                guard name.hasPrefix("#"), let value = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10),
                    let scalar = Unicode.Scalar(value), value != 0
                else { throw refusal("unsupported entity &\(name);") }
                shown += Array(String(scalar).utf8)
            }
            index = end + 1
        }

        private mutating func tag() throws(Refusal) {
            guard let end = bytes[index...].firstIndex(of: UInt8(ascii: ">")) else {
                throw refusal("unclosed start tag")
            }
            let text = String(decoding: bytes[index + 1..<end], as: UTF8.self)
            if text.hasPrefix("/") {
                let name = text.dropFirst()
                guard let last = open.last else { throw refusal("unexpected end tag") }
                guard last == name else {
                    throw refusal("unmatched end tag, expected \"</\(last)>\", found \"</\(name)>\"")
                }
                open.removeLast()
            } else {
                try start(text)
            }
            index = end + 1
        }

        private mutating func start(_ text: String) throws(Refusal) {
            let name = String(text.prefix { $0 != " " })
            let attributes = String(text.dropFirst(name.count))
            guard !open.contains("code"), !open.contains("pre") || name == "code" && open.last == "pre" else {
                throw refusal("a tag within code")
            }
            switch name {
            case "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "tg-spoiler", "pre":
                guard attributes.isEmpty else { throw refusal("unexpected attribute of \"\(name)\"") }
            case "code":
                let isPlain = attributes.isEmpty
                guard isPlain || open.last == "pre" && shownEndsWithPre && isLanguage(attributes) else {
                    throw refusal("unexpected attribute of \"code\"")
                }
            case "blockquote":
                guard !open.contains("blockquote") else { throw refusal("a quote within a quote") }
                guard attributes.isEmpty || attributes == " expandable" else {
                    throw refusal("unexpected attribute of \"blockquote\"")
                }
            case "span":
                guard attributes == " class=\"tg-spoiler\"" else {
                    throw refusal("tag \"span\" must have class \"tg-spoiler\"")
                }
            case "a":
                guard !open.contains("a") else { throw refusal("a link within a link") }
                guard isAddress(attributes) else { throw refusal("no address in a link") }
            default: throw refusal("unsupported start tag \"\(name)\"")
            }
            guard !open.contains(name) else { throw refusal("\"\(name)\" within \"\(name)\"") }
            open.append(name)
        }

        /// The language stands right behind `<pre>`.
        private var shownEndsWithPre: Bool {
            String(decoding: bytes[..<index], as: UTF8.self).hasSuffix("<pre>")
        }

        private func isLanguage(_ attributes: String) -> Bool {
            let prefix = " class=\"language-"
            guard attributes.hasPrefix(prefix), attributes.hasSuffix("\""), attributes.count > prefix.count + 1 else {
                return false
            }
            return attributes.dropFirst(prefix.count).dropLast().allSatisfy { $0.isASCII && !"\"<>& ".contains($0) }
        }

        private func isAddress(_ attributes: String) -> Bool {
            let prefix = " href=\""
            guard attributes.hasPrefix(prefix), attributes.hasSuffix("\""), attributes.count > prefix.count + 1 else {
                return false
            }
            let url = attributes.dropFirst(prefix.count).dropLast()
            guard !url.contains("\""), !url.contains("<"), !url.contains(where: \.isWhitespace) else { return false }
            guard ["http://", "https://", "tg:", "mailto:"].contains(where: url.lowercased().hasPrefix) else {
                return false
            }
            // Each `&` begins an entity.
            return url.split(separator: "&", omittingEmptySubsequences: false).dropFirst().allSatisfy { rest in
                ["amp;", "lt;", "gt;", "quot;"].contains(where: rest.hasPrefix)
            }
        }
    }
}
