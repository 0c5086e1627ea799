import Testing

@testable import Agent

@Suite struct WordStreamTests {
    actor Pieces {
        private(set) var all: [String] = []
        func add(_ piece: String) { all.append(piece) }
    }

    @Test(arguments: [
        "", " ", "one", " one  two\n\nthree ", "\n\nx", String(repeating: "y", count: 5000),
        String(repeating: " ", count: 3000) + "z", "e\u{301} 🦉🦉 ü",
    ])
    func thePiecesMakeUpTheText(_ text: String) async {
        for pace in [0.0, 100_000] {
            let pieces = Pieces()
            let sent = await WordStream(wordsPerSecond: pace).send(text) { await pieces.add($0) }
            #expect(sent == text)
            #expect(await pieces.all.joined() == text)
            #expect(await pieces.all.allSatisfy { !$0.isEmpty && $0.count <= WordStream.maximumPiece })
        }
    }

    @Test func aVeryLongTextComesInFewPieces() async {
        for text in [String(repeating: "word ", count: 200_000), String(repeating: "y", count: 1_000_000)] {
            let pieces = Pieces()
            let sent = await WordStream(wordsPerSecond: 0).send(text) { await pieces.add($0) }
            #expect(sent == text)
            #expect(await pieces.all.count < 400)
        }
    }

    @Test func aPaceIsKept() async {
        let pieces = Pieces()
        let start = ContinuousClock.now
        _ = await WordStream(wordsPerSecond: 20).send("a b c d e") { await pieces.add($0) }
        #expect(ContinuousClock.now - start >= .milliseconds(200))
        #expect(await pieces.all == ["a ", "b ", "c ", "d ", "e"])
    }
}
