// What does a streamed message of Anthropic mean? Blocks of text, tool calls and thoughts, each with its number; thoughts are no part of
// the answer. The type stands in the data too, so the events' names do not matter.

struct AnthropicStream: ModelStream {
    private var events = EventStreamParser()
    private var draft = ReplyDraft()
    /// Blocks of tool calls whose arguments came with their beginning, by number.
    private var early: [Int: String] = [:]

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        try events.consume(bytes).compactMap { try read($0.data) }
    }

    mutating func whole(_ body: [UInt8]) throws -> [String] { try read(body).map { [$0] } ?? [] }

    mutating func finish() throws -> ModelReply { try draft.reply() }

    private mutating func read(_ data: [UInt8]) throws -> String? {
        let event = try ProviderJSON(parsing: data)
        guard event.isObject else { throw ModelError.malformed("an event is no object") }
        let place = event["index"].count
        switch event["type"].string {
        case "message_start": count(event["message"]["usage"])
        case "content_block_start":
            let block = event["content_block"]
            if block["type"].string == "text" { return try draft.add(block["text"].string) }
            guard block["type"].string == "tool_use", let place else { return nil }
            try draft.addCall(place: place, id: block["id"].string, name: block["name"].string, arguments: nil)
            if let input = block["input"].json, input != "{}" { early[place] = input }
        case "content_block_delta":
            let delta = event["delta"]
            switch delta["type"].string {
            case "text_delta": return try draft.add(delta["text"].string)
            case "input_json_delta":
                // Tools that run at the provider have blocks of their own, and no call here.
                guard let part = delta["partial_json"].string, !part.isEmpty, let place, draft.hasCall(at: place)
                else { return nil }
                early[place] = nil
                try draft.addCall(place: place, id: nil, name: nil, arguments: part)
            default: break
            }
        case "content_block_stop":
            if let place, let input = early.removeValue(forKey: place) {
                try draft.addCall(place: place, id: nil, name: nil, arguments: input)
            }
        case "message_delta":
            count(event["usage"])
            if let reason = event["delta"]["stop_reason"].string { end(reason) }
        case "message_stop": draft.end()
        case "message": return try message(event)
        case "error": throw ProviderFailure.inStream(event)
        default: break
        }
        return nil
    }

    /// A message that was not streamed.
    private mutating func message(_ message: ProviderJSON) throws -> String? {
        count(message["usage"])
        for (place, block) in message["content"].list.enumerated() where block["type"].string == "tool_use" {
            try draft.addCall(
                place: place, id: block["id"].string, name: block["name"].string, arguments: block["input"].json)
        }
        if let reason = message["stop_reason"].string { end(reason) }
        draft.end()
        return try draft.add(message["content"].joinedText)
    }

    private mutating func count(_ usage: ProviderJSON) {
        if let tokens = usage["input_tokens"].count {
            // What was read from a cache was read.
            draft.inputTokens =
                tokens + (usage["cache_read_input_tokens"].count ?? 0)
                + (usage["cache_creation_input_tokens"].count ?? 0)
        }
        if let tokens = usage["output_tokens"].count { draft.outputTokens = tokens }
    }

    private mutating func end(_ reason: String) {
        switch reason {
        case "max_tokens", "model_context_window_exceeded": draft.end(.length)
        case "tool_use": draft.end(.toolCalls)
        case "refusal": draft.end(.refused)
        default: draft.end(.complete)
        }
    }
}
