// How much of a conversation fits into what a model can read? Counted roughly, four bytes a token, which is near enough for English and
// says too much rather than too little for code. What is too much goes in a fixed order: the oldest of the conversation before this
// turn first, then the results of the turn's older tools. The user's words and the last results stay whole.

/// The tokens that a request may take.
struct ContextBudget: Sendable, Equatable {
    /// What a model is taken to read when its row says nothing.
    static let defaultWindow = 32_768
    /// Tokens that a message takes besides its text.
    private static let perMessage = 8
    /// Bytes that are left of a tool's result that had to go.
    private static let shortened = 200

    /// Tokens for everything but the system prompt and the tools' descriptions.
    var tokens: Int

    /// - Parameters:
    ///   - window: tokens of question and answer together.
    ///   - fixed: tokens of what has to be there.
    ///   - isTight: leaves twice the room, after a provider has counted more than we did.
    init(window: Int, fixed: Int, isTight: Bool = false) {
        let answer = min(8_192, window / 4)
        let room = max(0, window - answer - fixed)
        tokens = isTight ? room / 2 : room
    }

    static func tokens(_ text: String) -> Int { (text.utf8.count + 3) / 4 }

    static func tokens(_ message: ModelMessage) -> Int {
        let text =
            switch message {
            case .user(let text): tokens(text)
            case .assistant(let text, let calls):
                calls.reduce(tokens(text)) { $0 + tokens($1.name) + tokens($1.arguments) + perMessage }
            case .tool(_, let name, let result): tokens(name) + tokens(result.text)
            }
        return text + perMessage
    }

    static func tokens(_ messages: [ModelMessage]) -> Int { messages.reduce(0) { $0 + tokens($1) } }

    /// - Parameters:
    ///   - history: before this turn.
    ///   - turn: the user's words, and what came of them so far.
    /// - Returns: what fits, and whether something of the history is missing.
    func fit(history: [ModelMessage], turn: [ModelMessage]) -> (messages: [ModelMessage], isCut: Bool) {
        var turn = turn
        var room = tokens - Self.tokens(turn)
        for index in turn.indices.dropLast(2) where room < 0 {
            guard case .tool(let id, let name, let result) = turn[index], result.text.utf8.count > 2 * Self.shortened
            else { continue }
            let short = ToolResult(
                result.text.prefix(Self.shortened) + "… (shortened: the conversation is long)", isError: result.isError)
            room += Self.tokens(turn[index])
            turn[index] = .tool(callID: id, name: name, short)
            room -= Self.tokens(turn[index])
        }
        var kept: [ModelMessage] = []
        for message in history.reversed() {
            room -= Self.tokens(message)
            guard room >= 0 else { break }
            kept.append(message)
        }
        // A conversation begins with its user.
        while kept.count < history.count, case .assistant? = kept.last { kept.removeLast() }
        return (kept.reversed() + turn, kept.count < history.count)
    }
}
