// How is a command that is one text read? As a shell divides it into words, with quotes and backslashes and nothing else of a
// shell: no variables, no globs, no operators, and no shell that could run them.

enum ShellWords {
    /// - Returns: nil when a quote is not closed or the text ends in a backslash.
    static func split(_ text: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = text[...]
        while let character = rest.popFirst() {
            switch (character, quote) {
            case (let end, let open?) where end == open: quote = nil
            case ("\\", "\""?):
                guard let next = rest.popFirst() else { return nil }
                if next != "\"", next != "\\" { word?.append("\\") }
                word?.append(next)
            case (_, _?): word?.append(character)
            case ("'", nil), ("\"", nil):
                quote = character
                word = word ?? ""
            case ("\\", nil):
                guard let next = rest.popFirst() else { return nil }
                word = (word ?? "") + String(next)
            case (_, nil) where character.isWhitespace:
                if let done = word { words.append(done) }
                word = nil
            case (_, nil): word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else { return nil }
        return words + (word.map { [$0] } ?? [])
    }
}
