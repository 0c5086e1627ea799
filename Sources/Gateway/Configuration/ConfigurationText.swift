public import JSON
public import Wire

// How does a person read and write a configuration outside of its file? As YAML without comments, with the meaning that the
// file has. For commands, which know JSON alone.

public enum ConfigurationText {
    /// A value as YAML; a single one as it is, without quotes.
    public static func yaml(_ value: JSONValue) -> String {
        switch value {
        case .object(let fields) where !fields.isEmpty: ConfigurationDocument.text(of: fields)
        case .array(let list) where !list.isEmpty:
            // A list has lines of its own below a key only.
            YAMLWriter.lines("x", value, indent: 0).dropFirst().map { $0.dropFirst(2) + "\n" }.joined()
        case .string(let text): text + "\n"
        default: YAMLWriter.scalar(value) + "\n"
        }
    }

    /// What a text of YAML says.
    ///
    /// - Parameter file: named in errors.
    /// - Throws: ``ConfigurationError``
    public static func fields(_ text: String, file: String) throws(ConfigurationError) -> [String: JSONValue] {
        try ConfigurationDocument(text, file: file).fields
    }
}
