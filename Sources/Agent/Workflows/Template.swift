internal import Foundation
internal import JSON

// What is in a text with `{{ … }}`? Pieces of plain text and expressions, read once and filled in as often as the block runs.

/// A text with expressions in it.
struct Template: Sendable, Equatable {
    enum Piece: Sendable, Equatable {
        case text(String)
        case expression(TemplateExpression)
    }

    let pieces: [Piece]

    /// - Throws: what is wrong with the first expression that cannot be read.
    init(_ text: String) throws(TemplateError) {
        guard text.contains("{{") else {
            pieces = [.text(text)]
            return
        }
        let bytes = Array(text.utf8)
        var pieces: [Piece] = []
        var start = 0
        var place = 0
        while place + 1 < bytes.count {
            guard bytes[place] == 0x7B, bytes[place + 1] == 0x7B else {
                place += 1
                continue
            }
            if place > start { pieces.append(.text(String(decoding: bytes[start..<place], as: UTF8.self))) }
            let words = try TemplateLexer(bytes, from: place + 2, isBraced: true)
            pieces.append(.expression(try TemplateExpression(words.tokens)))
            place = words.place + 2
            start = place
        }
        if start < bytes.count { pieces.append(.text(String(decoding: bytes[start...], as: UTF8.self))) }
        self.pieces = pieces
    }

    /// The expression that the text is, with nothing around it but white space; its value keeps its kind.
    var only: TemplateExpression? {
        var found: TemplateExpression?
        for piece in pieces {
            switch piece {
            case .expression(let expression):
                guard found == nil else { return nil }
                found = expression
            case .text(let text):
                guard text.utf8.allSatisfy({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) else { return nil }
            }
        }
        return found
    }
}

/// Values as texts.
enum TemplateText {
    /// As it stands among other text: texts as they are, all else as JSON.
    static func shown(_ value: JSONValue) -> String {
        if case .string(let text) = value { text } else { json(value) }
    }

    static func json(_ value: JSONValue, isIndented: Bool = false) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isIndented { encoder.outputFormatting.insert(.prettyPrinted) }
        guard let data = try? encoder.encode(value) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }
}
