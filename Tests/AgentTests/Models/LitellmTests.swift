import JSON
import TestProviders
import Testing

@testable import Agent

// A real counterpart: LiteLLM's proxy, with its own mock answers and as a translator of what our fake says. It starts in some seconds, so it
// starts once.

@Suite struct LitellmTests {
    static let mocks = """
          - {model_name: text, litellm_params: {model: openai/text, api_key: none, mock_response: "Grüße from the mock, in words."}}
          - {model_name: busy, litellm_params: {model: openai/busy, api_key: none, mock_response: litellm.RateLimitError}}
          - {model_name: broken, litellm_params: {model: openai/broken, api_key: none, mock_response: litellm.InternalServerError}}
          - {model_name: long, litellm_params: {model: openai/long, api_key: none, mock_response: litellm.ContextWindowExceededError}}
        """

    func ask(
        _ vendor: String, _ proxy: Litellm, _ model: String, told: Told = Told(),
        _ messages: [ModelMessage] = [.user("Hi")]
    ) async throws -> ModelReply {
        try await TestRow.factory().model(for: TestRow.model(vendor, proxy.address, key: Litellm.key, model: model))
            .reply(
                to: ModelRequest(model: model, system: "S", messages: messages, tools: [LanguageModelTests.tool]),
                emit: told.tell)
    }

    @Test("LiteLLM's proxy understands us and we understand it: text, tools and failures, as OpenAI and as Anthropic")
    func proxy() async throws {
        try await FakeProvider.run { fake in
            let bridge = """
                  - {model_name: bridge, litellm_params: {model: hosted_vllm/fake, api_base: "\(fake.address)/v1", api_key: none}}
                  - {model_name: claude, litellm_params: {model: anthropic/fake, api_base: "\(fake.address)", api_key: none}}
                """
            try await Litellm.run(Self.mocks + "\n" + bridge) { proxy in
                for vendor in ["openai", "anthropic"] {
                    let told = Told()
                    let text = try await ask(vendor, proxy, "text", told: told)
                    #expect(text.text == "Grüße from the mock, in words." && told.text == text.text)
                    #expect(text.stop == .complete && (text.inputTokens ?? 0) > 0 && (text.outputTokens ?? 0) > 0)
                }
                guard case .busy? = await failure("openai", proxy, "busy") else {
                    Issue.record("429 is not busy")
                    return
                }
                #expect(await failure("openai", proxy, "broken") == .unavailable("the provider failed (500)"))
                #expect(await failure("openai", proxy, "long") == .contextTooLong)
                guard case .rejected(let reason)? = await failure("openai", proxy, "nothing") else {
                    Issue.record("a model that isn't there answers")
                    return
                }
                #expect(reason.contains("nothing") && !reason.contains("canary"))
                for (vendor, model) in [("openai", "bridge"), ("anthropic", "bridge"), ("openai", "claude")] {
                    try await tools(vendor, model, proxy, fake)
                }
                let list = try await ModelDiscovery(http: NetworkHTTP(), now: { 0 }, resolve: { $0 })
                    .ask(TestRow.model("openai", proxy.address, key: Litellm.key).provider)
                #expect(list.map(\.id) == ["bridge", "broken", "busy", "claude", "long", "text"])
            }
        }
    }

    /// What our fake says goes through the proxy's translation, and our conversation through it to the fake.
    private func tools(_ vendor: String, _ model: String, _ proxy: Litellm, _ fake: FakeProvider) async throws {
        fake.script([
            .call("vault_search_notes", #"{"query":"größe"}"#, id: "call_9", saying: "Looking."), .text("Found it."),
        ])
        let told = Told()
        let first = try await ask(vendor, proxy, model, told: told)
        #expect(told.text == "Looking." && first.stop == .toolCalls, "\(vendor) \(model)")
        let call = try #require(first.calls.first, "\(vendor) \(model)")
        #expect(call.name == "vault_search_notes")
        #expect(JSONValue(parsing: call.arguments) == ["query": "größe"], "\(vendor) \(model): \(call.arguments)")
        let second = try await ask(
            vendor, proxy, model,
            [
                .user("Find"), .assistant(first.text, calls: first.calls),
                .tool(callID: call.id, name: call.name, ToolResult("the note")), .user("And?"),
            ])
        #expect(second.text == "Found it." && second.stop == .complete)
        let sent = try #require(fake.conversations.last).body
        #expect(sent.contains("the note") && sent.contains("vault_search_notes"))
    }

    private func failure(_ vendor: String, _ proxy: Litellm, _ model: String) async -> ModelError? {
        do {
            _ = try await ask(vendor, proxy, model)
            return nil
        } catch { return error as? ModelError }
    }
}
