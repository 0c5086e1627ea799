// How are rows shown? To people with a head and in columns that fit their terminal; to programs in full, one row a line,
// with tabs between the values. It knows nothing of what it shows.

/// Rows of text under named columns.
struct Table {
    private static let gap = 2
    /// Narrower than this no column becomes: a terminal that is too narrow wraps its lines.
    private static let narrowest = 6

    /// So many characters of an id tell it from the others, nearly always.
    private static let shortID = 9

    private let head: [String]
    private let ids: Set<String>
    private let texts: Set<String>
    private var rows: [[String]] = []

    /// - Parameters:
    ///   - ids: the columns of long ids, of which the first digits are enough: they give way before others.
    ///   - texts: the columns of names and labels, which can still be guessed when they are cut: they come next. Half a
    ///     time says nothing.
    init(_ head: String..., ids: Set<String> = [], texts: Set<String>) {
        self.head = head
        self.ids = ids
        self.texts = texts
    }

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

    /// Ids give way first, then texts, then whichever column is the widest.
    private func fitting(_ columns: Int, _ wanted: [Int]) -> [Int] {
        var widths = wanted
        var excess = widths.reduce(0, +) + Self.gap * (widths.count - 1) - columns
        func shrink(_ candidates: [Int], to narrowest: Int) {
            while excess > 0, let widest = candidates.max(by: { widths[$0] < widths[$1] }), widths[widest] > narrowest {
                widths[widest] -= 1
                excess -= 1
            }
        }
        shrink(head.indices.filter { ids.contains(head[$0]) }, to: Self.shortID)
        shrink(head.indices.filter { texts.contains(head[$0]) }, to: Self.narrowest)
        shrink(Array(head.indices), to: Self.narrowest)
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
