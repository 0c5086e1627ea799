internal import Foundation

// How is a piece of a text replaced by somebody who can't see it? Only when what they believe to stand there does, and only where they
// mean it.

enum TextEdit {
    /// - Parameter all: replaces every place; else there has to be exactly one.
    /// - Throws: ``ToolRefusal``
    static func replace(_ old: String, with new: String, in text: String, all: Bool) throws(ToolRefusal) -> String {
        guard !old.isEmpty else { throw ToolRefusal("'old_string' is empty") }
        guard old != new else { throw ToolRefusal("'old_string' and 'new_string' are the same") }
        // By bytes: characters that only look the same are not what was meant.
        var count = 0
        var result = Data()
        let whole = Data(text.utf8)
        let wanted = Data(old.utf8)
        var place = whole.startIndex
        while let found = whole.range(of: wanted, in: place..<whole.endIndex) {
            count += 1
            result += whole[place..<found.lowerBound] + Data(new.utf8)
            place = found.upperBound
        }
        guard count > 0 else { throw ToolRefusal("'old_string' does not stand there: read it again") }
        guard count == 1 || all else {
            throw ToolRefusal("'old_string' stands there \(count) times: give more of the text around it")
        }
        result += whole[place...]
        return String(decoding: result, as: UTF8.self)
    }
}
