// How is a table shown where there are none? As lines of one width, for a font whose letters have one. Pure.

extension Markdown {
    /// The lines of a table.
    ///
    /// - Parameter asWritten: as the source has them, which is never longer than the source.
    /// - Returns: nil when it has a head and nothing else: then it is as it was written, like the vectors have it.
    func table(_ index: Int, asWritten: Bool) -> [String]? {
        var rows: [[String]] = []
        var lines: [Int] = []
        var node = index + 1
        while node < nodes[index].end {
            rows.append(cells(of: node))
            lines.append(nodes[node].startLine)
            node = nodes[node].end
        }
        guard rows.count > 1 else { return nil }
        if asWritten { return (nodes[index].startLine...max(nodes[index].startLine, lines.last ?? 0)).map(line) }
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? Self.width($0[column]) : 0 }.max() ?? 0
        }
        var shown = rows.map { row in
            let cells = widths.enumerated().map { column, width in
                let cell = column < row.count ? row[column] : ""
                return cell + String(repeating: " ", count: max(width - Self.width(cell), 0))
            }
            return Self.trimmed(cells.joined(separator: " | "))
        }
        shown.insert(widths.map { String(repeating: "-", count: $0) }.joined(separator: "-|-"), at: 1)
        return shown
    }

    private func cells(of row: Int) -> [String] {
        var cells: [String] = []
        var node = row + 1
        while node < nodes[row].end {
            cells.append(plain(node + 1..<nodes[node].end))
            node = nodes[node].end
        }
        return cells
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    /// In letters; those of East Asia and pictures take two.
    private static func width(_ text: String) -> Int {
        text.reduce(0) { sum, character in
            let isWide = character.unicodeScalars.contains { scalar in
                switch scalar.value {
                case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
                    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
                    true
                default: false
                }
            }
            return sum + (isWide ? 2 : 1)
        }
    }
}
