import JSON
import Testing

@testable import Agent

// What providers are sent is what their protocols take.

@Suite struct RequestEncodingTests {
    static let conversation: [ModelMessage] = [
        .user("One"), .user("Two"),
        .assistant("", calls: [ToolCall(id: "call_1", name: "a_b", arguments: #"{"x":1}"#)]),
        .tool(callID: "call_1", name: "a_b", ToolResult("broken", isError: true)),
        .user("Three"), .assistant("Four", calls: []), .assistant("", calls: []), .user("Five"),
    ]

    func request(_ messages: [ModelMessage] = conversation, model: String = "m", tools: [OfferedTool] = [])
        -> ModelRequest
    {
        ModelRequest(model: model, system: "S", messages: messages, tools: tools, outputLimit: 100)
    }

    func tool(_ name: String, _ parameters: JSONValue = ["type": "object"]) -> OfferedTool {
        OfferedTool(
            fullName: name, server: "s",
            definition: ToolDefinition(name: name, description: "D", parameters: parameters))
    }

    func encoded(_ value: JSONValue) -> String { String(decoding: value.bytes, as: UTF8.self) }

    @Test func openAI() {
        let request = request(tools: [tool("a_b")])
        let body = RequestEncoding.openAI(request, ToolNames(request), .of("openai"))
        #expect(
            encoded(body)
                == #"{"max_completion_tokens":100,"messages":[{"content":"S","role":"system"},{"content":"One","role":"user"},{"content":"Two","role":"user"},"#
                + #"{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{\"x\":1}","name":"a_b"},"id":"call_1","type":"function"}]},"#
                + #"{"content":"broken","role":"tool","tool_call_id":"call_1"},{"content":"Three","role":"user"},{"content":"Four","role":"assistant"},{"content":"Five","role":"user"}],"#
                + #""model":"m","stream":true,"stream_options":{"include_usage":true},"tools":[{"function":{"description":"D","name":"a_b","parameters":{"properties":{},"type":"object"}},"type":"function"}]}"#
        )
    }

    @Test("vendors that speak like OpenAI get what they take and nothing that they refuse")
    func dialects() {
        let request = request()
        let mistral = RequestEncoding.openAI(request, ToolNames(request), .of("mistral"))
        #expect(mistral["stream_options"] == nil && mistral["max_tokens"] == 100)
        let id = mistral["messages"]?.array?.compactMap { $0["tool_call_id"]?.string }.first ?? ""
        #expect(id.utf8.count == 9 && encoded(mistral).split(separator: id).count == 3)
        let router = RequestEncoding.openAI(request, ToolNames(request), .of("openrouter"))
        #expect(router["usage"] == ["include": true])
        #expect(CallID.mistral("D681PevKs") == "D681PevKs")
    }

    @Test func anthropic() {
        let request = request(tools: [
            tool("a_b", ["type": "object", "oneOf": [], "properties": ["x": ["type": "string"]]])
        ])
        let body = RequestEncoding.anthropic(request, ToolNames(request))
        #expect(
            encoded(body)
                == #"{"max_tokens":100,"messages":[{"content":[{"text":"One","type":"text"},{"text":"Two","type":"text"}],"role":"user"},"#
                + #"{"content":[{"id":"call_1","input":{"x":1},"name":"a_b","type":"tool_use"}],"role":"assistant"},"#
                + #"{"content":[{"content":"broken","is_error":true,"tool_use_id":"call_1","type":"tool_result"},{"text":"Three","type":"text"}],"role":"user"},"#
                + #"{"content":[{"text":"Four","type":"text"}],"role":"assistant"},{"content":[{"text":"Five","type":"text"}],"role":"user"}],"#
                + #""model":"m","stream":true,"system":"S","tools":[{"description":"D","input_schema":{"properties":{"x":{"type":"string"}},"type":"object"},"name":"a_b"}]}"#
        )
    }

    @Test("Anthropic and Google never see an answer first, nor an empty text")
    func opening() {
        let request = request([.assistant("Before", calls: []), .user(" \n"), .user("x")])
        let body = RequestEncoding.anthropic(request, ToolNames(request))
        #expect(body["messages"]?.array?.map { $0["role"]?.string } == ["user", "assistant", "user"])
        #expect(body["messages"]?.array?.last?["content"]?.array?.count == 1)
        let google = RequestEncoding.google(request, ToolNames(request))
        #expect(google["contents"]?.array?.map { $0["role"]?.string } == ["user", "model", "user"])
    }

    @Test func google() {
        let request = request(
            model: "gemini-2.5-flash", tools: [tool("a_b"), tool("c", ["properties": ["x": ["const": "y"]]])])
        let body = RequestEncoding.google(request, ToolNames(request))
        #expect(
            encoded(body)
                == #"{"contents":[{"parts":[{"text":"One"},{"text":"Two"}],"role":"user"},{"parts":[{"functionCall":{"args":{"x":1},"name":"a_b"}}],"role":"model"},"#
                + #"{"parts":[{"functionResponse":{"name":"a_b","response":{"error":"broken"}}},{"text":"Three"}],"role":"user"},{"parts":[{"text":"Four"}],"role":"model"},{"parts":[{"text":"Five"}],"role":"user"}],"#
                + #""generationConfig":{"maxOutputTokens":100},"systemInstruction":{"parts":[{"text":"S"}]},"#
                + #""tools":[{"functionDeclarations":[{"description":"D","name":"a_b"},{"description":"D","name":"c","parameters":{"properties":{"x":{"enum":["y"],"type":"string"}},"type":"object"}}]}]}"#
        )
    }

    @Test("Google gets back the signatures of its calls, and the documented stand-in for calls of other models")
    func signatures() {
        var call = ToolCall(id: "1", name: "a", arguments: "{}", signature: "SIG")
        func sent(_ model: String) -> String {
            let request = request([.user("x"), .assistant("", calls: [call, call])], model: model)
            return encoded(RequestEncoding.google(request, ToolNames(request)))
        }
        #expect(sent("gemini-3-pro").split(separator: "SIG").count == 3)
        call.signature = nil
        #expect(sent("gemini-3-pro").split(separator: "skip_thought_signature_validator").count == 2)
        #expect(!sent("gemini-2.5-pro").contains("thoughtSignature"))
    }

    @Test func ollama() {
        let request = request()
        let body = RequestEncoding.ollama(request, ToolNames(request))
        #expect(
            encoded(body)
                == #"{"messages":[{"content":"S","role":"system"},{"content":"One","role":"user"},{"content":"Two","role":"user"},"#
                + #"{"content":"","role":"assistant","tool_calls":[{"function":{"arguments":{"x":1},"name":"a_b"}}]},"#
                + #"{"content":"broken","role":"tool","tool_name":"a_b"},{"content":"Three","role":"user"},{"content":"Four","role":"assistant"},{"content":"Five","role":"user"}],"#
                + #""model":"m","options":{"num_predict":100},"stream":true}"#)
    }

    @Test("arguments that are no JSON object, which models write at times, are sent as an empty one")
    func brokenArguments() {
        for arguments in ["{", "", "[1]", "null", "\u{0}"] {
            let request = request([
                .user("x"), .assistant("", calls: [ToolCall(id: "1", name: "a", arguments: arguments)]),
            ])
            let names = ToolNames(request)
            #expect(encoded(RequestEncoding.openAI(request, names, .of("x"))).contains(#""arguments":"{}""#))
            #expect(encoded(RequestEncoding.anthropic(request, names)).contains(#""input":{}"#))
            #expect(encoded(RequestEncoding.google(request, names)).contains(#""args":{}"#))
            #expect(encoded(RequestEncoding.ollama(request, names)).contains(#""arguments":{}"#))
        }
    }

    @Test("names that a provider would refuse get others, each its own, and the way back is known")
    func names() {
        let long = String(repeating: "server", count: 12)
        let names = ["a_b", "9lives", "with.dot", "with dot", "größe", long + "1", long + "2", "", "x-y"]
        let map = ToolNames(request([], tools: names.map { tool($0) }))
        var seen: Set<String> = []
        for name in names {
            let sent = map.sent(name)
            #expect(seen.insert(sent).inserted && map.meant(sent) == name)
            #expect(
                (1...64).contains(sent.utf8.count) && sent.utf8.allSatisfy { $0 < 0x80 && $0 != 0x2E && $0 != 0x20 })
        }
        #expect(map.sent("a_b") == "a_b" && map.sent("x-y") == "x-y" && map.meant("invented") == "invented")
        // Tools that are gone stand in what was said before, under the same name as then.
        let later = ToolNames(request([.tool(callID: "1", name: long + "1", ToolResult("x"))]))
        #expect(later.sent(long + "1") == map.sent(long + "1"))
    }

    @Test("schemas are put into what Google takes, and nothing is followed without end")
    func googleSchemas() throws {
        let schema: JSONValue = [
            "$schema": "x", "type": "object", "additionalProperties": false, "required": ["a", "gone"],
            "$defs": [
                "Tree": ["type": "object", "properties": ["next": ["$ref": "#/$defs/Tree"]]],
                "Kind": ["enum": ["x", "y"]],
            ],
            "properties": [
                "a": ["type": ["string", "null"], "default": "q", "format": "uri"],
                "b": ["anyOf": [["type": "integer"], ["type": "null"]]],
                "c": ["oneOf": [["type": "string"], ["type": "integer", "format": "int32"]], "description": "d"],
                "d": ["type": "array"], "e": ["$ref": "#/$defs/Kind"], "f": ["type": ["string", "number"]],
                "g": ["allOf": [["$ref": "#/$defs/Kind"]], "description": "k"], "h": true,
                "i": ["type": "integer", "enum": [1, 2], "minimum": 0],
            ],
        ]
        let cleaned = try #require(ToolSchema.google(schema))
        #expect(cleaned["required"] == ["a"] && cleaned["additionalProperties"] == nil && cleaned["$defs"] == nil)
        let fields = try #require(cleaned["properties"])
        #expect(fields["a"] == ["type": "string", "nullable": true])
        #expect(fields["b"] == ["type": "integer", "nullable": true])
        #expect(fields["c"]?["anyOf"] == [["type": "string"], ["type": "integer", "format": "int32"]])
        #expect(fields["d"] == ["type": "array", "items": ["type": "string"]])
        #expect(fields["e"] == ["type": "string", "enum": ["x", "y"]])
        #expect(fields["f"] == ["anyOf": [["type": "string"], ["type": "number"]]])
        #expect(fields["g"] == ["type": "string", "enum": ["x", "y"], "description": "k"])
        #expect(fields["h"] == ["type": "string"] && fields["i"] == ["type": "integer", "minimum": 0])
        let tree = ToolSchema.google([
            "properties": ["t": ["$ref": "#/$defs/T"]], "$defs": ["T": ["$ref": "#/$defs/T"]],
        ])
        #expect(tree?["properties"]?["t"] == ["type": "string"])
        #expect(ToolSchema.google(["type": "object"]) == nil && ToolSchema.google(3) == nil)
    }
}
