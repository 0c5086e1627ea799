// How fast does an answer appear? Word by word, at a pace that can be set, so that people can read along and stop a
// long one. This file knows text and time; what the words say and who listens is elsewhere.

/// Sends a text in pieces of whole words.
struct WordStream: Sendable {
    /// The most characters in one piece of a text that is not very long: a text without spaces is cut.
    static let maximumPiece = 1024
    /// Pieces of a text without a pace, about: thousands of them would only cost everybody who listens.
    private static let unpacedPieces = 200
    /// Pieces a second at a pace that is faster than this.
    private static let maximumRate = 50.0
    /// Words with their spaces, roughly, in bytes.
    private static let bytesPerWord = 6
    /// Words in a piece when there is no pace.
    private static let unpacedWords = 8

    /// 0 means as fast as the listener takes them.
    var wordsPerSecond: Double
    var clock: any Clock<Duration> = ContinuousClock()

    /// Sends `text`, or its beginning when the task is cancelled meanwhile.
    ///
    /// - Returns: what was sent.
    func send(_ text: String, to emit: (String) async -> Void) async -> String {
        let length = text.utf8.count
        let wordsPerPiece =
            wordsPerSecond > 0
            ? max(1, Int(wordsPerSecond / Self.maximumRate))
            : max(Self.unpacedWords, length / Self.bytesPerWord / Self.unpacedPieces)
        let maximumPiece = max(Self.maximumPiece, 2 * length / Self.unpacedPieces)
        var rest = text[...]
        while !rest.isEmpty {
            if Task.isCancelled { break }
            let piece = Self.piece(of: rest, words: wordsPerPiece, atMost: maximumPiece)
            await emit(String(piece))
            rest = rest[piece.endIndex...]
            guard wordsPerSecond > 0, !rest.isEmpty else { continue }
            do { try await clock.sleep(for: .seconds(Double(wordsPerPiece) / wordsPerSecond)) } catch { break }
        }
        return String(text[..<rest.startIndex])
    }

    /// The first words of `text` with the white space that follows each.
    private static func piece(of text: Substring, words: Int, atMost maximumPiece: Int) -> Substring {
        var end = text.startIndex
        var length = 0
        for _ in 0..<words {
            let word = text[end...].prefix(maximumPiece - length, while: { !$0.isWhitespace })
            let space = text[word.endIndex...].prefix(maximumPiece - length - word.count, while: \.isWhitespace)
            end = space.endIndex
            length += word.count + space.count
            if length >= maximumPiece || end == text.endIndex { break }
        }
        return text[..<end]
    }
}

extension Substring {
    fileprivate func prefix(_ maximum: Int, while predicate: (Character) -> Bool) -> Substring {
        var end = startIndex
        var count = 0
        while count < maximum, end < endIndex, predicate(self[end]) {
            end = index(after: end)
            count += 1
        }
        return self[..<end]
    }
}
