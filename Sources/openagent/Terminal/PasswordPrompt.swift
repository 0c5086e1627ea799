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
        // Byte by byte and without signals: Ctrl-C must not leave a terminal behind that shows nothing.
        settings.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(terminal, TCSAFLUSH, &settings)
        defer {
            var restored = before
            tcsetattr(terminal, TCSAFLUSH, &restored)
        }
        _ = question.withCString { write(terminal, $0, strlen($0)) }
        defer { _ = write(terminal, "\n", 1) }
        var typed = TypedPassword()
        var byte: UInt8 = 0
        while Glibc.read(terminal, &byte, 1) == 1 {
            switch typed.type(byte) {
            case .more: continue
            case .end: return typed.text
            case .interrupted: throw CommandError(.failed, "interrupted")
            }
        }
        return typed.text
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

/// What was typed so far at a prompt that shows nothing, edited by the keys that people expect to work.
private struct TypedPassword {
    enum Next { case more, end, interrupted }

    private static let maximumLength = 1_024
    private var bytes: [UInt8] = []

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func type(_ byte: UInt8) -> Next {
        switch byte {
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x04: return .end
        case 0x03: return .interrupted
        case 0x15: bytes.removeAll()
        case 0x08, 0x7F: removeLast()
        default: if bytes.count < Self.maximumLength { bytes.append(byte) }
        }
        return .more
    }

    /// A character may have up to four bytes.
    private mutating func removeLast() {
        while let last = bytes.popLast(), last & 0xC0 == 0x80 {}
    }
}
