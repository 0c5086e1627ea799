// What does a streamed answer of Ollama mean? One JSON object for each line; calls come whole.

struct OllamaStream: ModelStream {
    private var lines = LineParser()
    private var draft = ReplyDraft()
    private var calls = 0

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        try lines.consume(bytes).compactMap { try read($0) }
    }

    /// The text of a last line without an end, which only this knows, is in the reply alone.
    mutating func finish() throws -> ModelReply {
        if let line = lines.finish() {
            // Half a line is an answer that ended too early, and no nonsense.
            if (try? ProviderJSON(parsing: line)) != nil { _ = try read(line) }
        }
        return try draft.reply()
    }

    private mutating func read(_ line: [UInt8]) throws -> String? {
        let answer = try ProviderJSON(parsing: line)
        guard answer.isObject else { throw ModelError.malformed("a line is no object") }
        if answer["error"].exists { throw ProviderFailure.inStream(answer) }
        let message = answer["message"]
        for call in message["tool_calls"].list {
            let function = call["function"]
            try draft.addCall(
                place: calls, id: call["id"].string, name: function["name"].string,
                arguments: function["arguments"].json ?? function["arguments"].string)
            calls += 1
        }
        if answer["done"].isTrue {
            draft.inputTokens = answer["prompt_eval_count"].count
            draft.outputTokens = answer["eval_count"].count
            draft.end(answer["done_reason"].string == "length" ? .length : .complete)
        }
        return try draft.add(message["content"].string)
    }
}
