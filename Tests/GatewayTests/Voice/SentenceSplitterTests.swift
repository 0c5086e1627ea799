import Testing

@testable import Gateway

// An answer is cut where people draw breath, and only what can be said is spoken.

@Suite struct SentenceSplitterTests {
    private func pieces(_ text: String, by length: Int = 1) -> [String] {
        var splitter = SentenceSplitter()
        var pieces: [String] = []
        var rest = Substring(text)
        while !rest.isEmpty {
            pieces += splitter.push(String(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pieces + splitter.finish()
    }

    @Test(
        "texts are cut into sentences and what cannot be said is left out",
        arguments: [
            ("", []),
            ("Yes.", ["Yes."]),
            (
                "The backup runs at night. It takes an hour! Is that all right?",
                ["The backup runs at night.", "It takes an hour! Is that all right?"]
            ),
            (
                "It costs 3.14 euros today. Tomorrow it may be more.",
                ["It costs 3.14 euros today.", "Tomorrow it may be more."]
            ),
            (
                "We met Dr. Smith at the station, e. g. on Monday.",
                ["We met Dr. Smith at the station, e. g. on Monday."]
            ),
            ("She said “it is all done.” Then she went home.", ["She said “it is all done.”", "Then she went home."]),
            ("# Result\n\nAll is **well** with `it`.", ["Result", "All is well with it."]),
            ("See this:\n```swift\nlet a = 1. \nprint(a)\n```\nThat was it.", ["See this:", "That was it."]),
            ("```\nnever ends", []),
            ("Look [IMAGE:/files/a. b.png] here and listen.", ["Look here and listen."]),
            (
                "Read [the manual](https://example.com/a?b=1) or https://docs.example.com/x/y.html soon.",
                ["Read the manual or docs.example.com soon."]
            ),
            ("It stands in [[Notes/Today|today's note]] and [[Welcome]].", ["It stands in today's note and Welcome."]),
            (
                "There are:\n- the first point of all\n- the second point of all\n",
                ["There are: the first point of all", "the second point of all"]
            ),
            ("A line that goes\non in the next one.", ["A line that goes on in the next one."]),
            ("---\n\n***\n", []),
            ("今日はとても良い天気です。明日は雨が降るかもしれません。", ["今日はとても良い天気です。", "明日は雨が降るかもしれません。"]),
        ] as [(String, [String])])
    func table(_ text: String, _ expected: [String]) {
        for length in [1, 2, 7, 10_000] { #expect(pieces(text, by: length) == expected, "by \(length)") }
    }

    @Test("text without punctuation is cut at a space, text without spaces anywhere; nothing is lost")
    func endless() {
        let words = (0..<500).map { "word\($0)" }.joined(separator: " ")
        let cut = pieces(words, by: 13)
        #expect(cut.joined(separator: " ") == words)
        #expect(cut.allSatisfy { $0.count <= SentenceSplitter.longest } && cut.count < 30)
        let solid = String(repeating: "x", count: 10_000)
        #expect(pieces(solid, by: 999).joined() == solid)
        #expect(pieces(solid, by: 999).allSatisfy { $0.count <= SentenceSplitter.longest })
    }

    @Test("an unclosed bracket holds a bounded piece")
    func openBracket() {
        let text = "[" + String(repeating: "some words. ", count: 1_000)
        #expect(pieces(text, by: 50).allSatisfy { $0.count <= 2 * SentenceSplitter.longest + 1 })
    }

    @Test("how the text arrives does not change what is said")
    func anyStreaming() {
        let alphabet = Array("ab .!?\n`~[](){}#*-:/|é。")
        for seed in 0..<50 as Range<UInt64> {
            var random = SeededRandom(seed)
            let text = String((0..<400).map { _ in alphabet.randomElement(using: &random) ?? " " })
            #expect(pieces(text, by: 1) == pieces(text, by: 10_000), "seed \(seed)")
        }
    }
}
