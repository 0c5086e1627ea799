internal import JSON
internal import Yams

// How is a property of a note changed by a program? The block at its head is read, changed and written anew; the order of what stays
// stays, its comments don't. The text below is not touched. A block that can't be understood is nobody's to overwrite.

enum FrontMatterEdit {
    /// Changes properties.
    ///
    /// - Parameters:
    ///   - changes: the new values; null takes a property away.
    ///   - isWhole: whether all other properties are taken away.
    /// - Returns: the new text; nil when the block can't be understood.
    static func apply(_ changes: [String: JSONValue], to text: String, isWhole: Bool = false) -> String? {
        let bytes = Array(text.utf8)
        let (front, _) = MarkdownNote.split(bytes)
        let hasBlock = front.lowerBound > 0
        var mapping = Node.Mapping([])
        let old = bytes[front]
        if !isWhole, old.contains(where: { $0 > 0x20 }) {
            // What is costly to read says nothing, and is not read here either.
            guard !FrontMatter(yaml: Array(old)).values.isEmpty,
                let node = try? Yams.compose(yaml: String(decoding: old, as: UTF8.self)),
                case .mapping(let known) = node
            else { return nil }
            mapping = Node.Mapping(known.map { ($0.key, $0.value) })
        }
        for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
            mapping[scalar(name)] = value == .null ? nil : node(value)
        }
        var yaml = ""
        if !mapping.isEmpty {
            guard let written = try? Yams.serialize(node: .mapping(mapping), allowUnicode: true) else { return nil }
            yaml = written
        }
        guard !hasBlock else {
            return String(
                decoding: bytes[..<front.lowerBound] + Array(yaml.utf8) + bytes[front.upperBound...], as: UTF8.self)
        }
        return yaml.isEmpty ? text : "---\n\(yaml)---\n\n" + text
    }

    private static func node(_ value: JSONValue) -> Node {
        switch value {
        case .null: Node("null", Tag(.null))
        case .bool(let bool): .scalar(bool.represented())
        case .integer(let number): .scalar(number.represented())
        case .number(let number): .scalar(number.represented())
        case .string(let text): scalar(text)
        case .array(let list): .sequence(Node.Sequence(list.map(node)))
        case .object(let fields):
            .mapping(
                Node.Mapping(fields.sorted { $0.key < $1.key }.map { (scalar($0.key), node($0.value)) }))
        }
    }

    /// In quotes where it would be read as something else than text.
    private static func scalar(_ text: String) -> Node { .scalar(text.represented()) }
}
