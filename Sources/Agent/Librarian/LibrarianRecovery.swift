// What did an earlier process already do for this turn? The journal tells. Pure: entries in, state out.
//
//     (empty) ── toolCall ──▶ outcome unknown ── toolResult ──▶ noted ── modelReply ──▶ answered
//        └──────────────────────────── modelReply ───────────────────────────────────────▲

/// How far a turn had come when its journal was last written.
enum LibrarianRecovery: Equatable {
    /// Nothing was done that lasts.
    case fresh
    /// A note was about to be written; whether it was, nobody knows. Holds the call's arguments as recorded.
    case outcomeUnknown(arguments: String)
    /// The note was written, or was refused, and the answer not yet given. Holds the recorded arguments and result.
    case noted(arguments: String, output: String)
    /// The whole answer was given.
    case answered(String)

    init(_ entries: [JournalEntry]) {
        self = .fresh
        var call: (id: String, arguments: String)?
        for entry in entries {
            switch entry {
            case .toolCall(let id, _, let arguments):
                call = (id, arguments)
                self = .outcomeUnknown(arguments: arguments)
            case .toolResult(let id, let output):
                if let call, call.id == id { self = .noted(arguments: call.arguments, output: output) }
            case .modelReply(let text):
                self = .answered(text)
            }
        }
    }
}
