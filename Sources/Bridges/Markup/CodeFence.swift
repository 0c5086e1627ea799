// Is this line inside of code? Fences, line by line (CommonMark §4.5), for cutting texts, where a parser of whole texts is of no use. Pure.

/// A fence that is open.
struct CodeFence: Equatable {
    /// What stands before it: blanks and marks of quotes.
    var indent: [Unicode.Scalar]
    var mark: Unicode.Scalar
    var count: Int
    /// The first word behind it.
    var language: [Unicode.Scalar]

    /// What opens it again in another message, with its line break, and what closes it in this one.
    var opening: [Unicode.Scalar] { indent + marks + language + ["\n"] }
    var closing: [Unicode.Scalar] { ["\n"] + indent + marks }
    private var marks: [Unicode.Scalar] { Array(repeating: mark, count: count) }

    /// Longer words, or blanks, are not repeated in each message.
    private static let longestLanguage = 24
    private static let longestIndent = 16
    /// Nobody means code by more.
    private static let longestMarks = 64

    /// The fence that a line opens; nil when it opens none.
    ///
    /// - Parameter line: without its line break.
    init?(opening line: ArraySlice<Unicode.Scalar>) {
        var indent: [Unicode.Scalar] = []
        var rest = line
        // A list's item may begin with a fence; what follows is as far in as it is.
        var mayBeItem = true
        while let first = rest.first {
            if first == " " || first == "\t" || first == ">" {
                indent.append(first)
                rest = rest.dropFirst()
            } else if mayBeItem, let marker = Self.itemMarker(rest) {
                indent += Array(repeating: " ", count: marker)
                rest = rest.dropFirst(marker)
                mayBeItem = false
            } else {
                break
            }
            if indent.count > 64 { return nil }
        }
        guard let mark = rest.first, mark == "`" || mark == "~" else { return nil }
        let count = rest.prefix { $0 == mark }.count
        guard count >= 3, count <= Self.longestMarks else { return nil }
        let info = rest.dropFirst(count)
        // A line like "```sh ls```" is code within a line.
        guard mark == "~" || !info.contains("`") else { return nil }
        self.mark = mark
        self.count = count
        self.indent = indent.count > Self.longestIndent ? [] : indent
        let word = info.drop { $0 == " " || $0 == "\t" }.prefix(Self.longestLanguage + 1) {
            $0 != " " && $0 != "\t" && $0 != "\r"
        }
        language = word.count > Self.longestLanguage ? [] : Array(word)
    }

    private static func itemMarker(_ line: ArraySlice<Unicode.Scalar>) -> Int? {
        guard let first = line.first else { return nil }
        let length: Int
        if first == "-" || first == "*" || first == "+" {
            length = 1
        } else {
            let digits = line.prefix(10) { ("0"..."9").contains($0) }.count
            guard (1...9).contains(digits), let mark = line.dropFirst(digits).first, mark == "." || mark == ")" else {
                return nil
            }
            length = digits + 1
        }
        return line.dropFirst(length).first == " " ? length : nil
    }

    /// Whether a line closes it.
    func isClosed(by line: ArraySlice<Unicode.Scalar>) -> Bool {
        let rest = line.drop { $0 == " " || $0 == "\t" || $0 == ">" }
        let count = rest.prefix { $0 == mark }.count
        return count >= self.count && rest.dropFirst(count).allSatisfy { $0 == " " || $0 == "\t" || $0 == "\r" }
    }

    /// Without what there is no room for; nil when not even that helps.
    ///
    /// - Parameter room: scalars for opening and closing together.
    func fitting(_ room: Int) -> CodeFence? {
        var fence = self
        if fence.opening.count + fence.closing.count > room { fence.language = [] }
        return fence.opening.count + fence.closing.count > room ? nil : fence
    }
}

extension ArraySlice {
    fileprivate func prefix(_ count: Int, while matches: (Element) -> Bool) -> ArraySlice {
        prefix(count).prefix(while: matches)
    }
}
