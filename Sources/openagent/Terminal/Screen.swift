internal import Foundation
internal import Glibc

// What does standard output look like, and what may be written to it? Size and kind of the terminal, and texts made
// harmless: names and labels come from other machines, and in a terminal a control character is a command.

enum Screen {
    /// Whether a person reads standard output.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Whether a person can be asked.
    static var isInteractive: Bool { isTerminal && isatty(STDIN_FILENO) == 1 }

    /// Columns and lines of the terminal; 80 × 24 where it does not say.
    static var size: (columns: Int, lines: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// `text` in one line and without what a terminal would obey.
    static func plain(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isHarmful(scalar) ? "\u{FFFD}" : scalar) }
        return String(result)
    }

    /// A text of JSON that says the same without what a terminal would obey: such characters stand in strings only.
    static func json(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isHarmful(scalar), scalar != "\n", scalar != "\r", scalar != "\t" {
                let digits = String(scalar.value, radix: 16)
                result.append(
                    contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// `text` in its own lines, in a terminal without what it would obey; programs get it as it is.
    static func lines(_ text: String) -> String {
        guard isTerminal else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            result.append(scalar == "\n" || scalar == "\t" || !isHarmful(scalar) ? scalar : "\u{FFFD}")
        }
        return String(result)
    }

    /// How many columns `text` takes.
    static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

    /// `text`, cut so that it takes `columns` at most; a cut is marked.
    static func cut(_ text: String, to columns: Int) -> String {
        guard width(text) > columns else { return text }
        var result = ""
        var used = 1
        for character in text {
            used += width(character)
            guard used <= columns else { break }
            result.append(character)
        }
        return result + "…"
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate: true
        // Characters that turn the direction of a line make it read as another one.
        case .format: (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        default: false
        }
    }

    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        let isWide: Bool =
            switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
                0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
                true
            default: false
            }
        return isWide ? 2 : 1
    }
}

/// A moment: in a terminal to the minute and as the clock on the wall shows it, for programs in UTC to the second.
func timeText(_ unixSeconds: Double) -> String { timeText(unixSeconds, seconds: false) }

/// - Parameter seconds: whether people see them, too.
func timeText(_ unixSeconds: Double, seconds: Bool) -> String {
    // It comes from another machine, and past the calendar's end there is no date.
    let unixSeconds = unixSeconds.isFinite ? min(max(unixSeconds, 0), 253_402_300_799) : 0
    let date = Date(timeIntervalSince1970: unixSeconds.rounded(.down))
    guard Screen.isTerminal else { return date.formatted(.iso8601) }
    var time = time_t(unixSeconds)
    var parts = tm()
    localtime_r(&time, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
        + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
        + (seconds ? ":\(two(parts.tm_sec))" : "")
}
