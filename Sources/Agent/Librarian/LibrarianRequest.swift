// What does the user want of the librarian? A few fixed forms of English are recognised; everything else is a question
// to the notes. This file looks at the words only: it does not know which notes exist.

/// One user text, understood.
enum LibrarianRequest: Equatable {
    case nothing
    case greeting
    /// Who are you, what can you do, how do I get a language model?
    case introduction
    case listNotes
    /// Which tools are there?
    case listTools
    /// Run this tool; what follows its name, as it was written.
    case tool(name: String, rest: String)
    /// Keep this text; empty when the user said only `remember`.
    case remember(String)
    /// Read out the note with this name; when there is none, search for the words.
    case read(name: String, words: [String])
    /// Find notes about these words, in the order in which they were said.
    case question([String])

    init(_ text: String) {
        let text = Self.withoutCourtesy(Self.trimmed(text[...]))
        let plain = Self.words(text).joined(separator: " ")
        if let tool = Self.tool(in: text) {
            self = tool
        } else if plain.isEmpty {
            self = .nothing
        } else if Self.greetings.contains(plain) {
            self = .greeting
        } else if Self.introductions.contains(plain) || Self.asksForLanguageModel(plain) {
            self = .introduction
        } else if Self.listings.contains(plain) {
            self = .listNotes
        } else if let fact = Self.rest(of: text, after: Self.rememberings), !Self.isReminiscence(text) {
            self = .remember(Self.trimmed(fact))
        } else if let name = Self.rest(of: text, after: Self.readings) {
            self = .read(name: Self.noteName(name), words: Self.searchWords(name))
        } else {
            self = .question(Self.searchWords(text[...]))
        }
    }

    // MARK: Forms

    private static let courtesies = [
        "please", "hello", "hi", "hey", "ok", "okay", "librarian", "could you", "can you", "would you", "i want you to",
    ]
    private static let greetings: Set = [
        "hello", "hi", "hey", "hi there", "hello there", "hey there", "good morning", "good evening", "good afternoon",
        "good day", "greetings",
    ]
    private static let introductions: Set = [
        "help", "help me", "who are you", "what are you", "what is this", "what can you do", "what do you do",
        "how do you work", "what can i do", "what can i ask", "what can i say", "are you an ai", "are you chatgpt",
        "are you a bot", "are you a robot", "are you human", "are you a language model", "are you an llm",
        "which model are you", "what model are you", "what model is this", "which model is this",
    ]
    private static let listings: Set = [
        "notes", "list notes", "list my notes", "list the notes", "list all notes", "list your notes", "show notes",
        "show my notes", "show all notes", "show me my notes", "show me all notes", "what notes do you have",
        "which notes do you have", "what notes are there", "which notes are there", "what notes do i have",
    ]
    /// Longer forms first: the first that fits is taken off.
    private static let rememberings = [
        "remember that", "remember this:", "remember:", "remember,", "remember", "note that", "note this:", "note:",
        "take a note that", "take a note:", "take note that", "make a note that", "make a note:", "write down that",
        "write down:", "don't forget that", "do not forget that",
    ]
    private static let readings = [
        "read me the note", "read the note", "read note", "read me", "read out", "read", "open the note", "open note",
        "show me the note", "show the note", "show note", "show me", "show",
    ]

    private static let toolWishes = ["/tool", "use the tool", "use tool", "run the tool", "run tool"]

    /// `/tool vault_search_notes {"query": "key"}` or `use tool vault_search_notes with …`; without a name, the list of all.
    private static func tool(in text: String) -> LibrarianRequest? {
        if ["list tools", "list my tools", "show tools", "which tools are there"].contains(
            words(text).joined(separator: " "))
        {
            return .listTools
        }
        guard let wish = rest(of: text, after: toolWishes) else { return nil }
        let wanted = wish.drop(while: \.isWhitespace)
        let name = wanted.prefix { !$0.isWhitespace && $0 != "{" }
        guard !name.isEmpty else { return text.hasPrefix("/") ? .listTools : nil }
        var arguments = trimmed(wanted.dropFirst(name.count))
        if let plain = rest(of: arguments, after: ["with", "for"]) { arguments = trimmed(plain) }
        return .tool(name: String(name), rest: arguments)
    }

    private static func asksForLanguageModel(_ plain: String) -> Bool {
        let padded = " \(plain) "
        return [" language model ", " language models ", " llm ", " llms ", " ai model "].contains(
            where: padded.contains)
            && [" add ", " use ", " configure ", " connect ", " change ", " switch ", " set ", " get ", " enable "]
                .contains(where: padded.contains)
    }

    /// `remember when we …?` asks, `remember that …?` still tells.
    private static func isReminiscence(_ text: String) -> Bool {
        text.hasSuffix("?") && rest(of: text, after: ["remember that", "note that", "remember:", "note:"]) == nil
    }

    // MARK: Words

    /// The words worth searching for. When nothing but common words was said, those.
    static func searchWords(_ text: Substring) -> [String] {
        let all = words(String(text))
        let telling = all.filter { !commonWords.contains($0) }
        return telling.isEmpty ? all : telling
    }

    static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "'" && $0 != "’" }
            .flatMap { $0.split { $0 == "'" || $0 == "’" } }.map(String.init)
    }

    private static let commonWords = Set(
        """
        a about after again all also am an and any are as at be because been before being but by can could d did do does \
        doing don down each else few find for from get give had has have having he her here hers him his how i if in into \
        is it its just know let list ll look m may me might mine more most much must my no nor not note notes of off on \
        once only or other our out over own please re remember s said same say says search shall she should show so some \
        such t tell than that the their theirs them then there these they thing this those through to too under until up \
        us ve very was we were what when where which while who whom whose why will with would you your yours
        """.split(separator: " ").map(String.init))

    // MARK: Pieces of text

    private static func withoutCourtesy(_ text: String) -> String {
        var text = text
        while let rest = rest(of: text, after: courtesies), !words(String(rest)).isEmpty {
            text = trimmed(rest.drop { !$0.isLetter && !$0.isNumber && !"[\"“'".contains($0) })
        }
        return text
    }

    /// What follows the first of `beginnings` that `text` starts with as whole words.
    private static func rest(of text: String, after beginnings: [String]) -> Substring? {
        for beginning in beginnings where text.lowercased().hasPrefix(beginning) {
            let rest = text.dropFirst(beginning.count)
            guard let next = rest.first, beginning.last?.isLetter == true else { return rest }
            if !next.isLetter && !next.isNumber && next != "'" { return rest }
        }
        return nil
    }

    /// `[[House/Router|the router]]`, `"Router"` and `Router.` all mean Router.
    private static func noteName(_ text: Substring) -> String {
        var name = trimmed(text)
        if name.hasPrefix("[["), let end = name.firstRange(of: "]]") {
            name = String(name[..<end.lowerBound].dropFirst(2).prefix { $0 != "|" && $0 != "#" && $0 != "^" })
        }
        while let last = name.last, "?!.".contains(last) { name.removeLast() }
        return trimmed(name.drop { "\"'“”".contains($0) }.reversedDrop { "\"'“”".contains($0) })
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        String(Substring(text).drop(while: \.isWhitespace).reversedDrop(while: \.isWhitespace))
    }
}

extension Substring {
    fileprivate func reversedDrop(while predicate: (Character) -> Bool) -> Substring {
        var rest = self
        while let last = rest.last, predicate(last) { rest.removeLast() }
        return rest
    }
}
