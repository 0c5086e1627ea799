// What do the lines mean that agents' programs write when they are asked for JSON? Two that many have: Claude Code's `stream-json` and
// Codex' `--json`. Lines of other kinds, which both have many of, say nothing here.

struct ProgramStream: ModelStream {
    private var lines = LineParser()
    private var draft = ReplyDraft()
    /// The message that is being written comes in parts, and once more as a whole when it is done.
    private var cameInParts = false

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        try lines.consume(bytes).compactMap { try read($0) }
    }

    mutating func finish() throws -> ModelReply {
        if let line = lines.finish() { _ = try read(line) }
        return try draft.reply()
    }

    private mutating func read(_ line: [UInt8]) throws -> String? {
        // Warnings may stand between the lines.
        guard line.first == UInt8(ascii: "{") else { return nil }
        let entry = try ProviderJSON(parsing: line)
        switch entry["type"].string {
        case "stream_event": return try part(entry["event"])
        case "assistant":
            defer { cameInParts = false }
            guard !cameInParts else { return nil }
            return try paragraph(entry["message"]["content"].joinedText)
        case "result": return try end(entry)
        case "item.completed" where entry["item"]["type"].string == "agent_message":
            return try paragraph(entry["item"]["text"].string)
        case "turn.completed":
            draft.inputTokens = entry["usage"]["input_tokens"].count
            draft.outputTokens = entry["usage"]["output_tokens"].count
            draft.end()
        case "turn.failed": throw failure(entry["error"]["message"].string)
        default: break
        }
        return nil
    }

    private mutating func part(_ event: ProviderJSON) throws -> String? {
        switch event["type"].string {
        case "content_block_start" where event["content_block"]["type"].string == "text" && draft.hasText:
            return try draft.add("\n\n")
        case "content_block_delta" where event["delta"]["type"].string == "text_delta":
            cameInParts = true
            return try draft.add(event["delta"]["text"].string)
        default: return nil
        }
    }

    private mutating func paragraph(_ text: String?) throws -> String? {
        guard let text, !text.isEmpty else { return nil }
        return try draft.add(draft.hasText ? "\n\n" + text : text)
    }

    /// Claude Code's last line.
    private mutating func end(_ entry: ProviderJSON) throws -> String? {
        let text = entry["result"].string
        if entry["is_error"].isTrue { throw failure(text) }
        draft.cost = entry["total_cost_usd"].number
        let usage = entry["usage"]
        if let read = usage["input_tokens"].count {
            draft.inputTokens =
                read + (usage["cache_read_input_tokens"].count ?? 0) + (usage["cache_creation_input_tokens"].count ?? 0)
        }
        draft.outputTokens = usage["output_tokens"].count
        draft.end()
        return draft.hasText ? nil : try draft.add(text)
    }

    private func failure(_ text: String?) -> ModelError {
        .unavailable(
            "the program failed" + (text.map { ": \(String($0.prefix(ProviderFailure.longestReason)))" } ?? ""))
    }
}
