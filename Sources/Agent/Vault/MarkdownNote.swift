public import JSON

// What does a note's text say about itself? Its properties, its title, its tags, its links and its body without front
// matter. This is not a Markdown renderer.

/// A note's text, taken apart.
struct MarkdownNote: Equatable {
    /// From the front matter, else the first heading, else the file's name: what the note is about.
    var title: String
    /// From the front matter, else the file's name: what lists call it.
    var label: String
    /// The property `type`, or empty.
    var type: String
    /// The property `tags`, then those in the text, each once and without `#`.
    var tags: [String]
    var properties: [String: JSONValue]
    /// The targets of its links in order, repeats and anchors included.
    var links: [String]
    /// The text behind the front matter.
    var body: String

    init(_ text: String, path: NotePath) {
        let bytes = Array(text.utf8)
        let (front, start) = Self.split(bytes)
        let matter = FrontMatter(yaml: Array(bytes[front]))
        body = start == 0 ? text : String(decoding: bytes[start...], as: UTF8.self)
        properties = matter.values
        let named = matter.text("title")
        title = named ?? Self.firstHeading(in: Substring(body)) ?? path.stem
        label = named ?? path.stem
        type = matter.text("type") ?? ""
        links = MarkdownScanner.links(in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        let found = matter.texts("tags").map(Self.plainTag) + MarkdownScanner.tags(in: Array(bytes[start...]))
        var known: Set<String> = []
        tags = found.filter { !$0.isEmpty && known.insert($0.lowercased()).inserted }
    }

    /// The names of the properties in the front matter of `text`.
    static func propertyNames(_ text: [UInt8]) -> Set<String> {
        let (front, _) = split(text)
        return front.isEmpty ? [] : Set(FrontMatter(yaml: Array(text[front])).values.keys)
    }

    /// Front matter stands between a first line `---` and the next line that is exactly `---`.
    ///
    /// - Returns: the block without these lines, and where the text behind it begins.
    static func split(_ text: [UInt8]) -> (front: Range<Int>, body: Int) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let start = text.starts(with: mark) ? mark.count : 0
        guard let first = line(text, from: start), isFence(text, start, first), first < text.count else {
            return (0..<0, start)
        }
        var place = first + 1
        let front = place
        while let end = line(text, from: place) {
            if isFence(text, place, end) { return (front..<place, min(end + 1, text.count)) }
            place = end + 1
        }
        return (0..<0, start)
    }

    /// Where the line that begins at `place` ends: at a line break or at the end of the text.
    private static func line(_ text: [UInt8], from place: Int) -> Int? {
        guard place < text.count else { return nil }
        return text[place...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
    }

    private static func isFence(_ text: [UInt8], _ start: Int, _ end: Int) -> Bool {
        var line = text[start..<end]
        if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
        return line.elementsEqual("---".utf8)
    }

    /// A tag of the front matter: `#` is no part of it, and in the index it is one line.
    private static func plainTag(_ text: String) -> String {
        let tag = trimmed(Substring(text)).drop { $0 == "#" }
        return String(tag.map { $0.isNewline ? " " : $0 }.prefix(256))
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
        guard line.utf8.first == UInt8(ascii: "#") else { return nil }
        let marks = line.prefix { $0 == "#" }.count
        guard (1...6).contains(marks), line.dropFirst(marks).first == " " else { return nil }
        let text = trimmed(Substring(line.dropFirst(marks)))
        return text.isEmpty ? nil : String(text)
    }

    static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return text
    }
}
