internal import Foundation
internal import JSON

// Of which words is an expression made? Names, numbers, quoted texts and signs; brackets are paired here, and so it is known where
// the expression ends. What the words mean together is the parser's question.

/// What is wrong with a template or came of running it, in words that go behind a field's name.
struct TemplateError: Error, Equatable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// One word of an expression.
enum TemplateToken: Equatable {
    case name(String)
    case value(JSONValue)
    /// One of ``TemplateLexer/signs``.
    case sign(String)
}

/// Divides an expression into words.
struct TemplateLexer {
    /// UTF-8 bytes of an expression.
    static let longest = 16 << 10

    /// Longer ones first.
    private static let signs: [[UInt8]] = [
        "==", "!=", "<=", ">=", "//", "<", ">", "+", "-", "*", "/", "%", "~", "|", ".", ",", ":", "=", "(", ")", "[",
        "]",
        "{", "}",
    ].map { Array($0.utf8) }

    private let bytes: [UInt8]
    private(set) var place: Int
    private var open: [UInt8] = []
    private(set) var tokens: [TemplateToken] = []

    /// Reads words from `place` to the end of the expression.
    ///
    /// - Parameter isBraced: the expression ends before `}}`; else with the text.
    init(_ bytes: [UInt8], from place: Int, isBraced: Bool) throws(TemplateError) {
        self.bytes = bytes
        self.place = place
        while self.place < bytes.count {
            guard self.place - place <= Self.longest else {
                throw TemplateError("an expression is longer than \(Self.longest) bytes")
            }
            if isBraced, open.isEmpty, starts(with: [0x7D, 0x7D]) { return }
            try read()
        }
        guard open.isEmpty else { throw Self.unpaired }
        guard !isBraced else { throw TemplateError("\"{{\" is not closed") }
    }

    private static let unpaired = TemplateError("the brackets in \"{{ }}\" do not match")

    private func starts(with sign: [UInt8]) -> Bool { bytes[place...].starts(with: sign) }

    private mutating func read() throws(TemplateError) {
        let byte = bytes[place]
        switch byte {
        case 0x20, 0x09, 0x0A, 0x0D: place += 1
        case UInt8(ascii: "\""), UInt8(ascii: "'"): try readText(byte)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try readNumber()
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
            let start = place
            while place < bytes.count, Self.isWord(bytes[place]) { place += 1 }
            tokens.append(.name(String(decoding: bytes[start..<place], as: UTF8.self)))
        default: try readSign()
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private mutating func readSign() throws(TemplateError) {
        guard let sign = Self.signs.first(where: starts) else {
            let shown = String(decoding: bytes[place...].prefix(4), as: UTF8.self).prefix(1)
            throw TemplateError("\"\(shown)\" means nothing in \"{{ }}\"")
        }
        switch sign {
        case [UInt8(ascii: "(")]: open.append(UInt8(ascii: ")"))
        case [UInt8(ascii: "[")]: open.append(UInt8(ascii: "]"))
        case [UInt8(ascii: "{")]: open.append(UInt8(ascii: "}"))
        case [UInt8(ascii: ")")], [UInt8(ascii: "]")], [UInt8(ascii: "}")]:
            guard open.popLast() == sign[0] else { throw Self.unpaired }
        default: break
        }
        tokens.append(.sign(String(decoding: sign, as: UTF8.self)))
        place += sign.count
    }

    private mutating func readText(_ quote: UInt8) throws(TemplateError) {
        var text: [UInt8] = []
        place += 1
        while place < bytes.count, bytes[place] != quote {
            if bytes[place] == UInt8(ascii: "\\") {
                place += 1
                guard place < bytes.count else { break }
                switch bytes[place] {
                case UInt8(ascii: "n"): text.append(0x0A)
                case UInt8(ascii: "t"): text.append(0x09)
                case UInt8(ascii: "r"): text.append(0x0D)
                case let other: text.append(other)
                }
            } else {
                text.append(bytes[place])
            }
            place += 1
        }
        guard place < bytes.count else { throw TemplateError("a quote in \"{{ }}\" is not closed") }
        place += 1
        tokens.append(.value(.string(String(decoding: text, as: UTF8.self))))
    }

    private mutating func readNumber() throws(TemplateError) {
        let start = place
        func skipDigits(_ place: inout Int) {
            while place < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place]) { place += 1 }
        }
        skipDigits(&place)
        var isWhole = true
        // `list.0.name` has two places in it, and no number with a fraction.
        if tokens.last != .sign("."), place + 1 < bytes.count, bytes[place] == UInt8(ascii: "."),
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place + 1])
        {
            isWhole = false
            place += 1
            skipDigits(&place)
        }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        guard place >= bytes.count || !Self.isWord(bytes[place]) else {
            throw TemplateError("\"\(text.prefix(20))…\" is neither a number nor a name")
        }
        if isWhole, let number = Int64(text) {
            tokens.append(.value(.integer(number)))
        } else if !isWhole, let number = Double(text), number.isFinite {
            tokens.append(.value(.number(number)))
        } else {
            throw TemplateError("the number \(text.prefix(20))… is too large")
        }
    }
}
