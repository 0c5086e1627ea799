// How does the librarian put things? Every sentence that it can say stands here, made from facts that were found
// elsewhere. It says what it is, quotes with the source, and promises nothing that this version cannot do.

enum LibrarianAnswers {
    static let nothingSaid = "You sent no words. Ask me something, or say “remember that …”."

    /// What came with a message; nil when nothing did.
    static func received(_ filenames: [String]) -> String? {
        guard let last = filenames.last else { return nil }
        let names =
            filenames.count == 1
            ? "“\(last)”" : filenames.dropLast().map { "“\($0)”" }.joined(separator: ", ") + " and “\(last)”"
        let subject = filenames.count == 1 ? "It is" : "They are"
        return "I got \(names). \(subject) kept here, but I look into notes only."
    }

    static let introduction = """
        I am the built-in librarian, not a language model: I look up your notes and quote them, and I understand only a \
        few fixed phrases.

        - Ask about anything in your notes, e.g. “where is the spare key?”
        - “remember that …” adds a line to your notes.
        - “read Welcome” reads out the note with that name.
        - “list notes” shows what there is.
        - “/tool” lists the tools, and “/tool NAME {"argument": "value"}” runs one.

        Your notes are the Markdown files in the agent's memories folder; edit them with any editor. I need no key and \
        no network. A language model answers instead of me once an admin has added one: “openagent providers add”, then \
        “openagent models add”.
        """

    static func greeting(_ handle: String) -> String {
        let name = handle.isEmpty ? "" : ", \(handle)"
        return """
            Hello\(name). I am the built-in librarian, not a language model. Ask me about your notes, or say \
            “remember that …” to add to them. “help” tells more.
            """
    }

    static let nothingToRemember =
        "What shall I remember? Say it in one message: “remember that the spare key is in the shed”."

    static let nothingToRead = "Which note? Say “read Welcome”, or “list notes” to see what there is."

    static func notes(_ notes: [NoteName], limit: Int) -> String {
        guard !notes.isEmpty else { return "There are no notes yet. Say “remember that …” and there will be one." }
        let lines = notes.prefix(limit).map { $0.isTitledByName ? "- \($0.link)" : "- \($0.link): \($0.title)" }
        let rest = notes.count - lines.count
        return
            (["You have \(notes.count) \(notes.count == 1 ? "note" : "notes"):", ""] + lines
            + (rest > 0 ? ["", "… and \(rest) more. Ask about one of them by a word in it."] : []))
            .joined(separator: "\n")
    }

    static func notFound(_ words: [String]) -> String {
        """
        I found nothing about “\(words.joined(separator: " "))” in your notes. Try other words, or tell me and I will \
        keep it: “remember that …”.
        """
    }

    static func quotes(_ passages: [Passage], seeAlso: [NoteName], isComplete: Bool) -> String {
        var parts: [String] = []
        if !isComplete { parts.append("No note has all of these words. The closest:") }
        var path: String?
        for passage in passages {
            if passage.path != path { parts.append("From \(NoteName(path: passage.path).link):") }
            path = passage.path
            let lines = passage.text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            parts.append(lines.map { $0.isEmpty ? ">" : "> \($0)" }.joined(separator: "\n"))
        }
        if !seeAlso.isEmpty { parts.append("See also \(seeAlso.map(\.link).joined(separator: ", ")).") }
        return parts.joined(separator: "\n\n")
    }

    static func note(_ name: NoteName, body: String) -> String {
        body.contains { !$0.isWhitespace } ? body : "\(name.link) is empty."
    }

    static func noted(_ call: AppendNote) -> String {
        "Noted in \(NoteName(path: call.path).link):\n\n> \(call.line.replacing("\n", with: "\n> "))"
    }

    static func notNoted(_ reason: String) -> String {
        "I could not write that down: \(reason)."
    }

    static func outcomeUnknown(_ call: AppendNote?) -> String {
        guard let call else {
            return """
                I was stopped while I wrote a note for you, and its outcome is unknown. Please look through your notes, \
                and say it again if it is missing. I do not repeat it by myself.
                """
        }
        let name = NoteName(path: call.path)
        return """
            I was stopped while I wrote this to \(name.link), and the outcome is unknown:

            > \(call.line.replacing("\n", with: "\n> "))

            Say “read \(name.target)” to see whether it is there, and send it again if it is not. I do not repeat it by \
            myself.
            """
    }
}

/// A note as people see it named.
struct NoteName: Equatable {
    var path: String
    var title: String

    init(path: String, title: String? = nil) {
        self.path = path
        self.title = title ?? ""
    }

    /// The path without `.md`.
    var target: String { path.lowercased().hasSuffix(".md") ? String(path.dropLast(3)) : path }
    /// A wikilink.
    var link: String { "[[\(target)]]" }
    /// The title tells nothing that the name does not.
    var isTitledByName: Bool { title.isEmpty || title == target.split(separator: "/").last.map(String.init) }
}

extension LibrarianAnswers {
    /// Characters of one message, and messages, that a summary holds.
    private static let summaryLine = 160
    private static let summaryLines = 40

    static func summary(of history: [ChatMessage]) -> String {
        let said = history.filter { $0.role == .user }.map { $0.text.split(whereSeparator: \.isNewline).first ?? "" }
        let lines = said.suffix(summaryLines).map { "- " + $0.prefix(summaryLine) }
        return "Earlier in this conversation the user said:\n" + lines.joined(separator: "\n")
    }
}
