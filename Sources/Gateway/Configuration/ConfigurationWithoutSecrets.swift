internal import Wire

// How does a configuration look that is given to somebody who may not know its secrets, as a file? With the marker in their places, and
// otherwise as it was written; in comments, what looks like a setting counts as one.

extension ConfigurationSecrets {
    /// A document's text without its secrets.
    ///
    /// - Throws: ``ConfigurationError`` when it can't be read, so that nobody knows what is secret in it.
    static func removed(from text: String, file: String) throws(ConfigurationError) -> String {
        let document = try ConfigurationDocument(text, file: file)
        let fields = redacted(document.fields)
        let changed = try document.changed(to: fields, file: file)
        let lines = changed.split(separator: "\n", omittingEmptySubsequences: false)
        let result = lines.map { withoutSecretComment($0) }.joined(separator: "\n")
        // A `#` may also stand in a value: then there are no comments at all.
        if let read = try? ConfigurationDocument(result, file: file), read.fields == fields { return result }
        return ConfigurationDocument.text(of: fields)
    }

    /// `# token: abc` and `name: x # token: abc` without `abc`.
    private static func withoutSecretComment(_ line: Substring) -> String {
        guard let start = line.firstIndex(of: "#") else { return String(line) }
        let comment = LogSecrets.hidden(String(line[start...]))
        for match in comment.matches(of: /([A-Za-z0-9_.-]+)["']?\s*[:=]\s*(\S)/) where isSecret(String(match.1)) {
            let rest = comment[match.2.startIndex...]
            guard !isReference(rest.trimmingSuffix(while: \.isWhitespace)) else { continue }
            return line[..<start] + comment[..<match.2.startIndex] + marker
        }
        return line[..<start] + comment
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while isOut: (Character) -> Bool) -> String {
        var text = self
        while let last = text.last, isOut(last) { text.removeLast() }
        return String(text)
    }
}
