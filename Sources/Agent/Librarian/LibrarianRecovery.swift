// What did an earlier process already do for this turn? The journal tells. Pure: entries in, state out.
//
//     (empty) ── toolCall ──▶ outcome unknown ── toolResult ──▶ noted ── modelReply ──▶ answered
//        ├─── toolCall of a tool ──▶ tool unknown ── its end ──▶ tool ended ──▲  ▲
//        ├───────────────── its refusal ──────────────────────────────┘          │
//        └──────────────────────────── modelReply ──────────────────────────────┘

/// How far a turn had come when its journal was last written.
enum LibrarianRecovery: Equatable {
    /// Nothing was done that lasts.
    case fresh
    /// A note was about to be written; whether it was, nobody knows. Holds the call's arguments as recorded.
    case outcomeUnknown(arguments: String)
    /// The note was written, or was refused, and the answer not yet given. Holds the recorded arguments and result.
    case noted(arguments: String, output: String)
    /// A tool that the user had asked for was about to run; whether it did its work, nobody knows.
    case toolUnknown
    /// It ran, or was refused.
    case toolEnded(ToolResult)
    /// The whole answer was given.
    case answered(String)

    /// The journal's name for the only tool that the user of a turn can ask for.
    static let toolCallID = "tool"

    init(_ entries: [JournalEntry]) {
        self = .fresh
        var call: (id: String, arguments: String)?
        for entry in entries {
            switch entry {
            case .toolCall(let id, _, _) where id == Self.toolCallID: self = .toolUnknown
            case .toolResult(let id, let output) where id == Self.toolCallID: self = .toolEnded(ToolResult(output))
            case .toolFailed(let id, let output):
                if id == Self.toolCallID { self = .toolEnded(ToolResult(output, isError: true)) }
            case .modelStep: break
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
