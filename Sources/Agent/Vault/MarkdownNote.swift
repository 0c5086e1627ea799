// What does a note's text say about itself? Its title, its tags and its body without front matter. This is not a
// Markdown renderer and no YAML parser: of the front matter only `title` and `tags` count, in the forms that Obsidian
// writes; a block that says anything else is taken off all the same.

/// A note's text, taken apart.
struct MarkdownNote: Equatable {
    /// From the front matter, else the first heading, else the file's name.
    var title: String
    var tags: [String]
    /// The text behind the front matter.
    var body: String

    init(_ text: String, path: NotePath) {
        let (front, body) = Self.split(text)
        self.body = String(body)
        title = Self.value(of: "title", in: front) ?? Self.firstHeading(in: body) ?? path.stem
        tags = Self.tags(in: front)
    }

    /// Front matter stands between a first line `---` and the next line that is exactly `---`.
    private static func split(_ text: String) -> (front: [Substring], body: Substring) {
        let text = text.hasPrefix("\u{FEFF}") ? text.dropFirst() : Substring(text)
        guard text.hasPrefix("---\n") || text.hasPrefix("---\r\n") else { return ([], text) }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let end = lines.dropFirst().firstIndex(where: { $0 == "---" }) else { return ([], text) }
        let rest = end + 1 < lines.count ? text[lines[end + 1].startIndex...] : ""
        return (Array(lines[1..<end]), rest)
    }

    private static func value(of key: String, in front: [Substring]) -> String? {
        guard let line = front.first(where: { $0.hasPrefix(key + ":") }) else { return nil }
        let value = unquoted(line.dropFirst(key.count + 1))
        return value.isEmpty ? nil : value
    }

    private static func tags(in front: [Substring]) -> [String] {
        guard let start = front.firstIndex(where: { $0.hasPrefix("tags:") }) else { return [] }
        var value = trimmed(front[start].dropFirst(5))
        var items: [Substring] = []
        if value.isEmpty {
            items = front[(start + 1)...].map(trimmed).prefix { $0.hasPrefix("-") }.map { $0.dropFirst() }
        } else {
            if value.hasPrefix("["), value.hasSuffix("]") { value = value.dropFirst().dropLast() }
            items = value.split(separator: ",")
        }
        return items.map { unquoted($0) }.map { $0.hasPrefix("#") ? String($0.dropFirst()) : $0 }.filter { !$0.isEmpty }
    }

    /// Lines are cut by bytes, not by characters: every note of a vault comes through here when the index is filled.
    private static func firstHeading(in body: Substring) -> String? {
        var isCode = false
        var rest = body
        while !rest.isEmpty {
            let end = rest.utf8.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            let line = rest[..<end]
            if line.hasPrefix("```") { isCode.toggle() }
            if !isCode, let heading = heading(line) { return heading }
            rest = end < rest.endIndex ? rest[rest.utf8.index(after: end)...] : ""
        }
        return nil
    }

    /// The text of a line such as `## Router`, or nil for another line.
    static func heading(_ line: some StringProtocol) -> String? {
        let marks = line.prefix { $0 == "#" }.count
        guard (1...6).contains(marks), line.dropFirst(marks).first == " " else { return nil }
        let text = trimmed(Substring(line.dropFirst(marks)))
        return text.isEmpty ? nil : String(text)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return text
    }

    private static func unquoted(_ text: Substring) -> String {
        let text = trimmed(text)
        for quote in ["\"", "'"] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return String(text)
    }
}
