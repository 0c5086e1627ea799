/// An id of hexadecimal digits, or as many of its first ones as tell it from the others.
struct IDPrefix {
    private let digits: String
    private let thing: String
    private let list: String

    /// - Parameters:
    ///   - thing: what has such an id, for messages.
    ///   - list: the command that shows them.
    /// - Throws: ``CommandError`` when the text has other characters.
    init(_ text: String, of thing: String, list: String) throws {
        digits = text.lowercased()
        self.thing = thing
        self.list = list
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw CommandError(.usage, "'\(Screen.plain(text))' is not the id of one \(thing)", hint: "see: \(list)")
        }
    }

    /// For what cannot be taken back: a slip of the finger shall not name another thing.
    ///
    /// - Throws: ``CommandError`` when there are fewer than four digits.
    func forGood() throws -> IDPrefix {
        guard digits.count >= 4 else {
            throw CommandError(
                .usage, "'\(digits)' is too short to say which \(thing)", hint: "give at least 4 digits of: \(list)")
        }
        return self
    }

    /// The one thing whose id begins so.
    ///
    /// - Throws: ``CommandError`` when there is none or more than one.
    func only<Thing>(among things: [Thing], id: (Thing) -> String) throws -> Thing {
        let matching = things.filter { id($0).hasPrefix(digits) }
        guard let first = matching.first else {
            throw CommandError(.usage, "no \(thing) has an id that begins with \(digits)", hint: "see: \(list)")
        }
        guard matching.count == 1 else {
            throw CommandError(
                .usage, "\(matching.count) \(thing)s have an id that begins with \(digits)", hint: "give more digits")
        }
        return first
    }
}
