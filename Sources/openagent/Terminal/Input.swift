internal import Foundation

// How is one line read that somebody types? Not by the C library's streams: whoever waits for a line there holds the lock
// of standard input, and whatever is printed meanwhile flushes all streams and would wait for that lock.

enum Input {
    /// Longer lines are cut.
    private static let maximumLength = 65_536

    /// The next line of standard input, without its end.
    ///
    /// - Returns: nil when the input has ended.
    static func line() -> String? {
        var line: [UInt8] = []
        while true {
            var byte: UInt8 = 0
            switch read(STDIN_FILENO, &byte, 1) {
            case 1 where byte == UInt8(ascii: "\n"): return String(decoding: line, as: UTF8.self)
            case 1: if line.count < maximumLength { line.append(byte) }
            case -1 where errno == EINTR: continue
            default: return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
            }
        }
    }
}
