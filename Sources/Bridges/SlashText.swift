// When is a text a command? On platforms without a menu of commands of their own people write them by hand. Which commands there are is
// not known here.

/// Text that may begin with a slash.
enum SlashText {
    /// Longer names are no commands.
    private static let longestName = 32

    /// A message as what it is meant to be. `/` alone, paths such as `/usr/bin`, edits and messages with files stay messages.
    static func content(of message: InboundMessage) -> InboundUpdate.Content {
        guard message.files.isEmpty, !message.isEdit, let (name, argument) = command(in: message.text) else {
            return .message(message)
        }
        return .command(name: name, argument: argument)
    }

    /// - Returns: the name in lower case and what stands behind it; nil when the text is no command.
    static func command(in text: String) -> (name: String, argument: String)? {
        let scalars = trimmed(text[...]).unicodeScalars
        guard scalars.first == "/" else { return nil }
        let name = scalars.dropFirst().prefix { !$0.properties.isWhitespace }
        guard (1...longestName).contains(name.count), name.allSatisfy(isOfName) else { return nil }
        return (String(name).lowercased(), String(trimmed(Substring(scalars[name.endIndex...]))))
    }

    /// Without white space at its ends.
    static func trimmed(_ text: Substring) -> Substring {
        var scalars = text.unicodeScalars
        while scalars.first?.properties.isWhitespace == true { scalars.removeFirst() }
        while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
        return Substring(scalars)
    }

    private static func isOfName(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil) || scalar == "_"
            || scalar == "-"
    }
}
