// Is what stands in `{{ … }}` whole? Braces, quotes and brackets are looked at here; what an expression means, and whether its
// names exist, is known when it runs.

/// Looks at templates as texts.
enum TemplateCheck {
    /// - Returns: what is wrong with the first expression that isn't whole; nil: nothing.
    static func problem(of text: String) -> String? {
        // Bytes: all that matters here is ASCII.
        let bytes = Array(text.utf8)
        var place = 0
        while let open = next("{{", in: bytes, from: place) {
            switch end(of: bytes, from: open + 2) {
            case .success(let end):
                if bytes[open + 2..<end].allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) {
                    return "\"{{ }}\" is empty"
                }
                place = end + 2
            case .failure(let problem): return problem.text
            }
        }
        return nil
    }

    /// - Returns: what is wrong with an expression that has no braces around it; nil: nothing.
    static func problem(ofExpression text: Substring) -> String? {
        switch end(of: Array(text.utf8), from: 0) {
        case .success: "has a \"}}\" without \"{{\""
        case .failure(.unclosed): nil
        case .failure(let problem): problem.text
        }
    }

    private enum Problem: Error {
        case unclosed, quote, bracket

        var text: String {
            switch self {
            case .unclosed: "\"{{\" is not closed"
            case .quote: "a quote in \"{{ }}\" is not closed"
            case .bracket: "the brackets in \"{{ }}\" do not match"
            }
        }
    }

    private static func next(_ pair: StaticString, in bytes: [UInt8], from place: Int) -> Int? {
        let brace = pair.utf8Start.pointee
        var place = place
        while place + 1 < bytes.count {
            if bytes[place] == brace, bytes[place + 1] == brace { return place }
            place += 1
        }
        return nil
    }

    /// Where the expression that begins at `place` ends: at `}}` outside of quotes and brackets.
    private static func end(of bytes: [UInt8], from place: Int) -> Result<Int, Problem> {
        let pairs: [UInt8: UInt8] = [
            UInt8(ascii: "("): UInt8(ascii: ")"), UInt8(ascii: "["): UInt8(ascii: "]"),
            UInt8(ascii: "{"): UInt8(ascii: "}"),
        ]
        var place = place
        var open: [UInt8] = []
        while place < bytes.count {
            let byte = bytes[place]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                place += 1
                while place < bytes.count, bytes[place] != byte { place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1 }
                guard place < bytes.count else { return .failure(.quote) }
            case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): open.append(pairs[byte] ?? 0)
            case UInt8(ascii: "}") where open.isEmpty:
                guard place + 1 < bytes.count, bytes[place + 1] == byte else { return .failure(.bracket) }
                return .success(place)
            case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
                guard open.popLast() == byte else { return .failure(.bracket) }
            default: break
            }
            place += 1
        }
        return .failure(open.isEmpty ? .unclosed : .bracket)
    }
}
