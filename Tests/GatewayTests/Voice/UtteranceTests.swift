import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// Pieces of audio become the recording that was spoken, however they come, or their speaker hears what is wrong.

@Suite struct UtteranceTests {
    private static let begin = ContinuousClock.now

    private static func piece(
        _ data: String, _ sequence: Int? = nil, end: Bool = false, encoding: String = "webm", rate: Int? = nil,
        id: String? = nil
    ) -> ClientMessage.AudioChunk {
        ClientMessage.AudioChunk(
            sessionID: "s", data: Array(data.utf8), sequence: sequence, encoding: encoding, sampleRate: rate,
            isEnd: end, messageID: id)
    }

    /// What becomes of the pieces: each step until one that is not `.more`.
    private static func speak(
        _ pieces: [ClientMessage.AudioChunk], limits: VoiceLimits = VoiceLimits()
    ) -> (Utterance.Step, Utterance) {
        var utterance = Utterance(pieces[0], limits: limits, now: begin)
        for piece in pieces {
            let step = utterance.receive(piece, now: begin)
            if step != .more { return (step, utterance) }
        }
        return (.more, utterance)
    }

    private static func text(_ step: Utterance.Step) -> String? {
        if case .complete(let recording) = step { String(decoding: recording.bytes, as: UTF8.self) } else { nil }
    }

    @Test("numbered pieces come in any order, from 0 or 1, some of them twice")
    func anyOrder() {
        for first in [0, 1] {
            let words = ["a", "b", "c", "d", "e"]
            for seed in 0..<50 as Range<UInt64> {
                var random = SeededRandom(seed)
                var pieces = words.enumerated().map {
                    Self.piece($1, first + $0, end: $0 == words.count - 1)
                }
                // Whoever counts from 0 sends that piece before the end.
                repeat { pieces.shuffle(using: &random) } while first == 0 && pieces.last?.sequence == 0
                if let twice = pieces.dropLast().randomElement(using: &random) { pieces.insert(twice, at: 0) }
                #expect(Self.text(Self.speak(pieces).0) == "abcde", "seed \(seed) from \(first)")
            }
        }
    }

    @Test("pieces without numbers come in their order; the end may be told by itself")
    func order() {
        #expect(Self.text(Self.speak([Self.piece("a"), Self.piece("b"), Self.piece("c", end: true)]).0) == "abc")
        #expect(Self.text(Self.speak([Self.piece("a"), Self.piece("b"), Self.piece("", end: true)]).0) == "ab")
        #expect(Self.text(Self.speak([Self.piece("a", 0), Self.piece("b", 1), Self.piece("", end: true)]).0) == "ab")
        #expect(Self.text(Self.speak([Self.piece("a", 1), Self.piece("", 2, end: true)]).0) == "a")
    }

    @Test("of a piece that comes twice the first counts")
    func duplicates() {
        let pieces = [Self.piece("a", 1), Self.piece("X", 1), Self.piece("b", 2), Self.piece("c", 3, end: true)]
        #expect(Self.text(Self.speak(pieces).0) == "abc")
    }

    @Test("a piece that is still missing two seconds after the end is told by its number")
    func missing() {
        let pieces = [Self.piece("a", 1), Self.piece("c", 3), Self.piece("f", 6, end: true)]
        var (step, utterance) = Self.speak(pieces)
        #expect(step == .more)
        #expect(utterance.deadline == Self.begin + .seconds(2))
        #expect(utterance.expired() == .missing([2, 4, 5]))
        #expect(Utterance.Problem.missing([2, 4, 5]).text == "Audio is missing: seq 2, 4, 5.")
        _ = utterance.receive(Self.piece("b", 2), now: Self.begin)
        _ = utterance.receive(Self.piece("e", 5), now: Self.begin)
        step = utterance.receive(Self.piece("d", 4), now: Self.begin)
        #expect(Self.text(step) == "abcdef")
    }

    @Test("who falls silent before the end is forgotten after a minute, without a word")
    func silence() {
        let (_, utterance) = Self.speak([Self.piece("a", 1)])
        #expect(utterance.deadline == Self.begin + .seconds(60))
        #expect(utterance.expired() == nil)
    }

    @Test("too much audio is refused once, and what is still under way of it is swallowed until its end")
    func bounds() {
        var limits = VoiceLimits()
        limits.utteranceLength = 10
        limits.utterancePieces = 4
        let (long, refused) = Self.speak([Self.piece("12345678", 1), Self.piece("901", 2)], limits: limits)
        #expect(long == .failed(.tooLong(limit: 10)))
        #expect(refused.length == 0)
        var utterance = refused
        #expect(utterance.receive(Self.piece("more", 3), now: Self.begin) == .more)
        #expect(utterance.receive(Self.piece("", 4, end: true), now: Self.begin) == .over)
        let many = (0..<5).map { Self.piece("x", $0) }
        #expect(Self.speak(many, limits: limits).0 == .failed(.tooManyPieces(limit: 4)))
        #expect(Self.speak([Self.piece("x", 1_000_000_000)]).0 == .failed(.tooManyPieces(limit: 4096)))
        #expect(Self.speak([Self.piece("x", Int.max)]).0 == .failed(.tooManyPieces(limit: 4096)))
        #expect(Self.speak([Self.piece("x", -1)]).0 == .failed(.badNumber))
        #expect(Self.speak([Self.piece("", end: true)]).0 == .failed(.empty))
        #expect(Self.speak([Self.piece("x", end: true, encoding: "pcm16", rate: 0)]).0 == .failed(.badSampleRate))
    }

    @Test("samples get a header, other audio stays as it is, and only a plain word becomes a file's extension")
    func encodings() {
        func recording(_ encoding: String, rate: Int? = nil) -> Recording? {
            let step = Self.speak([Self.piece("1234", end: true, encoding: encoding, rate: rate)]).0
            if case .complete(let recording) = step { return recording } else { return nil }
        }
        let wave = WaveFile(samples: Array("1234".utf8), rate: 16_000)
        #expect(recording("pcm16") == Recording(bytes: wave.bytes, fileExtension: "wav"))
        #expect(recording("pcm16", rate: 8000)?.bytes[24..<28].elementsEqual([0x40, 0x1F, 0, 0]) == true)
        for (encoding, expected) in [
            ("webm", "webm"), ("opus", "opus"), ("m4a", "m4a"), ("../x", "audio"), ("", "audio"), ("a b", "audio"),
            ("WEBM", "webm"), (String(repeating: "x", count: 17), "audio"), ("é", "audio"),
        ] {
            #expect(recording(encoding) == Recording(bytes: Array("1234".utf8), fileExtension: expected))
        }
    }

    @Test("the message's id may come with any piece")
    func messageID() {
        let (_, utterance) = Self.speak([Self.piece("a", id: "m1"), Self.piece("b", end: true)])
        #expect(utterance.messageID == "m1")
    }
}
