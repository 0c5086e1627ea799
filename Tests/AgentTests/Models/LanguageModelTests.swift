import Foundation
import JSON
import Synchronization
import TestProviders
import Testing

@testable import Agent
@testable import Store

// Models over real HTTP with a server on this machine that speaks all four protocols, and fails in every way.

@Suite struct LanguageModelTests {
    static let vendors = ["openai", "anthropic", "google", "ollama"]

    static let tool = OfferedTool(
        fullName: "vault_search_notes", server: "vault",
        definition: ToolDefinition(
            name: "search_notes", description: "Searches.",
            parameters: ["type": "object", "properties": ["query": ["type": "string"]], "required": ["query"]]))

    func ask(
        _ vendor: String, _ fake: FakeProvider, told: Told = Told(), metadata: String = "{}",
        _ messages: [ModelMessage] = [.user("Hello")], model: String = "fake"
    ) async throws -> ModelReply {
        try await TestRow.factory().model(for: TestRow.model(vendor, fake.address, model: model, metadata: metadata))
            .reply(
                to: ModelRequest(model: model, system: "Be brief.", messages: messages, tools: [Self.tool]),
                emit: told.tell)
    }

    @Test("each protocol streams its text, piece by piece, and tells the tokens", arguments: vendors)
    func streamsText(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            let told = Told()
            let reply = try await ask(vendor, fake, told: told)
            #expect(reply == ModelReply(text: "Hello from the fake.", inputTokens: 7, outputTokens: 5))
            #expect(told.all == ["Hello", " from", " the", " fake."])
            let question = try #require(fake.conversations.first)
            #expect(question.body.contains("Be brief.") && question.body.contains("vault_search_notes"))
            #expect(question.headers.values.count { $0.contains(TestRow.key) } == 1)
            #expect(!question.path.contains(TestRow.key) && !question.body.contains(TestRow.key))
        }
    }

    @Test("each protocol asks for tools and reads their results", arguments: vendors)
    func callsTools(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            fake.script([
                FakeAnswer([
                    .text("Looking."), .call(id: "call_a", name: "vault_search_notes", arguments: #"{"query":"x"}"#),
                    .call(id: "call_b", name: "vault_search_notes", arguments: #"{"query":"y"}"#),
                ]), .text("Found."),
            ])
            let first = try await ask(vendor, fake)
            #expect(first.text == "Looking." && first.stop == .toolCalls)
            #expect(first.calls.map(\.name) == ["vault_search_notes", "vault_search_notes"])
            #expect(first.calls.map(\.arguments) == [#"{"query":"x"}"#, #"{"query":"y"}"#])
            #expect(Set(first.calls.map(\.id)).count == 2 && first.calls.allSatisfy { !$0.id.isEmpty })
            let results = first.calls.map {
                ModelMessage.tool(callID: $0.id, name: $0.name, ToolResult("note of \($0.arguments)"))
            }
            let second = try await ask(
                vendor, fake, [.user("Find"), .assistant(first.text, calls: first.calls)] + results)
            #expect(second.text == "Found." && second.stop == .complete)
            let sent = try #require(fake.conversations.last).body
            #expect(sent.contains(#"note of {\"query\":\"x\"}"#) && sent.contains(#"note of {\"query\":\"y\"}"#))
        }
    }

    // MARK: Failures

    static let refusals: [(status: Int, body: String, headers: [String: String], error: ModelError)] = [
        (429, "{}", ["Retry-After": "7"], .busy(retryAfter: 7)),
        (429, "{}", ["Retry-After": "0.5"], .busy(retryAfter: 0.5)),
        (429, "{}", ["retry-after-ms": "1500", "Retry-After": "2"], .busy(retryAfter: 1.5)),
        (429, "{}", ["Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"], .busy(retryAfter: 30)),
        (429, "{}", ["Retry-After": "Tue, 14 Nov 2023 22:00:00 GMT"], .busy(retryAfter: 0)),
        (429, "{}", ["Retry-After": "soon"], .busy(retryAfter: nil)),
        (429, "{}", ["Retry-After": "-3"], .busy(retryAfter: 0)),
        (429, "{}", ["Retry-After": "1e300"], .busy(retryAfter: 86_400)),
        (529, #"{"type":"error","error":{"type":"overloaded_error"}}"#, [:], .busy(retryAfter: nil)),
        (
            429,
            #"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}"#,
            [:], .busy(retryAfter: 34)
        ),
        (
            429, #"{"error":{"message":"You exceeded your quota.","type":"insufficient_quota"}}"#,
            ["Retry-After": "1"], .rejected("You exceeded your quota.")
        ),
        (402, #"{"error":{"message":"Insufficient Balance"}}"#, [:], .rejected("Insufficient Balance")),
        (401, #"{"error":{"message":"bad key \#(TestRow.key)"}}"#, [:], .unauthorized),
        (403, "", [:], .unauthorized),
        (500, "x", [:], .unavailable("the provider failed (500)")),
        (503, "x", ["Retry-After": "1"], .unavailable("the provider failed (503)")),
        (408, "", [:], .unavailable("the provider failed (408)")),
        (413, "", [:], .contextTooLong),
        (404, #"{"error":{"message":"no such model"}}"#, [:], .rejected("no such model")),
        (404, #"{"error":"model 'x' not found"}"#, [:], .rejected("model 'x' not found")),
        (422, #"{"detail":[{"loc":["body"],"msg":"wrong"}]}"#, [:], .rejected(#"[{"loc":["body"],"msg":"wrong"}]"#)),
        (400, #"[{"error":{"code":400,"message":"in a list"}}]"#, [:], .rejected("in a list")),
        (400, "<html>nginx</html>", [:], .rejected("the provider refused (400)")),
        (400, "", [:], .rejected("the provider refused (400)")),
        (302, "", ["Location": "http://127.0.0.1:1/"], .rejected("the provider is not at its address (302)")),
    ]

    @Test("P-81: what a provider refuses with becomes what the turn loop acts on", arguments: refusals.indices)
    func refusal(_ index: Int) async throws {
        let refusal = Self.refusals[index]
        try await FakeProvider.run { fake in
            fake.script([.failing(refusal.status, refusal.body, headers: refusal.headers)])
            for vendor in ["openai", "anthropic"] {
                await #expect(throws: refusal.error, "\(vendor)") { try await ask(vendor, fake) }
            }
        }
    }

    @Test(
        "a conversation that is too long is told as such, in the words of each provider",
        arguments: [
            #"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
            #"{"error":{"message":"This model's maximum context length is 8192 tokens."}}"#,
            #"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 2 > 1"}}"#,
            #"{"error":{"code":400,"message":"The input token count (2) exceeds the maximum number of tokens allowed (1).","status":"INVALID_ARGUMENT"}}"#,
            #"{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size (8 tokens)","type":"exceed_context_size_error"}}"#,
            #"{"object":"error","message":"Prompt contains 40000 tokens, too large for model with 32768 maximum context length"}"#,
            #"{"error":"This model's maximum prompt length is 131072 but the request contains 150000 tokens."}"#,
            #"{"error":{"message":"Please reduce the length of the messages or completion."}}"#,
        ])
    func tooLong(_ body: String) async throws {
        try await FakeProvider.run { fake in
            fake.script([.failing(400, body)])
            await #expect(throws: ModelError.contextTooLong) { try await ask("openai", fake) }
        }
    }

    @Test("P-17: no error holds the key or a piece of it, whatever the provider says", arguments: vendors)
    func errorsHoldNoKey(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            let key = TestRow.key
            let echoes = [
                "wrong: \(key)", "key=\(key);", "part \(key.prefix(12))***", "…\(key.suffix(9))", "\(key)\n\u{1B}[31m",
            ]
            for echo in echoes {
                let body = String(
                    decoding: JSONValue.object(["error": ["message": .string(echo)]]).bytes, as: UTF8.self)
                fake.script([.failing(400, body)])
                let error = await #expect(throws: ModelError.self) { try await ask(vendor, fake) }
                let text = "\(try #require(error))"
                #expect(text.contains("[redacted]") && !text.contains("\u{1B}"), "\(text)")
                for start in 0...(key.count - 8) {
                    #expect(!text.contains(key.dropFirst(start).prefix(8)), "\(text)")
                }
            }
            // An error in the middle of a stream.
            let inside =
                vendor == "ollama"
                ? #"{"error":"bad \#(key)"}"# + "\n"
                : #"data: {"type":"error","error":{"type":"invalid_request_error","code":400,"message":"bad \#(key)"}}"#
                    + "\n\n"
            fake.script([FakeAnswer([.text("a"), .raw(inside)])])
            let error = await #expect(throws: ModelError.self) { try await ask(vendor, fake) }
            #expect(!"\(try #require(error))".contains("canary"))
            fake.script([.failing(400, #"{"error":{"message":"\#(String(repeating: "long ", count: 9_000))"}}"#)])
            guard
                case .rejected(let text)? = await #expect(
                    throws: ModelError.self, performing: { try await ask(vendor, fake) })
            else { return #expect(Bool(false)) }
            #expect(text.utf8.count <= ProviderFailure.longestReason + 3)
        }
    }

    @Test("P-63: a connection that is lost in the middle is one error, after what came", arguments: vendors)
    func disconnection(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            // What came in the same moment as the end may be lost with it.
            fake.script([FakeAnswer([.text("Half"), .pause(.milliseconds(200)), .disconnect])])
            let told = Told()
            let error = await #expect(throws: ModelError.self) { try await ask(vendor, fake, told: told) }
            guard case .unavailable = try #require(error) else { return #expect(Bool(false), "\(error as Any)") }
            #expect(told.text == "Half")
        }
    }

    @Test("what no protocol says is malformed", arguments: vendors)
    func nonsense(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            let raw = vendor == "ollama" ? "{oops\n" : "data: {oops\n\n"
            fake.script([FakeAnswer([.text("A"), .raw(raw)])])
            let told = Told()
            await #expect(throws: ModelError.malformed("what came is no JSON")) {
                try await ask(vendor, fake, told: told)
            }
            #expect(told.text == "A")
        }
    }

    @Test("a provider that says nothing for too long is given up, before and in the middle of an answer")
    func silence() async throws {
        try await FakeProvider.run { fake in
            let patience = #"{"timeout_seconds":1}"#
            fake.script([FakeAnswer([.text("A"), .silence])])
            let told = Told()
            await #expect(throws: ModelError.unavailable("the provider did not answer in time")) {
                try await ask("openai", fake, told: told, metadata: patience)
            }
            #expect(told.text == "A")
            fake.fail(.silent)
            await #expect(throws: ModelError.unavailable("the provider did not answer in time")) {
                try await ask("openai", fake, metadata: patience)
            }
        }
        await #expect(throws: ModelError.unavailable("the provider can't be reached, or hung up")) {
            try await TestRow.factory().model(for: TestRow.model("openai", "http://127.0.0.1:1"))
                .reply(to: ModelRequest(model: "m", messages: [.user("x")])) { _ in }
        }
    }

    @Test("slow words are no silence: the limit is for the time between two of them")
    func slowness() async throws {
        try await FakeProvider.run { fake in
            fake.script([
                FakeAnswer((0..<5).flatMap { [.text("\($0)"), .pause(.milliseconds(300))] })
            ])
            let reply = try await ask("openai", fake, metadata: #"{"timeout_seconds":1}"#)
            #expect(reply.text == "01234")
        }
    }

    @Test("P-58: whoever stops a model closes the connection to its provider at once", arguments: vendors)
    func cancellation(_ vendor: String) async throws {
        try await FakeProvider.run { fake in
            fake.script([FakeAnswer([.text("A"), .hold])])
            let (first, came) = AsyncStream.makeStream(of: Void.self)
            let asking = Task {
                try await TestRow.factory().model(for: TestRow.model(vendor, fake.address))
                    .reply(to: ModelRequest(model: "m", messages: [.user("x")])) { _ in came.yield() }
            }
            for await _ in first { break }
            asking.cancel()
            await #expect(throws: CancellationError.self) { try await asking.value }
            try await soon(5, "the provider to notice") {
                for await count in fake.abandoned where count > 0 { return }
            }
        }
    }

    @Test("a provider waits while nobody takes what it says")
    func backPressure() async throws {
        try await FakeProvider.run { fake in
            let big = String(repeating: "x", count: 100_000)
            fake.script([FakeAnswer(Array(repeating: .text(big), count: 35))])
            let (gate, open) = AsyncStream.makeStream(of: Void.self)
            let (first, came) = AsyncStream.makeStream(of: Void.self)
            let waiting = Mutex(true)
            async let reply = TestRow.factory().model(for: TestRow.model("openai", fake.address))
                .reply(to: ModelRequest(model: "m", messages: [.user("x")])) { _ in
                    guard
                        waiting.withLock({ waiting in
                            defer { waiting = false }; return waiting
                        })
                    else { return }
                    came.yield()
                    for await _ in gate { break }
                }
            for await _ in first { break }
            open.yield()
            let whole = try await reply
            #expect(whole.text.utf8.count == 3_500_000)
        }
    }

    // MARK: Rows

    @Test("a row of each known vendor becomes a model that speaks its protocol")
    func everyVendor() throws {
        for vendor in [
            "anthropic", "openai", "google", "openrouter", "groq", "mistral", "xai", "deepseek", "cerebras", "zai",
            "moonshot", "qwen", "ollama", "lmstudio", "llamacpp", "vllm",
        ] {
            let model = try TestRow.factory().model(for: TestRow.model(vendor, nil))
            switch vendor {
            case "anthropic": #expect((model as? AnthropicModel)?.endpoint.address == "https://api.anthropic.com/v1")
            case "google": #expect(model is GeminiModel)
            case "ollama": #expect((model as? OllamaModel)?.endpoint.address == "http://127.0.0.1:11434")
            default: #expect(model is OpenAIModel, "\(vendor)")
            }
        }
        #expect(
            try TestRow.factory().model(for: TestRow.model("local", "http://127.0.0.1:9/v1", key: nil)) is OpenAIModel)
        #expect(try TestRow.factory().model(for: TestRow.model("claude", nil, framework: "command")) is CommandModel)
        #expect(try TestRow.factory().model(for: TestRow.model("x", nil, framework: "claude-cli")) is CommandModel)
    }

    @Test("a row that can't be used says why, without its key")
    func unusableRows() {
        #expect(throws: ModelError.unauthorized) {
            try TestRow.factory().model(for: TestRow.model("openai", nil, key: nil))
        }
        #expect(throws: ModelError.rejected("nobody knows where local is asked: it has no base_url")) {
            try TestRow.factory().model(for: TestRow.model("local", nil))
        }
        #expect(throws: ModelError.rejected("the key of openai has characters that no key has")) {
            try TestRow.factory().model(for: TestRow.model("openai", nil, key: "a\r\nX-Injected: 1"))
        }
        struct Unset: Error, CustomStringConvertible { var description: String { "NAME is not set" } }
        let lost = ModelFactory(
            http: NetworkHTTP(), folder: "/x", now: { 0 }, makeID: { "1" }, reveal: { _ in throw Unset() })
        #expect(throws: ModelError.rejected("the key of openai can't be used: NAME is not set")) {
            try lost.model(for: TestRow.model("openai", nil, key: "{env:NAME}"))
        }
        #expect(throws: ModelError.rejected("the key of openai can't be used")) {
            try lost.model(for: TestRow.model("openai", nil, key: "sk-plain"))
        }
    }

    @Test("a model of Google whose name would be another path is no other path")
    func namesStayInTheirPlace() async throws {
        try await FakeProvider.run { fake in
            _ = try await ask("google", fake, model: "../../x?y#z")
            #expect(
                fake.conversations.first?.path == "/v1beta/models/..%2F..%2Fx%3Fy%23z:streamGenerateContent?alt=sse")
        }
    }

    @Test("fakes that have only whole answers go on working")
    func wholeAnswers() async throws {
        struct Whole: OutboundHTTP {
            func send(_ request: OutboundRequest) async throws -> OutboundAnswer {
                OutboundAnswer(
                    status: 200,
                    body: Array(#"data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#.utf8) + [
                        10, 10,
                    ])
            }
        }
        let reply = try await TestRow.factory(Whole()).model(for: TestRow.model("openai", nil))
            .reply(to: ModelRequest(model: "m", messages: [.user("x")])) { _ in }
        #expect(reply.text == "x")
    }
}
