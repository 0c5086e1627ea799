// How does Discord write it? In Markdown, but without tables, images, small headings and boxes to tick: these are changed, the rest stays
// letter by letter.

enum DiscordMarkup {
    /// Unicode scalars that a message may have.
    private static let longest = 2000

    /// A message as Discord shows it best; never longer than a message may be, if the Markdown isn't.
    static func text(_ markdown: String) -> String {
        let raw = Markdown.withoutSeams(markdown)
        guard let parsed = Markdown(raw) else { return raw }
        let changed = changed(parsed)
        return changed.unicodeScalars.count <= max(longest, raw.unicodeScalars.count) ? changed : raw
    }

    private static func changed(_ markdown: Markdown) -> String {
        var lines = markdown.lines.map { Markdown.withoutSeams(String(decoding: markdown.source[$0], as: UTF8.self)) }
        var index = 0
        while index < markdown.nodes.count {
            let node = markdown.nodes[index]
            index += 1
            guard lines.indices.contains(node.startLine - 1) else { continue }
            let line = node.startLine - 1
            switch node.kind {
            case .heading:
                // Of six sizes there are three.
                let mark = lines[line].prefix { $0 == "#" }.count
                if mark > 3 { lines[line] = "### " + String(lines[line].dropFirst(mark)).drop { $0 == " " } }
            case .item(let isDone?):
                for box in ["[ ]", "[x]", "[X]"] {
                    guard let range = lines[line].firstRange(of: box) else { continue }
                    lines[line].replaceSubrange(range, with: isDone ? "☑" : "☐")
                    break
                }
            case .table where markdown.nodes[node.parent].kind == .document:
                guard let table = markdown.table(index - 1, asWritten: false) else { continue }
                let last = (index..<node.end).map { markdown.nodes[$0].startLine }.max() ?? node.startLine
                lines[line] = "```\n\(table.joined(separator: "\n"))\n```"
                for number in line + 1..<max(line + 1, min(last, lines.count)) { lines[number] = gone }
                index = node.end
            case .image where lines[line].hasPrefix("!["): lines[line].removeFirst()
            default: break
            }
        }
        return lines.filter { $0 != gone }.joined(separator: "\n")
    }

    /// A line that is no more.
    private static let gone = String(Markdown.seam)
}
