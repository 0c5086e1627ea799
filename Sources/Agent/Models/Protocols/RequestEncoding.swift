internal import JSON

// How is a conversation put into each provider's words? Roles, tools and results as its protocol has them; what it would refuse, as empty
// texts or two messages of one role in a row, is put differently. Pure: a request in, JSON out.

enum RequestEncoding {
    /// How those who speak like OpenAI differ.
    struct Dialect: Sendable, Equatable {
        var limitField = "max_tokens"
        /// Asks for the usage at the end of the stream.
        var streamOptions = true
        /// OpenRouter's way of asking for the cost.
        var asksForCost = false
        var callID: @Sendable (String) -> String = CallID.usual

        static func == (first: Dialect, second: Dialect) -> Bool {
            first.limitField == second.limitField && first.streamOptions == second.streamOptions
                && first.asksForCost == second.asksForCost
        }

        /// - Parameter vendor: the provider's name.
        static func of(_ vendor: String) -> Dialect {
            var dialect = Dialect()
            switch vendor {
            case "openai": dialect.limitField = "max_completion_tokens"
            case "openrouter": dialect.asksForCost = true
            case "mistral":
                // It refuses what it does not know, and tells the usage unasked.
                dialect.streamOptions = false
                dialect.callID = CallID.mistral
            default: break
            }
            return dialect
        }
    }

    // MARK: OpenAI

    static func openAI(_ request: ModelRequest, _ names: ToolNames, _ dialect: Dialect) -> JSONValue {
        var messages: [JSONValue] = []
        if !request.system.isEmpty { messages.append(["role": "system", "content": .string(request.system)]) }
        for message in request.messages {
            switch message {
            case .user(let text): messages.append(["role": "user", "content": .string(text)])
            case .assistant(let text, let calls):
                guard !text.isEmpty || !calls.isEmpty else { continue }
                var said: [String: JSONValue] = ["role": "assistant"]
                said["content"] = .some(text.isEmpty ? .null : .string(text))
                if !calls.isEmpty {
                    said["tool_calls"] = .array(
                        calls.map { call in
                            [
                                "id": .string(dialect.callID(call.id)), "type": "function",
                                "function": [
                                    "name": .string(names.sent(call.name)),
                                    "arguments": .string(arguments(call) == nil ? "{}" : call.arguments),
                                ],
                            ]
                        })
                }
                messages.append(.object(said))
            case .tool(let id, _, let result):
                messages.append([
                    "role": "tool", "tool_call_id": .string(dialect.callID(id)), "content": .string(result.text),
                ])
            }
        }
        var body: [String: JSONValue] = [
            "model": .string(request.model), "messages": .array(messages), "stream": true,
        ]
        if dialect.streamOptions { body["stream_options"] = ["include_usage": true] }
        if dialect.asksForCost { body["usage"] = ["include": true] }
        if let limit = request.outputLimit { body[dialect.limitField] = .integer(Int64(limit)) }
        if !request.tools.isEmpty { body["tools"] = functions(request, names) }
        return .object(body)
    }

    /// As OpenAI and Ollama want tools.
    private static func functions(_ request: ModelRequest, _ names: ToolNames) -> JSONValue {
        .array(
            request.tools.map { tool in
                [
                    "type": "function",
                    "function": [
                        "name": .string(names.sent(tool.fullName)),
                        "description": .string(tool.definition.description),
                        "parameters": ToolSchema.plain(tool.definition.parameters),
                    ],
                ]
            })
    }

    // MARK: Anthropic

    /// What Anthropic wants to be told and nobody here knows.
    static let usualOutputLimit = 8_192

    static func anthropic(_ request: ModelRequest, _ names: ToolNames) -> JSONValue {
        var turns = Turns(first: "user")
        for message in request.messages {
            switch message {
            case .user(let text): turns.add("user", textBlock(text))
            case .assistant(let text, let calls):
                turns.add("assistant", textBlock(text))
                for call in calls {
                    turns.add(
                        "assistant",
                        [
                            "type": "tool_use", "id": .string(CallID.usual(call.id)),
                            "name": .string(names.sent(call.name)), "input": .object(arguments(call) ?? [:]),
                        ])
                }
            case .tool(let id, _, let result):
                var block: [String: JSONValue] = [
                    "type": "tool_result", "tool_use_id": .string(CallID.usual(id)),
                ]
                if !result.text.isEmpty { block["content"] = .string(result.text) }
                if result.isError { block["is_error"] = true }
                turns.add("user", .object(block))
            }
        }
        var body: [String: JSONValue] = [
            "model": .string(request.model), "stream": true,
            "max_tokens": .integer(Int64(request.outputLimit ?? usualOutputLimit)),
            "messages": turns.messages("content", opening: textBlock("(The conversation goes on.)")),
        ]
        if !request.system.isEmpty { body["system"] = .string(request.system) }
        if !request.tools.isEmpty {
            body["tools"] = .array(
                request.tools.map { tool in
                    [
                        "name": .string(names.sent(tool.fullName)),
                        "description": .string(tool.definition.description),
                        "input_schema": ToolSchema.plain(tool.definition.parameters),
                    ]
                })
        }
        return .object(body)
    }

    /// Nil for a text that Anthropic would refuse because nothing is in it.
    private static func textBlock(_ text: String) -> JSONValue? {
        guard text.contains(where: { !$0.isWhitespace }) else { return nil }
        return ["type": "text", "text": .string(text)]
    }

    // MARK: Google

    static func google(_ request: ModelRequest, _ names: ToolNames) -> JSONValue {
        let wantsSignatures = ["gemini-1", "gemini-2", "gemma"].allSatisfy { !request.model.hasPrefix($0) }
        var turns = Turns(first: "user")
        for message in request.messages {
            switch message {
            case .user(let text): turns.add("user", textPart(text))
            case .assistant(let text, let calls):
                turns.add("model", textPart(text))
                for (place, call) in calls.enumerated() {
                    var part: [String: JSONValue] = [
                        "functionCall": [
                            "name": .string(names.sent(call.name)), "args": .object(arguments(call) ?? [:]),
                        ]
                    ]
                    if let signature = call.signature {
                        part["thoughtSignature"] = .string(signature)
                    } else if wantsSignatures, place == 0 {
                        // What Google documents for calls of other models.
                        part["thoughtSignature"] = "skip_thought_signature_validator"
                    }
                    turns.add("model", .object(part))
                }
            case .tool(_, let name, let result):
                turns.add(
                    "user",
                    [
                        "functionResponse": [
                            "name": .string(names.sent(name)),
                            "response": [result.isError ? "error" : "result": .string(result.text)],
                        ]
                    ])
            }
        }
        var body: [String: JSONValue] = [
            "contents": turns.messages("parts", opening: textPart("(The conversation goes on.)"))
        ]
        if !request.system.isEmpty { body["systemInstruction"] = ["parts": [["text": .string(request.system)]]] }
        if let limit = request.outputLimit { body["generationConfig"] = ["maxOutputTokens": .integer(Int64(limit))] }
        if !request.tools.isEmpty {
            let declarations = request.tools.map { tool -> JSONValue in
                var function: [String: JSONValue] = [
                    "name": .string(names.sent(tool.fullName)), "description": .string(tool.definition.description),
                ]
                if let parameters = ToolSchema.google(tool.definition.parameters) {
                    function["parameters"] = parameters
                }
                return .object(function)
            }
            body["tools"] = [["functionDeclarations": .array(declarations)]]
        }
        return .object(body)
    }

    private static func textPart(_ text: String) -> JSONValue? { text.isEmpty ? nil : ["text": .string(text)] }

    // MARK: Ollama

    static func ollama(_ request: ModelRequest, _ names: ToolNames) -> JSONValue {
        var messages: [JSONValue] = []
        if !request.system.isEmpty { messages.append(["role": "system", "content": .string(request.system)]) }
        for message in request.messages {
            switch message {
            case .user(let text): messages.append(["role": "user", "content": .string(text)])
            case .assistant(let text, let calls):
                guard !text.isEmpty || !calls.isEmpty else { continue }
                var said: [String: JSONValue] = ["role": "assistant", "content": .string(text)]
                if !calls.isEmpty {
                    said["tool_calls"] = .array(
                        calls.map { call in
                            [
                                "function": [
                                    "name": .string(names.sent(call.name)),
                                    "arguments": .object(arguments(call) ?? [:]),
                                ]
                            ]
                        })
                }
                messages.append(.object(said))
            case .tool(_, let name, let result):
                messages.append([
                    "role": "tool", "tool_name": .string(names.sent(name)), "content": .string(result.text),
                ])
            }
        }
        var body: [String: JSONValue] = [
            "model": .string(request.model), "messages": .array(messages), "stream": true,
        ]
        if let limit = request.outputLimit { body["options"] = ["num_predict": .integer(Int64(limit))] }
        if !request.tools.isEmpty { body["tools"] = functions(request, names) }
        return .object(body)
    }

    // MARK: Parts

    /// Nil when the model wrote no JSON object.
    private static func arguments(_ call: ToolCall) -> [String: JSONValue]? {
        JSONValue(parsing: call.arguments)?.object
    }

    /// Messages of two roles in turn, each with the parts that were said in a row.
    private struct Turns {
        let first: String
        private var turns: [(role: String, parts: [JSONValue])] = []

        init(first: String) { self.first = first }

        mutating func add(_ role: String, _ part: JSONValue?) {
            guard let part else { return }
            if turns.last?.role == role {
                turns[turns.count - 1].parts.append(part)
            } else {
                turns.append((role, [part]))
            }
        }

        /// - Parameter opening: what is said first when a message of the other role would be.
        func messages(_ field: String, opening: JSONValue?) -> JSONValue {
            var turns = turns
            if turns.first?.role != first, let opening { turns.insert((first, [opening]), at: 0) }
            return .array(turns.map { .object(["role": .string($0.role), field: .array($0.parts)]) })
        }
    }
}
