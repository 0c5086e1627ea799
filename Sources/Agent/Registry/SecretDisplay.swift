public import Store

// What may be seen of a secret? That there is one, and of a long one its end, so that people tell two keys apart; a reference
// holds nothing secret and is shown as it is. Whoever writes back what was shown changes nothing.

extension Secret {
    /// Stands where a secret is that is not shown. Written back, it means that what is stored stays.
    public static let marker = "[redacted]"
    /// Stands where no key is stored.
    public static let noKey = "—"
    /// What stands before the shown end of a key.
    static let mask = "****"
    /// A shorter key shows nothing of itself, in characters.
    static let shortestShown = 16

    /// The whole text is `${NAME}`, `{env:NAME}` or `{file:path}`: the secret is kept elsewhere and looked up when it is used.
    public var isReference: Bool {
        guard revealed.last == "}" else { return false }
        for beginning in ["${", "{env:", "{file:"] where revealed.hasPrefix(beginning) {
            let inner = revealed.dropFirst(beginning.count).dropLast()
            guard !inner.isEmpty, inner.utf8.count <= 1_024, !inner.contains(where: { "{}$".contains($0) }) else {
                return false
            }
            return beginning == "{file:" || RegistryRules.isVariableName(inner)
        }
        return false
    }

    /// As a key is shown (rest.md §7).
    public var display: String {
        if isReference { return revealed }
        return revealed.count < Self.shortestShown ? Self.mask : Self.mask + revealed.suffix(4)
    }

    /// As a value of an environment or a header is shown.
    public var redacted: String { isReference ? revealed : Self.marker }

    /// Whether `text` is what is shown of a secret, this one or another: it is never one itself.
    static func isDisplay(_ text: String) -> Bool {
        text == marker || text == noKey || text.hasPrefix(mask)
    }
}
