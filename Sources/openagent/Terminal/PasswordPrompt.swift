internal import Foundation
internal import Glibc

// Where does a password come from? From the terminal without echo, or from a file; never from an argument, which every
// user of the machine could read.

enum PasswordPrompt {
    /// Asks on the terminal.
    ///
    /// - Throws: ``CommandError`` when there is no terminal to ask on.
    static func ask(_ question: String) throws -> String {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else {
            throw CommandError(
                .usage, "a password is needed and there is no terminal to ask on", hint: "use --password-file FILE")
        }
        defer { close(terminal) }
        var settings = termios()
        guard tcgetattr(terminal, &settings) == 0 else { throw CommandError(.usage, "cannot read from the terminal") }
        let before = settings
        settings.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(terminal, TCSAFLUSH, &settings)
        defer {
            var restored = before
            tcsetattr(terminal, TCSAFLUSH, &restored)
        }
        _ = question.withCString { write(terminal, $0, strlen($0)) }
        var bytes = [UInt8]()
        var byte: UInt8 = 0
        while Glibc.read(terminal, &byte, 1) == 1, byte != UInt8(ascii: "\n"), bytes.count < 1024 { bytes.append(byte) }
        _ = write(terminal, "\n", 1)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The first line of `path`; `-` reads standard input.
    static func read(path: String) throws -> String {
        let data: Data?
        if path == "-" {
            data = try FileHandle.standardInput.readToEnd()
        } else {
            guard FileManager.default.isReadableFile(atPath: path) else {
                throw CommandError(.usage, "cannot read the password file \(path)")
            }
            data = FileManager.default.contents(atPath: path)
        }
        let line = String(decoding: data ?? Data(), as: UTF8.self).prefix { !$0.isNewline }
        guard !line.isEmpty else { throw CommandError(.usage, "the password file \(path) is empty") }
        return String(line)
    }
}
