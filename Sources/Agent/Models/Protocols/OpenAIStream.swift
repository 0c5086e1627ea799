// What does a streamed chat completion of OpenAI mean? Many speak this protocol and each a little differently: ids and places of tool
// calls may be missing, calls may come whole, the last line may. Thoughts of the model are no part of the answer.

struct OpenAIStream: ModelStream {
    private var events = EventStreamParser()
    private var draft = ReplyDraft()

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        try events.consume(bytes).compactMap { try read($0.data) }
    }

    mutating func whole(_ body: [UInt8]) throws -> [String] { try read(body).map { [$0] } ?? [] }

    mutating func finish() throws -> ModelReply { try draft.reply() }

    private mutating func read(_ data: [UInt8]) throws -> String? {
        guard !data.elementsEqual("[DONE]".utf8) else {
            draft.end()
            return nil
        }
        let chunk = try ProviderJSON(parsing: data)
        guard chunk.isObject else { throw ModelError.malformed("an event is no object") }
        if chunk["error"].exists { throw ProviderFailure.inStream(chunk) }
        count(chunk["usage"].exists ? chunk["usage"] : chunk["x_groq"]["usage"])
        // Of several answers, which nobody asked for, the first.
        guard let choice = chunk["choices"].list.first(where: { ($0["index"].count ?? 0) == 0 }) else { return nil }
        if choice["error"].exists { throw ProviderFailure.inStream(choice) }
        let delta = choice["delta"].exists ? choice["delta"] : choice["message"]
        var text = delta["content"].joinedText ?? ""
        if let refusal = delta["refusal"].string {
            text += refusal
            draft.end(.refused)
        }
        for call in delta["tool_calls"].list {
            let function = call["function"]
            try draft.addCall(
                place: call["index"].count, id: call["id"].string, name: function["name"].string,
                arguments: function["arguments"].string ?? function["arguments"].json)
        }
        if let reason = choice["finish_reason"].string { try end(reason) }
        if choice["message"].exists { draft.end() }
        return try draft.add(text)
    }

    private mutating func count(_ usage: ProviderJSON) {
        if let tokens = usage["prompt_tokens"].count { draft.inputTokens = tokens }
        if let tokens = usage["completion_tokens"].count { draft.outputTokens = tokens }
        if let cost = usage["cost"].number { draft.cost = cost }
    }

    private mutating func end(_ reason: String) throws {
        switch reason {
        case "length", "max_tokens", "model_length": draft.end(.length)
        case "content_filter", "safety", "sensitive": draft.end(.refused)
        case "tool_calls", "function_call": draft.end(.toolCalls)
        case "error", "network_error": throw ModelError.unavailable("the provider failed in the middle of the answer")
        default: draft.end(.complete)
        }
    }
}
