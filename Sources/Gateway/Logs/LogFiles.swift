internal import Foundation
internal import Glibc
internal import Store

// What stands at the end of a log? Read backwards, piece by piece, from the newest file to the oldest, until there are enough
// lines; however long the log is, little of it is in memory. A line that is no JSON, such as the torn last one of a killed
// process, is passed over. Lines that were written by another process are read just the same.

/// The files of one log.
struct LogFiles: Sendable {
    let path: String
    /// Older files that may be there.
    let keep: Int

    /// Bytes that are read at once.
    private static let piece = 64 << 10

    /// The last lines that match, oldest first. Blocks.
    func last(_ query: LogQuery) throws(PrivateFileError) -> [String] {
        var found: [String] = []
        var seen: Set<UInt64> = []
        for number in 0...max(keep, 0) {
            let name = number == 0 ? path : RotatingFile.older(path, number)
            let descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else {
                // Between being moved and being made anew the newest one is not there.
                if errno == ENOENT { continue }
                throw .init(path: name, operation: "open", code: errno)
            }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            // It was moved while the one before it was read.
            guard seen.insert(UInt64(status.st_ino)).inserted else { continue }
            guard try take(query, descriptor, Int(status.st_size), name, &found) else { break }
        }
        return found.reversed()
    }

    /// - Returns: false when nothing more is wanted.
    private func take(
        _ query: LogQuery, _ descriptor: Int32, _ size: Int, _ name: String, _ found: inout [String]
    ) throws(PrivateFileError) -> Bool {
        var end = size
        /// The beginning of a line whose end was in the piece behind.
        var rest: [UInt8] = []
        while end > 0 {
            let begin = max(0, end - Self.piece)
            var bytes = [UInt8](repeating: 0, count: end - begin)
            let count = pread(descriptor, &bytes, bytes.count, off_t(begin))
            guard count >= 0 else { throw .init(path: name, operation: "read", code: errno) }
            // The file became shorter.
            guard count == bytes.count else { return true }
            end = begin
            bytes += rest
            var lineEnd = bytes.count
            while let newline = bytes[..<lineEnd].lastIndex(of: UInt8(ascii: "\n")) {
                guard add(bytes[(newline + 1)..<lineEnd], query, &found) else { return false }
                lineEnd = newline
            }
            rest = Array(bytes[..<lineEnd])
            // No line of ours is so long: it is passed over down to its beginning.
            if rest.count > LogRecord.longestLine { rest = [] }
        }
        return add(rest[...], query, &found)
    }

    private func add(_ line: ArraySlice<UInt8>, _ query: LogQuery, _ found: inout [String]) -> Bool {
        let data = Data(line)
        // Looked for before the line is parsed, which takes far longer.
        let mayMatch = query.event.map { data.range(of: Data("\"event\":\"\($0)".utf8)) != nil } ?? true
        guard !line.isEmpty, mayMatch, let head = try? JSONDecoder().decode(LogHead.self, from: data) else {
            return found.count < query.lines
        }
        // Older ones stand before it.
        if let since = query.since, head.ts < since { return false }
        if head.matches(query) { found.append(String(decoding: line, as: UTF8.self)) }
        return found.count < query.lines
    }
}
