internal import Subprocess
internal import Synchronization

// What can be done with a program while it runs? Write to it, read from it. Its life is the business of Command.

/// The two ends of a running program.
struct RunningCommand: Sendable {
    private let writer: StandardInputWriter
    private let output: Reader

    init(writer: StandardInputWriter, output: SubprocessOutputSequence) {
        self.writer = writer
        self.output = Reader(output)
    }

    /// Writes everything and closes the program's input. A program that doesn't want it all is free to go.
    func feed(_ bytes: [UInt8]) async {
        _ = try? await writer.write(bytes)
        try? await writer.finish()
    }

    /// Writes a part of its input, which stays open. One caller at a time.
    func write(_ bytes: [UInt8]) async throws { _ = try await writer.write(bytes) }

    /// Closes the program's input.
    func close() async { try? await writer.finish() }

    /// The next piece of standard output; nil at its end. One caller at a time.
    func read() async throws -> [UInt8]? { try await output.next() }

    private actor Reader {
        private var iterator: SubprocessOutputSequence.Iterator

        init(_ sequence: SubprocessOutputSequence) { iterator = sequence.makeAsyncIterator() }

        func next() async throws -> [UInt8]? {
            var iterator = iterator
            let piece = try await iterator.next(isolation: self)
            self.iterator = iterator
            return piece.map { $0.withUnsafeBytes(Array.init) }
        }
    }
}

/// The last bytes that a program wrote to standard error.
final class ErrorTail: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func append(_ piece: [UInt8]) {
        bytes.withLock { bytes in
            bytes += piece.suffix(limit)
            if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
        }
    }

    /// Without what a terminal would obey.
    var text: String {
        let text = bytes.withLock { String(decoding: $0, as: UTF8.self) }
        return String(text.map { $0.isNewline || $0 == "\t" || !$0.isControl ? $0 : "?" })
            .trimmed
    }
}

extension Character {
    fileprivate var isControl: Bool { unicodeScalars.contains { $0.properties.generalCategory == .control } }
}

extension String {
    /// Without white space at its ends.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
