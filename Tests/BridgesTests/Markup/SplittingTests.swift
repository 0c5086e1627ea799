import Testing

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct SplittingTests {
    private func units(_ text: String, _ unit: PlatformLimits.Unit) -> Int {
        unit == .scalars ? text.unicodeScalars.count : text.utf16.count
    }

    /// Nothing but blanks is lost, and nothing is in another order.
    private func expectWhole(_ text: String, _ parts: [Splitting.Piece], _ note: String) {
        func solid(_ text: some StringProtocol) -> [Unicode.Scalar] {
            text.unicodeScalars.filter { !$0.properties.isWhitespace }
        }
        #expect(parts.flatMap { solid($0.body) } == solid(text), "\(note)")
        var rest = text.unicodeScalars[...]
        for part in parts {
            let body = Array(part.body.unicodeScalars)
            while !rest.starts(with: body), let first = rest.first, first.properties.isWhitespace { rest.removeFirst() }
            guard rest.starts(with: body) else {
                Issue.record("\(note): \(part.body.debugDescription) is not what follows")
                return
            }
            rest = rest.dropFirst(body.count)
        }
    }

    /// Whether code is open at the end of a message.
    private func isOpen(_ text: String) -> Bool {
        var fence: CodeFence?
        for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
            let line = Array(line)[...]
            if let open = fence {
                if open.isClosed(by: line) { fence = nil }
            } else {
                fence = CodeFence(opening: line)
            }
        }
        return fence != nil
    }

    @Test(arguments: MarkupVectors.all.split)
    func vectors(_ vector: MarkupVectors.Split) {
        let pieces = Splitting.pieces(of: vector.source, limit: vector.limit, unit: .scalars)
        guard vector.source.hasPrefix("```swift") else {
            #expect(pieces == vector.chunks)
            return
        }
        // Stricter than the vector: opened again with its language, and no piece of fences alone.
        #expect(
            pieces == ["```swift\nlet a = 1\n```", "```swift\nlet b = 2\n```", "```swift\nlet c = 3\n```"])
    }

    @Test("Messages are cut at paragraphs, code and lines, and never above the limit")
    func answers() {
        for seed in 0..<60 as Range<UInt64> {
            let text = Generated.answer(seed, blocks: 14)
            for (limit, unit) in [(4096, PlatformLimits.Unit.utf16), (2000, .scalars), (300, .utf16), (60, .scalars)] {
                let parts = Splitting.parts(of: text, limit: limit, unit: unit)
                let note = "seed \(seed), limit \(limit)"
                expectWhole(text, parts, note)
                for part in parts {
                    #expect(units(part.text, unit) <= limit, "\(note)")
                    #expect(!isOpen(part.text), "\(note): \(part.text.debugDescription)")
                }
            }
        }
    }

    @Test func whatNobodyWouldWriteIsWithinTheLimitAndWhole() {
        for seed in 0..<150 as Range<UInt64> {
            let text = Generated.markdown(seed, tokens: 150)
            for (limit, unit) in [(200, PlatformLimits.Unit.utf16), (17, .scalars), (3, .utf16)] {
                let parts = Splitting.parts(of: text, limit: limit, unit: unit)
                expectWhole(text, parts, "seed \(seed), limit \(limit)")
                for part in parts { #expect(units(part.text, unit) <= limit, "seed \(seed), limit \(limit)") }
            }
        }
    }

    @Test func codeKeepsItsLinesAndItsIndentation() {
        let lines = (0..<400).map { String(repeating: " ", count: $0 % 9) + "line(\($0))" }
        let text = "Look:\n\n```python\n" + lines.joined(separator: "\n") + "\n```\n\nThat is all."
        let pieces = Splitting.pieces(of: text, limit: 500, unit: .utf16)
        #expect(pieces.count > 8)
        #expect(pieces.first?.hasPrefix("Look:\n\n```python\nline(0)\n") == true)
        for piece in pieces.dropFirst().dropLast() {
            #expect(piece.hasPrefix("```python\n") && piece.hasSuffix("\n```"))
        }
        #expect(pieces.last?.hasSuffix("\n```\n\nThat is all.") == true || pieces.last == "That is all.")
        let code = pieces.flatMap { $0.split(separator: "\n") }.filter { $0.contains("line(") }.map(String.init)
        #expect(code == lines)
    }

    @Test func aParagraphStaysWholeWhereItCan() {
        let paragraph = String(repeating: "word ", count: 30) + "end."
        let text = Array(repeating: paragraph, count: 5).joined(separator: "\n\n")
        let pieces = Splitting.pieces(of: text, limit: 400, unit: .scalars)
        #expect(pieces == ["\(paragraph)\n\n\(paragraph)", "\(paragraph)\n\n\(paragraph)", paragraph])
    }

    @Test func codeBeginsInAMessageOfItsOwnRatherThanInTwo() {
        let prose = String(repeating: "word ", count: 50) + "end:"
        let code = "```\n" + String(repeating: "call()\n", count: 30) + "```"
        #expect(Splitting.pieces(of: "\(prose)\n\n\(code)", limit: 400, unit: .scalars) == [prose, code])
    }

    @Test func codeInQuotesAndListsIsOpenedAgainAsFarIn() {
        let quoted = "> ```sh\n" + String(repeating: "> echo\n", count: 40) + "> ```\nafter"
        for piece in Splitting.pieces(of: quoted, limit: 100, unit: .scalars).dropLast() {
            #expect(piece.hasPrefix("> ```sh\n> echo") && piece.contains("> echo\n> ```"))
        }
        let listed = "- ```sh\n" + String(repeating: "  echo\n", count: 40) + "  ```"
        let pieces = Splitting.pieces(of: listed, limit: 100, unit: .scalars)
        for piece in pieces.dropFirst() { #expect(piece.hasPrefix("  ```sh\n  echo") && piece.hasSuffix("\n  ```")) }
    }

    @Test func aLetterOfManyPartsStaysWhole() {
        let family = "👩‍👩‍👧"
        for limit in 8...30 {
            let pieces = Splitting.pieces(of: String(repeating: family, count: 40), limit: limit, unit: .utf16)
            #expect(pieces.joined() == String(repeating: family, count: 40))
            for piece in pieces { #expect(piece.allSatisfy { String($0) == family } && piece.utf16.count <= limit) }
        }
        let flags = String(repeating: "🇩🇪🇫🇷", count: 30)
        for piece in Splitting.pieces(of: flags, limit: 10, unit: .utf16) { #expect(flags.contains(piece)) }
        let accents = String(repeating: "e\u{301}", count: 30)
        for piece in Splitting.pieces(of: accents, limit: 7, unit: .scalars) { #expect(piece.hasPrefix("e\u{301}")) }
    }

    @Test func aLetterThatFillsAMessageIsCut() {
        let zalgo = "e" + String(repeating: "\u{301}", count: 100)
        let pieces = Splitting.pieces(of: zalgo, limit: 10, unit: .utf16)
        #expect(pieces.count == 11 && pieces.map(\.unicodeScalars.count).reduce(0, +) == 101)
    }

    @Test func countsAsThePlatformDoes() {
        let text = String(repeating: "😀", count: 10)
        #expect(Splitting.pieces(of: text, limit: 10, unit: .scalars) == [text])
        #expect(Splitting.pieces(of: text, limit: 10, unit: .utf16).count == 2)
        #expect(Splitting.pieces(of: text, limit: 1, unit: .utf16).count == 10)
    }

    @Test(arguments: [
        "x", "`", "```\n", "a\n", "word ", "\u{301}", "😀", "\n", " ", "```swift\nx\n```\n", "> ", "~~~", "- ```a\n",
        "\n\n\nab",
    ])
    func aMillionScalarsTakeLinearTime(_ pattern: String) {
        // All the same long line for some, all borders for others.
        let count = pattern == "x" || pattern == "```\n" ? 1_000_000 : 150_000
        let text = String(repeating: pattern, count: count / pattern.unicodeScalars.count)
        let clock = ContinuousClock()
        let time = clock.measure {
            for piece in Splitting.pieces(of: text, limit: 4096, unit: .utf16) where piece.utf16.count > 4096 {
                Issue.record("a piece of \(piece.utf16.count)")
            }
        }
        #expect(time < .seconds(30))
    }
}
