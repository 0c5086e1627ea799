// How are rows shown? To people with a head and in columns that fit their terminal; to programs in full, one row a line,
// with tabs between the values. It knows nothing of what it shows.

/// Rows of text under named columns.
struct Table {
    private static let gap = 2
    /// Narrower than this no column becomes: a terminal that is too narrow wraps its lines.
    private static let narrowest = 6

    private let head: [String]
    private var rows: [[String]] = []

    init(_ head: String...) { self.head = head }

    /// One row; nil is an empty cell.
    mutating func add(_ cells: String?...) { rows.append(cells.map { Screen.plain($0 ?? "") }) }

    /// Shows the table.
    ///
    /// - Parameter empty: what people read when there is no row.
    func show(empty: String) {
        guard Screen.isTerminal else { return Output.write(forPrograms()) }
        Output.write(rows.isEmpty ? empty + "\n" : forPeople(columns: Screen.size.columns))
    }

    private func forPrograms() -> String { rows.map { $0.joined(separator: "\t") + "\n" }.joined() }

    private func forPeople(columns: Int) -> String {
        let lines = [head] + rows
        let widths = fitting(columns, head.indices.map { index in lines.map { Screen.width($0[index]) }.max() ?? 0 })
        return lines.map { line in
            var text = ""
            for (cell, width) in zip(line, widths) {
                let shown = Screen.cut(cell, to: width)
                text += shown + String(repeating: " ", count: width - Screen.width(shown) + Self.gap)
            }
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }
        .joined()
    }

    /// The widest column gives way first.
    private func fitting(_ columns: Int, _ wanted: [Int]) -> [Int] {
        var widths = wanted
        let room = columns - Self.gap * (widths.count - 1)
        var excess = widths.reduce(0, +) - room
        while excess > 0 {
            guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > Self.narrowest
            else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }
}

/// Lines of `Name  value`, the values below each other.
struct Facts {
    private var facts: [(name: String, value: String)] = []

    /// One line; nothing when there is no value.
    mutating func add(_ name: String, _ value: String?) {
        if let value { facts.append((name, Screen.plain(value))) }
    }

    func show() {
        let width = facts.map { Screen.width($0.name) }.max() ?? 0
        for (name, value) in facts {
            Output.write(name + String(repeating: " ", count: width - Screen.width(name) + 2) + value + "\n")
        }
    }
}
