// What does a streamed answer of Gemini mean? Each event is a whole answer with the next parts in it; calls come whole, and thoughts are
// marked as such.

struct GeminiStream: ModelStream {
    private var events = EventStreamParser()
    private var draft = ReplyDraft()
    private var calls = 0

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        try events.consume(bytes).compactMap { try read($0.data) }
    }

    /// Without `alt=sse` it is a list of the same answers.
    mutating func whole(_ body: [UInt8]) throws -> [String] {
        let answer = try ProviderJSON(parsing: body)
        return try (answer.isObject ? [answer] : answer.list).compactMap { try read($0) }
    }

    mutating func finish() throws -> ModelReply { try draft.reply() }

    private mutating func read(_ data: [UInt8]) throws -> String? { try read(try ProviderJSON(parsing: data)) }

    private mutating func read(_ answer: ProviderJSON) throws -> String? {
        // A proxy may put the error into a list.
        let error = answer["error"].exists ? answer : answer[0]
        if error["error"].exists { throw ProviderFailure.inStream(error) }
        guard answer.isObject else { throw ModelError.malformed("an event is no object") }
        let usage = answer["usageMetadata"]
        if let tokens = usage["promptTokenCount"].count { draft.inputTokens = tokens }
        if let tokens = usage["candidatesTokenCount"].count {
            draft.outputTokens = tokens + (usage["thoughtsTokenCount"].count ?? 0)
        }
        if answer["promptFeedback"]["blockReason"].string != nil { draft.end(.refused) }
        let candidate = answer["candidates"][0]
        var text = ""
        for part in candidate["content"]["parts"].list where !part["thought"].isTrue {
            text += part["text"].string ?? ""
            let call = part["functionCall"]
            guard call.isObject else { continue }
            try draft.addCall(
                place: calls, id: call["id"].string, name: call["name"].string, arguments: call["args"].json,
                signature: part["thoughtSignature"].string)
            calls += 1
        }
        if let reason = candidate["finishReason"].string { try end(reason) }
        return try draft.add(text)
    }

    private mutating func end(_ reason: String) throws {
        switch reason {
        case "STOP", "FINISH_REASON_UNSPECIFIED", "OTHER": draft.end(.complete)
        case "MAX_TOKENS": draft.end(.length)
        case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL":
            throw ModelError.malformed("the model wrote a tool call that its provider could not read")
        default: draft.end(.refused)
        }
    }
}
