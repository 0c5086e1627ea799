// What may a file be called? A name that comes from elsewhere is a wish: of a path only the last part counts, and nothing
// is left of it that could lead somewhere, hide the file, or play tricks on a terminal. Pure.

/// A name that is safe as one component of a path.
public enum FileName {
    /// UTF-8 bytes of a name; file systems take no more.
    public static let longest = 255
    /// What a file is called whose name says nothing.
    public static let fallback = "file"

    /// The last component of `name`, made safe: no control and direction characters, no leading dot, at most
    /// ``longest`` bytes. Never empty.
    public static func safe(_ name: String) -> String {
        let component = name.split(omittingEmptySubsequences: true) { $0 == "/" || $0 == "\\" }.last ?? ""
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: component.unicodeScalars.filter(isPlain))
        let visible = String(scalars).drop { $0 == "." || $0.isWhitespace }
        let end = visible.lastIndex { !$0.isWhitespace && $0 != "." }
        let text = end.map { String(visible[...$0]) } ?? ""
        return text.isEmpty ? fallback : shortened(text)
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        // Joiners make one letter or picture of several.
        case .format where scalar == "\u{200C}" || scalar == "\u{200D}": true
        // Format characters turn text around or hide it; a separator would begin a line.
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: false
        default: scalar != "/" && scalar != "\\"
        }
    }

    /// Cut in the middle, so that the extension stays.
    private static func shortened(_ name: String) -> String {
        guard name.utf8.count > longest else { return name }
        var end = Substring()
        if let dot = name.lastIndex(of: "."), dot > name.startIndex, name[dot...].utf8.count <= 32 {
            end = name[dot...]
        }
        var start = name.dropLast(end.count)
        while start.utf8.count + end.utf8.count > longest { start.removeLast() }
        return start.isEmpty ? String(name.unicodeScalars.prefix(longest / 4)) : String(start + end)
    }
}
