// Which lines of a file hold a text? Found by the bytes of the text itself: a pattern that somebody else chooses could take for ever,
// a text can't.

/// A text that is looked for.
struct TextSearch: Sendable {
    struct Match: Sendable, Equatable {
        var path: VaultPath
        /// From 1.
        var line: Int
        /// With the lines around it.
        var text: String
    }

    static let longest = 1_024
    private static let longestLine = 500

    private let wanted: [UInt8]
    private let ignoresCase: Bool
    private let context: Int

    /// - Parameters:
    ///   - ignoresCase: of the letters of ASCII.
    ///   - context: lines before and behind.
    init(_ text: String, ignoresCase: Bool, context: Int) {
        wanted = ignoresCase ? text.utf8.map(Self.lower) : Array(text.utf8)
        self.ignoresCase = ignoresCase
        self.context = context
    }

    /// - Returns: none for what is no text.
    func matches(in bytes: [UInt8], of path: VaultPath, most: Int) -> [Match] {
        guard !bytes.prefix(8_192).contains(0), !wanted.isEmpty else { return [] }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        var found: [Match] = []
        for (number, line) in lines.enumerated() where found.count < most && holds(line) {
            let around = max(0, number - context)...min(lines.count - 1, number + context)
            let text = around.map { String(decoding: lines[$0].prefix(Self.longestLine), as: UTF8.self) }
            found.append(Match(path: path, line: number + 1, text: text.joined(separator: "\n")))
        }
        return found
    }

    private func holds(_ line: ArraySlice<UInt8>) -> Bool {
        guard line.count >= wanted.count else { return false }
        // The first byte rules out most places.
        let first = wanted[0]
        for place in line.startIndex...(line.endIndex - wanted.count) {
            let byte = ignoresCase ? Self.lower(line[place]) : line[place]
            guard byte == first else { continue }
            var length = 1
            while length < wanted.count {
                let byte = ignoresCase ? Self.lower(line[place + length]) : line[place + length]
                guard byte == wanted[length] else { break }
                length += 1
            }
            if length == wanted.count { return true }
        }
        return false
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }
}
