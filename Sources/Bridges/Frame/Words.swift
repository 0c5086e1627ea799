internal import Foundation
internal import Wire

// What does the bridge itself say to people? All its sentences, in one place.

enum Words {
    static func welcome(_ name: String) -> String {
        let name = name.isEmpty ? "" : " \(name)"
        return """
            Hello\(name)! Write to me, or send pictures, files or a voice note.

            \(commands)
            """
    }

    static let commands = """
        • /new — start a fresh conversation; the old one is archived
        • /stop — stop the current answer and drop what waits
        • /status — what is running and waiting
        • /queue — how many messages wait
        • /usage — what your answers cost this month
        • /model — list the models; with one, answer with it here
        • /help — this list
        """

    static let stopLabel = "⏹ Stop"
    static let stopped = "⏹ Stopped."
    static let nothingSaid = "(The answer is empty.)"
    static let untranscribed = "[Voice message could not be transcribed. Ask the user to type it.]"
    static let unanswerable = "This question is no longer open."
    static let otherConversation = "This button belongs to another conversation."
    static let passedOn = "I passed it on."

    static func edited(_ text: String) -> String { "(I changed an earlier message. It now says:)\n\(text)" }

    // MARK: Pairing

    static func pairing(code: String, platform: Platform) -> String {
        """
        I don't know you yet. Give an administrator this code: \(code)
        They let you in with: openagent bridge approve \(code)
        """
    }

    // MARK: Tools

    static func running(_ tool: String) -> String { "🔧 \(tool) …" }
    static func done(_ tool: String) -> String { "🔧 \(tool)" }
    static func failed(_ tool: String) -> String { "⚠️ \(tool)" }

    /// - Parameter id: how the answer names the question; nil where there are buttons.
    static func question(_ request: ServerMessage.ApprovalRequest, id: String?) -> String {
        let arguments = shortened(request.arguments, to: 1_000).replacingOccurrences(of: "```", with: "'''")
        let how = id.map { "\n\nReply /approve \($0) or /deny \($0)" } ?? ""
        return "🔐 May **\(plain(request.tool))** be run?\n\n```json\n\(arguments)\n```\(how)"
    }

    static func settled(_ tool: String, _ decision: String) -> String {
        switch decision {
        case "approved": "✅ \(plain(tool)) was allowed."
        case "denied": "⛔ \(plain(tool)) was not allowed."
        case "expired": "⌛ Nobody said whether \(plain(tool)) may be run, so it was not."
        default: "\(plain(tool)) no longer waits for your word."
        }
    }

    static let approved = "Allowed."
    static let denied = "Not allowed."

    // MARK: Refusals

    static func refused(_ text: String) -> String { "⚠️ \(text)" }

    /// P-95: which limit, how much of it is used, and when it begins anew.
    static func budget(_ budget: BudgetDetails) -> String {
        let whose =
            switch budget.scope {
            case "agent": "the agent's limit of the day"
            case "model": "the limit of the day for the model \(budget.key ?? "")"
            case "user", "device": "this bridge's limit of the day"
            default: "a limit of the day (\(budget.scope))"
            }
        let date = Date(timeIntervalSince1970: budget.resetsAt).formatted(
            Date.ISO8601FormatStyle(dateSeparator: .dash, dateTimeSeparator: .space).year().month().day().time(
                includingFractionalSeconds: false))
        let unit = budget.cap == "cost" ? "" : " \(budget.cap)"
        return """
            ⚠️ No answer: \(whose) is reached: \(amount(budget.used, budget.cap)) of \
            \(amount(budget.limit, budget.cap))\(unit) are used. It begins anew at \(date) UTC.
            """
    }

    private static func amount(_ value: Double, _ cap: String) -> String {
        cap == "cost" ? String(format: "$%.2f", value) : String(format: "%.0f", value)
    }

    // MARK: Files

    static func blocked(_ name: String) -> String { "⚠️ Blocked: \(plain(name))" }

    static func tooLargeToTake(_ name: String, limit: Int64) -> String {
        "⚠️ \(plain(name)) is too large: files of up to \(megabytes(limit)) can be received here."
    }

    static func notReceived(_ name: String) -> String {
        "⚠️ \(plain(name)) could not be received. Please send it again."
    }

    static func tooLargeToSend(_ name: String, size: Int64, limit: Int64) -> String {
        "📎 \(plain(name)) (\(megabytes(size))) is too large to be sent here: up to \(megabytes(limit)) can be."
    }

    static func notSent(_ name: String) -> String { "📎 \(plain(name)) could not be sent." }

    private static func megabytes(_ bytes: Int64) -> String {
        bytes < 1 << 20 ? "\((bytes + 1023) / 1024) KiB" : String(format: "%.1f MiB", Double(bytes) / 1_048_576)
    }

    // MARK: Parts

    /// Others' words within ours: nothing of them is Markdown.
    private static func plain(_ text: String) -> String {
        var escaped = ""
        for character in text {
            if "\\`*_[]()#~|>".contains(character) { escaped.append("\\") }
            escaped.append(character)
        }
        return escaped
    }

    private static func shortened(_ text: String, to length: Int) -> String {
        text.count > length ? text.prefix(length) + "…" : text
    }
}
