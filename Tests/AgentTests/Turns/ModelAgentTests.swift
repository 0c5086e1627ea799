import Foundation
import JSON
import Testing

@testable import Agent

@Suite struct ModelAgentTests {
    private static func calls(_ names: String..., arguments: String = "{}") -> ModelReply {
        ModelReply(
            calls: names.enumerated().map { ToolCall(id: "c\($0)", name: $1, arguments: arguments) }, stop: .toolCalls)
    }

    @Test func aTurnStreamsUsesToolsAndEnds() async throws {
        let server = FakeTools("x") { _, arguments, _ in ToolResult("found \(arguments["q"]?.string ?? "")") }
        let model = ScriptedModel(replies: [
            ModelReply(
                text: "Let me look.", calls: [ToolCall(id: "c", name: "x_look", arguments: #"{"q":"key"}"#)],
                stop: .toolCalls, inputTokens: 10, outputTokens: 5, cost: 0.25), ModelReply(text: "It is there."),
        ])
        let listener = TestListener()
        let journal = TestJournal()
        let outcome = try await TestModels(model, tools: AgentTools([server])).ask(journal: journal, listener: listener)
        #expect(outcome.text == "Let me look.\n\nIt is there." && outcome.model == "fake:one" && !outcome.interrupted)
        #expect(await listener.deltas.joined() == outcome.text)
        #expect(
            await journal.all.map(\.kind) == ["modelStep", "toolCall", "toolResult", "modelStep"],
            "the step is recorded before its tools run, and a call before it begins")
        let used = await listener.events.compactMap { if case .used(let call) = $0 { call } else { nil } }
        #expect(used.count == 2)
        #expect(used[0] == ModelCall(model: "fake:one", inputTokens: 10, outputTokens: 5, cost: 0.25))
        #expect(used[1].inputTokens > 50 && used[1].outputTokens == 3, "what a provider doesn't say is estimated")
        #expect(await listener.statuses.count { $0 == "Thinking..." } == 2)
        #expect(
            await listener.statuses.filter { $0.hasPrefix("{") } == [
                #"{"tool_args":{"q":"key"},"tool_call_id":"1.1","tool_name":"x_look"}"#,
                #"{"tool_args":{"q":"key"},"tool_call_id":"1.1","tool_name":"x_look","result":"found key"}"#
                    .sortedKeys,
            ])
        guard case .tool("c", "x_look", let result)? = model.requests[1].messages.last else {
            return #expect(Bool(false), "\(model.requests[1].messages)")
        }
        #expect(result == ToolResult("found key"))
    }

    @Test func aModelThatSaysTooMuchIsNotAskedOnAndOn() async throws {
        var long = Self.calls("x_do")
        long.text = String(repeating: "x", count: 3 << 20)
        let model = ScriptedModel(replies: [long, long, long])
        let outcome = try await TestModels(model, tools: AgentTools([FakeTools("x")])).ask()
        #expect(model.requests.count == 2 && outcome.text.hasSuffix("\n\n(I stopped here: the answer is too long.)"))
    }

    @Test func queriesOfOneStepRunAtOnceAndActionsInTheirOrder() async throws {
        let running = TestMutex((now: 0, most: 0))
        let server = FakeTools("x") { tool, _, _ in
            running.change {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            // Queries wait for each other: they end only when all three run.
            while tool == "look", running.value.most < 3, !Task.isCancelled { await Task.yield() }
            running.change { $0.now -= 1 }
            return ToolResult("ok")
        }
        let done = ModelReply(text: "done")
        let queries = ScriptedModel(replies: [Self.calls("x_look", "x_look", "x_look"), done])
        _ = try await TestModels(queries, tools: AgentTools([server])).ask()
        #expect(running.value.most == 3)
        running.change { $0 = (0, 0) }
        let mixed = ScriptedModel(replies: [Self.calls("x_do", "x_do", "x_do"), done])
        _ = try await TestModels(mixed, tools: AgentTools([server])).ask()
        #expect(running.value.most == 1 && server.ran.suffix(3) == ["1.1", "1.2", "1.3"])
    }

    @Test func argumentsThatAreNoJSONAreToldToTheModel() async throws {
        let server = FakeTools("x")
        let model = ScriptedModel(replies: [Self.calls("x_do", arguments: "{\"a\":"), ModelReply(text: "sorry")])
        _ = try await TestModels(model, tools: AgentTools([server])).ask()
        guard case .tool(_, _, let result)? = model.requests[1].messages.last else { return #expect(Bool(false)) }
        #expect(result.isError && result.text.contains("no JSON object") && server.ran.isEmpty)
    }

    @Test func aTurnThatNeverEndsIsStoppedAndSaysSo() async throws {
        var models = TestModels(ScriptedModel(replies: [Self.calls("x_do")]), tools: AgentTools([FakeTools("x")]))
        models.settings.steps = 3
        let outcome = try await models.ask()
        #expect(outcome.text.contains("at most 3 steps") && models.models["one"]?.requests.count == 3)
    }

    @Test("stopping ends a model and a tool within 200 ms, and what was said is kept", arguments: [false, true])
    func stopping(_ inTool: Bool) async throws {
        let server = FakeTools("x") { _, _, _ in
            try? await Task.sleep(for: .seconds(60))
            return ToolResult("stopped", isError: true)
        }
        let model = ScriptedModel { _, _, emit in
            await emit("half a")
            if inTool { return ModelReply(text: "half a", calls: Self.calls("x_do").calls, stop: .toolCalls) }
            try await Task.sleep(for: .seconds(60))
            return ModelReply(text: "never")
        }
        let listener = TestListener()
        let journal = TestJournal()
        let models = TestModels(model, tools: AgentTools([server]))
        let task = Task { try await models.ask(journal: journal, listener: listener) }
        // Thinking, the words, and with a tool what was used and that it runs.
        await listener.waitFor(events: inTool ? 4 : 2)
        let stopped = ContinuousClock.now
        task.cancel()
        let outcome = try await task.value
        #expect(ContinuousClock.now - stopped < .milliseconds(200))
        #expect(outcome.text == "half a" && outcome.interrupted)
        if inTool { #expect(await journal.all.last == .toolFailed(id: "1.1", output: "stopped")) }
        let used = await listener.events.contains { if case .used = $0 { true } else { false } }
        #expect(used, "what was begun counts")
    }

    @Test func withoutAModelTheLibrarianAnswers() async throws {
        var models = TestModels([:])
        #expect(try await models.ask("hello").model == "builtin:librarian")
        #expect(await models.agent(try TestVault()).models().map(\.id) == ["builtin:librarian"])
        models.rows = [.test("off", isEnabled: false)]
        #expect(try await models.ask("hello").model == "builtin:librarian")
    }

    @Test func aLibrariansTurnIsEndedByTheLibrarianAlsoWhenAModelWasAdded() async throws {
        let model = ScriptedModel(replies: [ModelReply(text: "no")])
        let journal = TestJournal([.modelReply("Said already.")])
        let outcome = try await TestModels(model).ask(journal: journal)
        #expect(outcome.text == "Said already." && model.requests.isEmpty)
    }

    @Test func thePinIsFollowedThenTheDefaultThenTheFirst() async throws {
        let answer = { (text: String) in ScriptedModel(replies: [ModelReply(text: text)]) }
        var models = TestModels(["one": answer("1"), "two": answer("2"), "three": answer("3")])
        models.settings.fallback = []
        #expect(try await models.ask().text == "1")
        models.rows[1].model.isDefault = true
        #expect(try await models.ask().text == "2")
        #expect(try await models.ask(model: "fake:three").text == "3")
        #expect(
            await models.agent(try TestVault()).models().map(\.id)
                == ["fake:two", "fake:one", "fake:three", "builtin:librarian"])
        models.rows[2].model.isEnabled = false
        let listener = TestListener()
        #expect(try await models.ask(model: "fake:three", listener: listener).text == "2")
        #expect(await listener.statuses.first == "The model fake:three is not there any more; fake:two answers.")
    }

    @Test func theModelIsToldWhatItIsAndWhatWasSaid() async throws {
        let model = ScriptedModel(replies: [ModelReply(text: "ok")])
        var models = TestModels(model, tools: AgentTools([FakeTools("vault")]))
        models.settings.systemPrompt = "Speak like a pirate."
        models.settings.agent = .init(name: "Ada", vault: "/notes", time: "now")
        _ = try await models.ask(
            "and now?",
            history: [
                ChatMessage(role: .system, text: "Summary: it rained."), ChatMessage(role: .user, text: "hi"),
                ChatMessage(role: .assistant, text: "hel", interrupted: true),
            ])
        let request = try #require(model.requests.first)
        for part in [
            "You are Ada", "/notes", "<server>_<tool>", "Rules of memory", "[FILE:/path]", "Speak like a pirate.",
            "Summary: it rained.", "<session-id>s1</session-id>",
        ] {
            #expect(request.system.contains(part), "\(part)")
        }
        #expect(request.system.hasSuffix("<session-id>s1</session-id>"))
        #expect(
            request.messages == [
                .user("hi"), .assistant("hel\n\n[The user stopped this answer here.]", calls: []), .user("and now?"),
            ])
        #expect(request.tools.map(\.fullName) == ["vault_look", "vault_do"])
    }

    @Test func summariesComeFromTheModelAndAreCounted() async throws {
        let model = ScriptedModel(replies: [ModelReply(text: "They spoke of rain.", inputTokens: 7, outputTokens: 3)])
        let calls = TestMutex<[ModelCall]>([])
        let summary = try await TestModels(model).agent(try TestVault()).summarize(
            [ChatMessage(role: .user, text: "It rains.")], model: nil
        ) { call in calls.change { $0.append(call) } }
        #expect(summary == "They spoke of rain.")
        #expect(calls.value == [ModelCall(model: "fake:one", inputTokens: 7, outputTokens: 3)])
    }

    @Test func secretsAndLongTextsAreNotShown() throws {
        let text = ToolStatus.running(
            "x_do", id: "1",
            ["api_key": "sk-1", "nested": ["Password": "hunter2"], "text": .string(String(repeating: "a", count: 900))])
        #expect(!text.contains("sk-1") && !text.contains("hunter2") && text.utf8.count < 700)
        let many = Dictionary(uniqueKeysWithValues: (0..<500).map { ("key\($0)", JSONValue.string("some value")) })
        #expect(ToolStatus.running("x_do", id: "1", many).utf8.count < 200)
    }
}

extension JournalEntry {
    var kind: String {
        switch self {
        case .toolCall: "toolCall"
        case .toolResult: "toolResult"
        case .toolFailed: "toolFailed"
        case .modelReply: "modelReply"
        case .modelStep: "modelStep"
        }
    }
}

extension String {
    /// A JSON object with its keys in the order of the alphabet.
    fileprivate var sortedKeys: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let value = try? JSONDecoder().decode(JSONValue.self, from: Data(utf8))
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? self
    }
}
