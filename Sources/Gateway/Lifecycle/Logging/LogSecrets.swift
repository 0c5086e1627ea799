// What in a text must not be in a log, whatever field it stands in? Tickets, keys of providers and proofs of identity, told by how
// they begin. Fields that are named like secrets are not shown at all; this is for the others.

enum LogSecrets {
    private static let redaction = "[redacted]"
    /// How words begin that are secrets, and how long they are at least.
    private static let words: [(beginning: String, length: Int)] = [
        ("oa1", 24), ("sk-", 20), ("xoxb-", 20), ("ghp_", 20), ("whsec_", 20), ("AIza", 30),
    ]

    /// `text` without secrets.
    static func hidden(_ text: String) -> String {
        guard words.contains(where: { text.contains($0.beginning) }) || text.contains("earer ") else { return text }
        var result = ""
        var rest = text[...]
        var isProof = false
        while let first = rest.first {
            guard isOfWord(first) else {
                result.append(first)
                rest.removeFirst()
                continue
            }
            let word = rest.prefix(while: isOfWord)
            rest = rest[word.endIndex...]
            let isSecret =
                isProof
                || word.split(separator: "/").contains { part in
                    words.contains { part.hasPrefix($0.beginning) && part.utf8.count >= $0.length }
                }
            result += isSecret ? redaction : String(word)
            isProof = word.lowercased() == "bearer"
        }
        return result
    }

    private static func isOfWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "-" || character == "_"
            || character == "." || character == "+" || character == "/"
    }
}
