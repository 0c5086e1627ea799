internal import Transport

// How is the secret of an invitation written? 96 random bits as 20 base32 characters (network.md §5.2).

/// The forms of an invite code.
public enum InviteCode {
    /// Random bytes in a code.
    static let length = 12

    /// A new code in its normalised form.
    ///
    /// - Parameter random: gives so many random bytes.
    static func random(_ random: (_ count: Int) -> [UInt8] = { randomBytes($0) }) -> String {
        Base32.encode(random(length))
    }

    /// The form that is stored and compared: trimmed, lower case, without hyphens and spaces.
    public static func normalised(_ text: String) -> String {
        String(text.lowercased().filter { !$0.isWhitespace && $0 != "-" })
    }

    /// The form for people: a hyphen after every fourth character.
    public static func display(_ code: String) -> String {
        var groups: [Substring] = []
        var rest = code[...]
        while !rest.isEmpty {
            groups.append(rest.prefix(4))
            rest = rest.dropFirst(4)
        }
        return groups.joined(separator: "-")
    }
}
