internal import Agent
internal import JSON
internal import Wire
internal import Yams

// What stands in openagent.yaml, and how is a part of it changed so that the rest stays as somebody wrote it? The text is
// changed line by line where values differ; comments, order and spelling of everything else stay. What came out is read
// again and compared with what was wanted: where the text is written in a way that this can't change (all in one line, with
// aliases …) it is written anew as a whole. What the keys mean is not known here.

/// The text of a configuration and what it says.
struct ConfigurationDocument: Sendable, Equatable {
    /// The largest document, in bytes.
    static let maximumSize = 1 << 20

    let text: String
    /// What it says; references are not resolved.
    let fields: [String: JSONValue]

    /// - Parameter file: named in errors.
    /// - Throws: ``ConfigurationError/syntax(file:line:problem:)``
    init(_ text: String, file: String) throws(ConfigurationError) {
        self.text = text
        guard let node = try ConfigurationSection.compose(text, file: file) else {
            fields = [:]
            return
        }
        var reader = YAMLReader()
        do throws(YAMLValueError) {
            guard case .object(let fields) = try reader.json(node) else {
                throw YAMLValueError(line: node.mark?.line ?? 1, problem: "expected lines such as 'name: my-agent'")
            }
            self.fields = fields
        } catch {
            throw .syntax(file: file, line: error.line, problem: error.problem)
        }
    }

    init() {
        text = ""
        fields = [:]
    }

    /// The text that says `new`, changed as little as possible.
    ///
    /// - Throws: ``ConfigurationError`` when it can't be written, which no value of JSON makes happen.
    func changed(to new: [String: JSONValue], file: String) throws(ConfigurationError) -> String {
        guard new != fields else { return text }
        if let node = try ConfigurationSection.compose(text, file: file) {
            if case .mapping(let mapping) = node {
                var splice = ConfigurationSplice(text)
                if splice.change(mapping, from: fields, to: new),
                    let result = try? ConfigurationDocument(splice.result, file: file), result.fields == new
                {
                    return result.text
                }
            }
        } else {
            let end = text.isEmpty || text.hasSuffix("\n") ? "" : "\n"
            let appended = text + end + Self.text(of: new)
            if let result = try? ConfigurationDocument(appended, file: file), result.fields == new { return appended }
        }
        let whole = Self.text(of: new)
        guard try ConfigurationDocument(whole, file: file).fields == new else {
            throw .syntax(file: file, line: 1, problem: "this can't be written as YAML")
        }
        return whole
    }

    /// A document without comments.
    static func text(of fields: [String: JSONValue]) -> String {
        YAMLWriter.lines(fields).map { $0 + "\n" }.joined()
    }
}

/// Changes of lines, gathered and then made together.
private struct ConfigurationSplice {
    private struct Edit {
        var lines: Range<Int>
        var replacement: [String]
    }

    private let lines: [String]
    private var edits: [Edit] = []

    init(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        // What ends in a line break has no further line.
        if lines.last == "" { lines.removeLast() }
        self.lines = lines
    }

    /// The text with all changes made.
    var result: String {
        var lines = lines
        // From the end to the beginning, so that line numbers stay true; what was noted last at a place comes last there.
        let order = edits.enumerated().sorted {
            ($0.element.lines.lowerBound, $0.element.lines.upperBound, $0.offset)
                > ($1.element.lines.lowerBound, $1.element.lines.upperBound, $1.offset)
        }
        for (_, edit) in order { lines.replaceSubrange(edit.lines, with: edit.replacement) }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Notes what has to change in a document's outermost mapping.
    ///
    /// - Returns: false when it can't be done line by line.
    mutating func change(_ mapping: Node.Mapping, from old: [String: JSONValue], to new: [String: JSONValue]) -> Bool {
        change(mapping, end: lines.count, isOutermost: true, from: old, to: new)
    }

    private mutating func change(
        _ mapping: Node.Mapping, end: Int, isOutermost: Bool, from old: [String: JSONValue], to new: [String: JSONValue]
    ) -> Bool {
        let entries = Array(mapping)
        guard mapping.style != .flow, let indent = entries.first?.key.mark.map({ $0.column - 1 }) else { return false }
        var starts: [Int] = []
        for (key, _) in entries {
            guard let mark = key.mark, mark.column == indent + 1, lines.indices.contains(mark.line - 1),
                mark.line - 1 > starts.last ?? -1, lines[mark.line - 1].prefix(indent).allSatisfy({ $0 == " " })
            else { return false }
            starts.append(mark.line - 1)
        }
        var last = end
        for (index, (key, node)) in entries.enumerated() {
            guard case .scalar(let name) = key else { return false }
            let range =
                starts[index]..<content(from: starts[index], to: starts.dropFirst(index + 1).first ?? end, indent)
            last = range.upperBound
            guard let value = new[name.string] else {
                edits.append(Edit(lines: range, replacement: []))
                continue
            }
            guard let before = old[name.string] else { return false }
            if value != before { change(name.string, node, range, indent, from: before, to: value) }
        }
        let added = new.filter { old[$0.key] == nil }.sorted { $0.key < $1.key }
        guard !added.isEmpty else { return true }
        // New sections come to the end of the file, behind its last comments.
        let place = isOutermost ? end : last
        edits.append(
            Edit(
                lines: place..<place,
                replacement: added.flatMap { YAMLWriter.lines($0.key, $0.value, indent: indent) }))
        return true
    }

    private mutating func change(
        _ key: String, _ node: Node, _ range: Range<Int>, _ indent: Int, from old: JSONValue, to new: JSONValue
    ) {
        if case .mapping(let mapping) = node, case .object(let old) = old, case .object(let new) = new, !new.isEmpty,
            let line = node.mark?.line, line - 1 > range.lowerBound
        {
            let noted = edits
            if change(mapping, end: range.upperBound, isOutermost: false, from: old, to: new) { return }
            edits = noted
        }
        var replacement = YAMLWriter.lines(key, new, indent: indent)
        if range.count == 1, replacement.count == 1, case .scalar(let scalar) = node, let mark = scalar.mark,
            mark.line - 1 == range.lowerBound, let comment = comment(behind: scalar, at: mark.column)
        {
            replacement[0] += comment
        }
        edits.append(Edit(lines: range, replacement: replacement))
    }

    /// The line behind the last one that belongs to what begins at `start`: empty lines and comments that stand no deeper
    /// belong to what comes next.
    private func content(from start: Int, to end: Int, _ indent: Int) -> Int {
        var end = end
        while end > start + 1 {
            let line = lines[end - 1]
            let margin = line.prefix { $0 == " " }.count
            let text = line.dropFirst(margin)
            guard text.allSatisfy(\.isWhitespace) || (text.hasPrefix("#") && margin <= indent) else { break }
            end -= 1
        }
        return end
    }

    /// The comment behind a value of one line, with the spaces before it.
    private func comment(behind scalar: Node.Scalar, at column: Int) -> String? {
        guard let line = scalar.mark.map({ lines[$0.line - 1] }) else { return nil }
        var rest = Array(line.unicodeScalars.dropFirst(column - 1))[...]
        switch scalar.style {
        case .plain: break
        case .singleQuoted, .doubleQuoted:
            let quote = rest.removeFirst()
            while let next = rest.popFirst() {
                if next == "\\", quote == "\"" {
                    _ = rest.popFirst()
                } else if next == quote {
                    guard quote == "'", rest.first == quote else { break }
                    rest.removeFirst()
                }
            }
        default: return nil
        }
        var index = rest.startIndex
        while index < rest.endIndex {
            if rest[index] == "#", index > rest.startIndex, rest[index - 1] == " " || rest[index - 1] == "\t" {
                var start = index
                while start > rest.startIndex, rest[start - 1] == " " || rest[start - 1] == "\t" { start -= 1 }
                return rest[start...].reduce(into: "") { $0.unicodeScalars.append($1) }
            }
            index += 1
        }
        return nil
    }
}
