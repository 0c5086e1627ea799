import Testing

@testable import Agent

// P-81: retries respect limits.

@Suite struct RetryTests {
    private static let answer = ModelReply(text: "here")

    /// Fails so often, then answers.
    private static func flaky(_ times: Int, _ error: ModelError) -> ScriptedModel {
        ScriptedModel { number, _, emit in
            if number <= times { throw error }
            await emit("here")
            return answer
        }
    }

    @Test("P-81: Retry-After is waited for, and not longer than a minute")
    func retryAfter() async throws {
        let model = Self.flaky(1, .busy(retryAfter: 17))
        let models = TestModels(model)
        let listener = TestListener()
        #expect(try await models.ask(listener: listener).text == "here")
        #expect(models.clock.pauses == [17])
        #expect(await listener.statuses.contains { $0.contains("busy") && $0.contains("Trying again in 17 s") })

        let long = TestModels(["one": Self.flaky(1, .busy(retryAfter: 61)), "two": Self.flaky(0, .unauthorized)])
        #expect(try await long.ask().model == "fake:two")
        #expect(long.clock.pauses.isEmpty)
    }

    @Test("P-81: a series of failures is bounded, and the chain is followed in its order")
    func bounded() async throws {
        let down = ModelError.unavailable("503")
        let models = TestModels([
            "one": ScriptedModel(failing: down), "two": ScriptedModel(failing: .busy(retryAfter: nil)),
            "three": Self.flaky(2, down),
        ])
        let listener = TestListener()
        let outcome = try await models.ask(listener: listener)
        #expect(outcome.model == "fake:three" && outcome.text == "here")
        #expect(models.models.mapValues(\.requests.count) == ["one": 3, "two": 3, "three": 3])
        // Doubled each time, at most: chance is 1 here.
        #expect(models.clock.pauses == [1, 2, 1, 2, 1, 2])
        let changes = await listener.statuses.filter { $0.contains("instead") }
        #expect(changes.count == 2 && changes[0].contains("fake:two") && changes[1].contains("fake:three"))

        let dead = TestModels(["one": ScriptedModel(failing: down), "two": ScriptedModel(failing: down)])
        await #expect(throws: AgentError.self) { try await dead.ask() }
        #expect(dead.models.values.map(\.requests.count) == [3, 3])
    }

    @Test("P-81: nothing is tried again once a word was streamed")
    func afterTheFirstToken() async throws {
        let models = TestModels([
            "one": ScriptedModel { _, _, emit in
                await emit("half")
                throw ModelError.unavailable("connection lost")
            }, "two": Self.flaky(0, .unauthorized),
        ])
        let listener = TestListener()
        do {
            _ = try await models.ask(listener: listener)
            Issue.record("it did not fail")
        } catch let error as AgentError {
            #expect("\(error)".contains("connection lost") && "\(error)".contains("breaks off"))
        }
        #expect(await listener.deltas == ["half"])
        #expect(models.models["one"]?.requests.count == 1 && models.models["two"]?.requests.isEmpty == true)
        #expect(models.clock.pauses.isEmpty)
        #expect(await listener.events.contains { if case .used = $0 { true } else { false } })
    }

    @Test func aWrongKeyIsNotTriedAgainAndItsFixIsNamed() async throws {
        let model = ScriptedModel(failing: .unauthorized)
        do {
            _ = try await TestModels(model).ask()
            Issue.record("it did not fail")
        } catch let error as AgentError {
            #expect("\(error)".contains("openagent providers update fake"))
        }
        #expect(model.requests.count == 1)
    }

    @Test func theModelThatAnsweredGoesOn() async throws {
        let models = TestModels([
            "one": ScriptedModel(failing: .unauthorized),
            "two": ScriptedModel(replies: [
                ModelReply(calls: [ToolCall(id: "c", name: "x_do", arguments: "")], stop: .toolCalls), Self.answer,
            ]),
        ])
        #expect(try await models.ask().text == "here")
        #expect(models.models["one"]?.requests.count == 1, "the second step asks the second model at once")
    }

    @Test func theLibrarianMayEndTheChain() async throws {
        var models = TestModels(["one": ScriptedModel(failing: .unauthorized)])
        models.settings.fallback = ["builtin:librarian"]
        #expect(try await models.ask("hello").model == "builtin:librarian")
    }

    @Test func stoppingEndsAPause() async throws {
        var models = TestModels(ScriptedModel(failing: .busy(retryAfter: 60)))
        models.clock = TurnedClock()
        let task = Task { [models] in try await models.ask() }
        await models.clock.sleepers()
        task.cancel()
        #expect(try await task.value.interrupted)
    }

    // MARK: Context

    @Test func aConversationThatIsTooLongIsCutOnceMoreAndAskedAgain() async throws {
        let model = ScriptedModel { number, _, _ in
            if number == 1 { throw ModelError.contextTooLong }
            return Self.answer
        }
        var models = TestModels(model)
        models.rows[0].model.metadata = #"{"context_window":12000}"#
        let history = (0..<40).flatMap { number in
            [
                ChatMessage(role: .user, text: "\(number) " + String(repeating: "word ", count: 200)),
                ChatMessage(role: .assistant, text: "\(number)"),
            ]
        }
        #expect(try await models.ask(history: history).text == "here")
        let counts = model.requests.map(\.messages.count)
        #expect(counts[0] < 81 && counts[1] < counts[0] * 2 / 3, "\(counts)")
        #expect(model.requests.allSatisfy { $0.messages.last == .user("hello") })
        #expect(model.requests[1].system.contains("left out"))
        let always = TestModels(ScriptedModel(failing: .contextTooLong))
        await #expect(throws: AgentError.self) { try await always.ask() }
        #expect(always.models["one"]?.requests.count == 2)
    }

    @Test func whatIsTooMuchGoesFromTheOldest() {
        let budget = ContextBudget(window: 4_000, fixed: 0)
        let long = String(repeating: "x", count: 2_000)
        let history: [ModelMessage] = [
            .user("a" + long), .assistant("b" + long, calls: []), .user("c"), .assistant("d", calls: []),
        ]
        let turn: [ModelMessage] = [
            .user("e"), .assistant("", calls: [ToolCall(id: "1", name: "x", arguments: "{}")]),
            .tool(callID: "1", name: "x", ToolResult(long)),
        ]
        #expect(budget.fit(history: history, turn: turn) == (history + turn, false))
        let small = ContextBudget(window: 1_100, fixed: 0)
        let (messages, isCut) = small.fit(history: history, turn: turn)
        #expect(isCut && messages.first == .user("c") && messages.last == turn.last)
        #expect(ContextBudget.tokens(messages) <= small.tokens)
        let more = turn + [.assistant("", calls: []), .tool(callID: "2", name: "x", ToolResult("short"))]
        let tight = ContextBudget(window: 400, fixed: 0).fit(history: history, turn: more).messages
        let first = tight.first { if case .tool("1", _, _) = $0 { true } else { false } }
        guard case .tool(_, _, let result)? = first else { return #expect(Bool(false), "\(tight)") }
        #expect(result.text.contains("shortened") && tight.last == more.last)
    }
}

private func == (
    left: (messages: [ModelMessage], isCut: Bool), right: ([ModelMessage], Bool)
) -> Bool { left.messages == right.0 && left.isCut == right.1 }
