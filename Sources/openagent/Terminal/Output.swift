internal import Foundation

// How is text printed that is not a line of its own? Unbuffered, and without a crash when nobody reads any more: the
// other end of a pipe may leave before the program does.

enum Output {
    static func write(_ text: String) { write(text, to: .standardOutput) }

    static func writeError(_ text: String) { write(text, to: .standardError) }

    static func write(_ text: String, to place: FileHandle) {
        // What cannot be written has no reader; the command's own work goes on.
        try? place.write(contentsOf: Data(text.utf8))
    }
}
