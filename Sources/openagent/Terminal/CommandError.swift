internal import ArgumentParser
internal import Foundation

// How does a command fail? With one line that says what is wrong, one that says what to do, and an exit code from this
// table (docs/operations.md), so that scripts can tell the cases apart.

/// A failure that the user can read.
struct CommandError: Error {
    enum Kind: Int32 {
        case failed = 1
        /// Arguments, input or configuration.
        case usage = 64
        /// The agent or the coordinator can't be reached.
        case unreachable = 69
        /// Not running, or running already.
        case state = 73
        /// Refused: wrong password, revoked device, no permission.
        case refused = 77
    }

    var kind: Kind
    var message: String
    var hint: String?

    init(_ kind: Kind, _ message: String, hint: String? = nil) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }

    func printed() -> ExitCode {
        // A name in it may come from a ticket or from another machine.
        var text = "error: \(Screen.plain(message))\n"
        if let hint { text += "hint: \(Screen.plain(hint))\n" }
        Output.writeError(text)
        return ExitCode(kind.rawValue)
    }
}
