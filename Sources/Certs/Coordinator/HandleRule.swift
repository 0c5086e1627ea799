internal import Foundation

// Which names may users have? Handles are hashed into passwords' verifiers, compared, printed in terminals and typed as
// `handle@network`, so there is exactly one way to write each.

package enum HandleRule {
    /// Longest handle in UTF-8 bytes.
    static let maximumLength = 64

    /// The form in which handles are compared and hashed: trimmed and lower case.
    static func normalised(_ handle: String) -> String {
        handle.trimmingCharacters(in: .whitespacesAndNewlines).lowercased()
    }

    /// The form to which a client brings what a person typed; two keyboards may write "ë" differently.
    package static func typed(_ handle: String) -> String {
        normalised(handle).precomposedStringWithCanonicalMapping
    }

    /// Words that name a caller who is no user, in the audit table and to handlers.
    private static let reserved: Set<String> = [Principal.operator.auditName, Principal.system.auditName]

    /// Why nobody may register this (normalised) handle; nil when it is fine.
    static func problem(with handle: String) -> String? {
        if handle.isEmpty { return "the handle is empty" }
        if handle.utf8.count > maximumLength { return "the handle is longer than \(maximumLength) bytes" }
        if handle.hasPrefix("__") { return "handles that begin with '__' are reserved" }
        if reserved.contains(handle) { return "the handle '\(handle)' is reserved" }
        if !handle.utf8.elementsEqual(handle.precomposedStringWithCanonicalMapping.utf8) {
            return "the handle is not in Unicode's composed form (NFC)"
        }
        let allowed = CharacterSet.alphanumerics.union(CharacterSet(charactersIn: "._-+"))
        if !handle.unicodeScalars.allSatisfy(allowed.contains) {
            return "a handle consists of letters, digits, '.', '_', '-' and '+'"
        }
        return nil
    }
}
