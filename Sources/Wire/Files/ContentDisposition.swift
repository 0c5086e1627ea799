internal import Foundation

// What is a file called in a header, and how is such a header read? `Content-Disposition` of answers (RFC 6266, names by
// RFC 8187) and of the parts of a form (RFC 7578). Pure.

package enum ContentDisposition {
    /// The header of an answer.
    ///
    /// - Parameter isShown: whether a browser may show the file in place.
    package static func header(filename: String, isShown: Bool) -> String {
        let kind = isShown ? "inline" : "attachment"
        let plain = String(
            filename.unicodeScalars.map { scalar in
                scalar.isASCII && scalar.value >= 0x20 && scalar.value != 0x7F
                    && !"\"\\%".unicodeScalars.contains(scalar)
                    ? Character(scalar) : "_"
            })
        let encoded = filename.utf8.map { byte in
            plainBytes.contains(byte) ? String(UnicodeScalar(byte)) : "%" + hex(byte)
        }.joined()
        return plain == filename
            ? "\(kind); filename=\"\(plain)\"" : "\(kind); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }

    /// What a header says.
    package struct Part: Equatable {
        /// In lower case, e.g. `form-data`.
        package var kind: String
        package var name: String?
        /// As whoever sent it wrote it.
        package var filename: String?
    }

    /// Nil when it makes no sense.
    package static func read(_ header: String) -> Part? {
        var rest = Substring(header)
        guard let kind = token(&rest)?.lowercased() else { return nil }
        var part = Part(kind: kind)
        var extended: String?
        while true {
            skipSpace(&rest)
            guard rest.first == ";" else { break }
            rest.removeFirst()
            skipSpace(&rest)
            guard let key = token(&rest)?.lowercased() else { break }
            skipSpace(&rest)
            guard rest.first == "=" else { continue }
            rest.removeFirst()
            skipSpace(&rest)
            guard let value = rest.first == "\"" ? quoted(&rest) : token(&rest) else { return nil }
            switch key {
            case "name": part.name = value
            case "filename": part.filename = value
            case "filename*": extended = decoded(value)
            default: break
            }
        }
        part.filename = extended ?? part.filename
        return part
    }

    // MARK: Pieces

    /// The bytes of RFC 8187's `attr-char`.
    private static let plainBytes = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~".utf8)

    private static func hex(_ byte: UInt8) -> String {
        let digits = Array("0123456789ABCDEF")
        return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
    }

    private static func skipSpace(_ rest: inout Substring) { rest = rest.drop { $0 == " " || $0 == "\t" } }

    private static func token(_ rest: inout Substring) -> String? {
        let token = rest.prefix { !";= \t\"".contains($0) }
        rest = rest[token.endIndex...]
        return token.isEmpty ? nil : String(token)
    }

    /// Browsers write `%22` for a quotation mark; others escape it with a backslash, which is also a part of Windows'
    /// paths: only before a quotation mark does it count as an escape.
    private static func quoted(_ rest: inout Substring) -> String? {
        rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return text.replacing("%22", with: "\"")
            case "\\" where rest.first == "\"":
                rest.removeFirst()
                text.append("\"")
            default: text.append(character)
            }
        }
        return nil
    }

    /// `UTF-8''na%C3%AFve.txt`
    private static func decoded(_ text: String) -> String? {
        let parts = text.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
        return String(parts[2]).removingPercentEncoding
    }
}
