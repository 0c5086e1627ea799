internal import Wire

// Is a typed line a command or a message? `/word` with an optional argument is a command; anything else, also a path like
// `/etc/hosts`, is a message.

/// A typed line, sorted.
enum TypedLine: Equatable {
    case nothing
    case leave
    case command(name: String, argument: String?)
    case message(String)

    init(_ line: String) {
        guard let first = line.firstIndex(where: { !$0.isWhitespace }) else {
            self = .nothing
            return
        }
        let text = String(line[first...])
        let words = text.split(separator: " ", maxSplits: 1)
        let name = words[0].dropFirst()
        guard text.hasPrefix("/"), !name.isEmpty, name.allSatisfy({ $0.isLetter || $0 == "-" }) else {
            self = .message(text)
            return
        }
        switch name.lowercased() {
        case "quit", "exit": self = .leave
        // The librarian's word for running a tool, which is a turn.
        case "tool": self = .message(text)
        case let name: self = .command(name: name, argument: words.count > 1 ? String(words[1]) : nil)
        }
    }
}

extension ClientMessage.ApprovalReply {
    /// What somebody types who is asked whether a call may run; nil when it is neither yes nor no.
    init?(typed line: String) {
        switch line.lowercased().filter({ !$0.isWhitespace }) {
        case "y", "yes": self = .approve
        case "n", "no": self = .deny
        default: return nil
        }
    }
}
