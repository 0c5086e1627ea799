// What did somebody write at Slack? Messages come in Slack's markup, in which people, channels and links are ids between angle brackets.
// Pure.

enum SlackWords {
    /// - Parameter own: our member id, whose mention is taken out.
    /// - Returns: the text as people read it, and whether we are mentioned.
    static func plain(_ text: String, own: String) -> (text: String, isMentioned: Bool) {
        var plain = ""
        var isMentioned = false
        var rest = text[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            plain += unescaped(rest[..<start])
            let inside = rest[rest.index(after: start)..<end]
            if inside == "@\(own)" || inside.hasPrefix("@\(own)|") {
                isMentioned = true
            } else {
                plain += unescaped(Substring(reference(inside)))
            }
            rest = rest[rest.index(after: end)...]
        }
        return (String(SlashText.trimmed((plain + unescaped(rest))[...])), isMentioned)
    }

    /// What stands for a person, a channel, a group or a link.
    private static func reference(_ inside: Substring) -> String {
        let parts = inside.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        let (target, label) = (parts.first ?? "", parts.count > 1 && !parts[1].isEmpty ? parts[1] : nil)
        switch target.first {
        case "@": return "@\(label ?? target.dropFirst())"
        case "#": return "#\(label ?? target.dropFirst())"
        case "!":
            if let label { return String(label) }
            return "@\(target.dropFirst().prefix { $0 != "^" })"
        default:
            guard let label else { return String(target) }
            return target == label || target.hasSuffix("://\(label)") || target == "mailto:\(label)"
                ? String(label) : "\(label) (\(target))"
        }
    }

    private static func unescaped(_ text: Substring) -> String {
        text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&").string
    }
}

extension Substring { fileprivate var string: String { String(self) } }
