import Foundation
import GRDB
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// What models cost is recorded once, and what a day may cost is not exceeded, whoever sends what at the same time.

@Suite struct UsageTests {
    private static func caps(_ change: (inout UsageCaps) -> Void, zone: String = "GMT") throws -> UsageSettings {
        var caps = UsageCaps()
        change(&caps)
        return UsageSettings(caps: caps, timeZone: try #require(TimeZone(identifier: zone)))
    }

    private struct PriceList: Prices {
        func price(of model: String) -> ModelPrice? { all()[model] }
        func all() -> [String: ModelPrice] { ["priced": ModelPrice(input: 0.15, output: 0.6)] }
    }

    private static func refusal(of message: ServerMessage) -> BudgetDetails? {
        message.errorCode == .budgetExceeded ? message.budget : nil
    }

    // MARK: Limits

    @Test("P-94: of many turns at the same time, one below the limit, exactly one is let through")
    func parallelTurnsShareWhatIsLeft() async throws {
        let gateway = try TestGateway(
            ScriptedAgent(.immediate { _ in "answer" }), usage: try Self.caps { $0.user.requests = 3 })
        try await gateway.run { running in
            let first = try await running.webSocket(gateway.device())
            for _ in 1...2 {
                try await first.say("hello")
                _ = try await first.messages { $0.isTurnEnd }
            }
            let passed = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 1...8 {
                    group.addTask {
                        let socket = try await running.webSocket(gateway.device())
                        try await socket.say("hello", session: UUID().uuidString)
                        let messages = try await socket.messages { $0.isTurnEnd || $0.errorCode != nil }
                        let isAnswered = messages.contains { $0.responseText == "answer" }
                        if !isAnswered {
                            let details = try #require(messages.compactMap(Self.refusal).first, "\(messages)")
                            #expect(details.limit == 3 && details.scope == "user" && details.key == "ana")
                        }
                        return isAnswered
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(passed == 1)
            #expect(gateway.agent.runs.count == 3)
            // Another user has their own.
            let other = try await running.webSocket(gateway.device("bob"))
            try await other.say("hello")
            #expect(try await other.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["answer"])
        }
    }

    @Test(
        "P-94: a day ends at midnight of the configured time zone, also when the clocks change",
        arguments: ["Pacific/Auckland", "America/New_York", "GMT"])
    func limitsBeginAnewAtMidnight(_ zone: String) async throws {
        let settings = try Self.caps({ $0.agent.requests = 1 }, zone: zone)
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "answer" }), usage: settings)
        try await gateway.run { running in
            // An hour and a half before an end of day.
            let end = settings.day(of: gateway.clock.now + 86_400).upperBound
            gateway.clock.advance(by: end - gateway.clock.now - 5_400)
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("one")
            _ = try await socket.messages { $0.isTurnEnd }
            try await socket.say("two", id: "m2")
            let refused = try #require(try await socket.messages { $0.errorCode != nil }.last)
            #expect(Self.refusal(of: refused)?.resetsAt == end && refused.messageID == "m2")
            gateway.clock.advance(by: 5_401)
            let later = try await running.webSocket(device)
            try await later.say("three")
            #expect(try await later.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["answer"])
        }
        // The day on which the clocks of New York go back has 25 hours.
        let long = try Self.caps({ $0.agent.requests = 1 }, zone: "America/New_York").day(of: 1793534400)
        #expect(long.upperBound - long.lowerBound == 25 * 3_600)
    }

    @Test("P-94: a database that does not say what was used lets nothing through")
    func unknownUsageDenies() async throws {
        let gateway = try TestGateway(
            ScriptedAgent(.immediate { _ in "answer" }), usage: try Self.caps { $0.user.requests = 100 })
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await gateway.database.pool.write { try $0.execute(sql: "DROP TABLE usage_turns") }
            try await socket.say("hello", id: "m")
            #expect(try await socket.message().errorCode == .unavailable)
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    @Test("P-95: a refusal names the limit, what is used and when it begins anew, in words and as data")
    func refusalsAreStructured() async throws {
        let gateway = try TestGateway(usage: try Self.caps { $0.user.cost = 250_000_000 })
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            let run = TurnOutcome(text: "x", model: "test", usage: TurnUsage(inputTokens: 1, cost: 0.25))
            _ = try await gateway.turn("hello", on: socket, run)
            try await socket.say("again", id: "m")
            let refused = try await socket.message()
            let details = try #require(Self.refusal(of: refused))
            #expect(details.cap == "cost" && details.limit == 0.25 && details.used == 0.25 && details.key == "ana")
            #expect(details.resetsAt > gateway.clock.now)
            let text = try #require(refused.text)
            for part in ["$0.25", "user ana", "used", "begins anew at 20"] { #expect(text.contains(part), "\(text)") }
            // Sent again it is refused again, and once there is room it is taken.
            try await socket.say("again", id: "m")
            #expect(try await socket.message().errorCode == .budgetExceeded)
            // Over REST the same, as an error of its own status.
            let exceeded = BudgetExceeded(details: details, resets: "later")
            let body = ErrorBody(
                code: exceeded.response.code, message: exceeded.response.message, hint: exceeded.response.hint,
                details: exceeded.response.details)
            #expect(exceeded.response.status.code == 402 && exceeded.response.hint != nil)
            let json = String(decoding: body.json(), as: UTF8.self)
            for part in [#""code":"budget_exceeded""#, #""resets_at":"#, #""used":0.25"#, #""scope":"user""#] {
                #expect(json.contains(part), "\(json)")
            }
            // Whoever asks sees what is left.
            let body2 = try await running.stream(gateway.device("ana")).ask("GET", "/api/usage").decode(UsageBody.self)
            #expect(body2.caps.map(\.used) == [0.25] && body2.caps.map(\.limit) == [0.25])
        }
    }

    @Test("P-95: POST /api/chat answers 402 with the limit as data, before a turn is made and when one may not start")
    func refusalsOverREST() async throws {
        let gateway = try TestGateway(usage: try Self.caps { $0.user.requests = 1 })
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("hello", id: "1")
            let run = try await gateway.agent.nextRun()
            try await socket.say("let in while there was room?", id: "2")
            run.answer("done")
            _ = try await socket.messages { $0.messageID == "2" && $0.errorCode == .budgetExceeded }
            for id in ["", #","message_id":"m""#] {
                let answer = try await running.stream(device).ask("POST", "/api/chat", #"{"message":"hello"\#(id)}"#)
                try Self.expectRefusal(answer)
            }
            let body = #"{"message":"hello"}"#
            let stream = try await running.stream(device)
            try await stream.send(
                "POST /api/chat HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            try Self.expectRefusal(try #require(try await stream.response()))
            #expect(gateway.agent.runs.count == 1)
        }
    }

    @Test("P-95: a turn that waited while others used up the day is refused in its place, and the next of its lane too")
    func waitingTurnsAreRefusedInTheirPlace() async throws {
        var limits = GatewayLimits.patient
        limits.chatTime = .seconds(60)
        let gateway = try TestGateway(limits: limits, usage: try Self.caps { $0.user.cost = 1_000_000_000 })
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("hello", id: "1")
            let run = try await gateway.agent.nextRun()
            async let chat = running.stream(device).ask("POST", "/api/chat", #"{"message":"two","session_id":"s"}"#)
            _ = try await socket.messages { $0.position == 1 }
            try await socket.say("three", id: "3")
            _ = try await socket.messages { $0.position == 2 }
            run.answer(TurnOutcome(text: "x", model: "test", usage: TurnUsage(inputTokens: 1, cost: 1)))
            try Self.expectRefusal(try await chat)
            let told = try await socket.messages { $0.isTurnEnd && $0.messageID == "3" }
            #expect(told.contains { $0.messageID == "3" && Self.refusal(of: $0)?.used == 1 })
            #expect(gateway.agent.runs.count == 1)
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        }
    }

    private static func expectRefusal(_ answer: TestResponse) throws {
        #expect(answer.status == 402 && answer.code == "budget_exceeded" && answer.hint != nil, "\(answer)")
        let error = try #require(answer.json["error"] as? [String: Any])
        let details = try #require(error["details"] as? [String: Any], "\(answer)")
        #expect(details["scope"] as? String == "user" && details["key"] as? String == "ana")
        #expect(details["limit"] as? Double == 1 && details["used"] as? Double == 1)
        #expect(details["resets_at"] as? Double ?? 0 > 0)
    }

    @Test func eachScopeAndKindOfLimitHolds() async throws {
        for (scope, kind) in UsageScope.allCases.flatMap({ scope in UsageCap.Kind.allCases.map { (scope, $0) } }) {
            let gateway = try TestGateway(
                usage: try Self.caps { caps in
                    switch kind {
                    case .requests: caps[scope].requests = 1
                    case .tokens: caps[scope].tokens = 10
                    case .cost: caps[scope].cost = 1
                    }
                })
            try await gateway.run { running in
                let device = gateway.device()
                let socket = try await running.webSocket(device)
                let outcome = TurnOutcome(
                    text: "x", model: "test", usage: TurnUsage(inputTokens: 6, outputTokens: 4, cost: 0.001))
                _ = try await gateway.turn("hello", on: socket, outcome)
                try await socket.say("again")
                let details = Self.refusal(of: try await socket.message())
                #expect(details?.scope == scope.rawValue && details?.cap == kind.rawValue, "\(scope) \(kind)")
            }
        }
    }

    @Test func limitsAreReadFromTheConfigurationAndMinusOneIsNone() throws {
        let folder = try LifecycleFixture.folder()
        let directory = AgentDirectory(folder + "/agent")
        _ = try directory.create()
        func load(_ yaml: String) throws -> AgentConfiguration {
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: directory.configuration))
            return try AgentConfiguration.load(directory, environment: [:]).configuration
        }
        let configuration = try load(
            """
            logging: {max_size: 65536, keep: 2}
            usage:
              timezone: Europe/Vienna
              monthly_budget: 20
              caps:
                agent: {requests: 1000, tokens: -1, cost: 2.5}
                user: {requests: -1, cost: -1}
            """)
        #expect(configuration.usage.caps.agent == UsageCap(requests: 1_000, cost: 2_500_000_000))
        #expect(configuration.usage.caps.user.isEmpty && configuration.usage.caps.model.isEmpty)
        #expect(configuration.usage.settings.timeZone.identifier == "Europe/Vienna")
        #expect(configuration.usage.monthlyBudget == 20)
        #expect(configuration.logFiles == LogFileLimits(size: 65_536, keep: 2))
        for yaml in [
            "usage: {timezone: Nowhere/Town}", "usage: {caps: {user: {requests: many}}}", "logging: {max_size: 1}",
        ] {
            #expect(throws: ConfigurationError.self) { try load(yaml) }
        }
    }

    // MARK: Records

    @Test("calls of a model are recorded at once and once, also when the turn is stopped; prices decide what they cost")
    func callsAreRecordedHoweverATurnEnds() async throws {
        var settings = UsageSettings()
        settings.prices = PriceList()
        let gateway = try TestGateway(usage: settings)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.say("hello", id: "m")
            let run = try await gateway.agent.nextRun()
            for _ in 1...2 {
                run.emit(.used(ModelCall(model: "priced", inputTokens: 1_000_000, outputTokens: 3)))
            }
            run.status("working")
            _ = try await socket.messages { $0.text == "working" }
            // Before the turn has ended: a crash does not lose it.
            #expect(try await gateway.sessions.usage(of: "ana", from: 0, before: .infinity).inputTokens == 2_000_000)
            try await socket.send(.interrupt(sessionID: "s"))
            let end = try #require(try await socket.messages { $0.isTurnEnd }.last)
            guard case .turnComplete(let complete) = end.body else { return }
            #expect(complete.inputTokens == 2_000_000 && complete.outputTokens == 6)
            #expect(complete.cost == 0.3000036)
            let sum = try await gateway.sessions.usage(of: "ana", from: 0, before: .infinity)
            #expect(sum.turns == 1 && sum.inputTokens == 2_000_000 && sum.cost == 0.3000036)
        }
    }

    @Test("what a turn used that another one took the place of counts once, in reports and in limits")
    func supersededTurnsCountOnce() async throws {
        let gateway = try TestGateway(usage: try Self.caps { $0.user.tokens = 1_000_000 })
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.send(.sessionOpen(.init(sessionID: "s", coalesceWindow: 1)))
            try await socket.say("one", id: "1")
            let first = try await gateway.agent.nextRun()
            first.emit(.used(ModelCall(model: "test", inputTokens: 100, outputTokens: 10, cost: 0.5)))
            first.delta("half an ans")
            _ = try await socket.messages { $0.text == "half an ans" }
            try await socket.say("two", id: "2")
            #expect(try await first.wasCancelled())
            let second = try await gateway.agent.nextRun()
            second.answer(
                TurnOutcome(
                    text: "whole", model: "test", usage: TurnUsage(inputTokens: 7, outputTokens: 3, cost: 0.25)))
            let end = try #require(try await socket.messages { $0.isTurnEnd }.last)
            #expect(end.messageIDs == ["1", "2"])
            let sum = try await gateway.sessions.usage(of: "ana", from: 0, before: .infinity)
            #expect(sum.turns == 2 && sum.inputTokens == 107 && sum.outputTokens == 13 && sum.cost == 0.75)
            let usage = try await running.stream(device).ask("GET", "/api/usage").decode(UsageBody.self)
            #expect(usage.requests == 2 && usage.monthlySpend == 0.75 && usage.caps.map(\.used) == [120])
            let open = try await gateway.database.pool.read {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM usage_turns WHERE is_open")
            }
            #expect(open == 0)
        }
    }

    @Test("members see their own usage, admins everybody's; days and groups add up")
    func reports() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            func get<Body: Decodable>(
                _ path: String, _ device: TestDevice, _ type: Body.Type = Body.self
            ) async throws -> Body {
                let stream = try await running.stream(device)
                let body = try await stream.ask("GET", path).decode(type)
                await stream.close()
                return body
            }
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob"))
            let root = gateway.device("root", standing: .active(role: .admin))
            for (device, model, cost) in [(ana, "a", 1.0), (ana, "b", 0.5), (bob, "a", 4.0)] {
                let outcome = TurnOutcome(
                    text: "x", model: model, usage: TurnUsage(inputTokens: 10, outputTokens: 2, cost: cost))
                _ = try await gateway.turn("hello", on: try await running.webSocket(device), outcome)
            }
            let own: UsageBody = try await get("/api/usage", ana)
            #expect(own.monthlySpend == 1.5 && own.byModel == ["a": 1, "b": 0.5] && own.requests == 2)
            #expect(own.remaining == nil && own.monthlyBudget == 0 && own.month.count == 7)
            let all: UsageBody = try await get("/api/usage", root)
            #expect(all.monthlySpend == 5.5 && all.inputTokens == 30)
            #expect(try await get("/api/usage?user=bob", root, UsageBody.self).monthlySpend == 4)
            #expect(try await running.stream(ana).ask("GET", "/api/usage?user=bob").status == 403)
            #expect(try await get("/api/usage?month=2020-01", root, UsageBody.self).monthlySpend == 0)
            let days: DailyUsageBody = try await get("/api/usage/daily?days=2", root)
            #expect(days.entries.map(\.model) == ["a", "b"] && days.entries.map(\.requestCount) == [2, 1])
            let users: GroupedUsageBody = try await get("/api/usage/by?group=user", root)
            #expect(users.rows.map(\.key) == ["bob", "ana"] && users.rows.map(\.cost) == [4, 1.5])
            #expect(try await get("/api/usage/by?group=user", ana, GroupedUsageBody.self).rows.map(\.key) == ["ana"])
            // Both have a session of the same name.
            let sessions: GroupedUsageBody = try await get("/api/usage/by?group=session", root)
            #expect(sessions.rows.map(\.user) == ["bob", "ana"] && sessions.rows.map(\.key) == ["s", "s"])
            let devices: GroupedUsageBody = try await get("/api/usage/by?group=device", root)
            #expect(devices.rows.map(\.key) == [bob.nodeID.hex, ana.nodeID.hex])
            #expect(try await get("/api/usage/by?group=day", root, GroupedUsageBody.self).rows.map(\.cost) == [5.5])
            // Page by page the same.
            var keys: [String] = []
            var cursor: String? = ""
            while let at = cursor {
                let page: GroupedUsageBody = try await get("/api/usage/by?group=model&limit=1&cursor=\(at)", root)
                keys += page.rows.map(\.key)
                cursor = page.nextCursor
            }
            #expect(keys == ["a", "b"])
            let pricing: PricingBody = try await get("/api/usage/pricing", ana)
            #expect(pricing.pricing["builtin:librarian"]?.inputCostPerMillion == 0)
            for query in [
                "by", "by?group=x", "by?group=day&from=2026-02-30", "by?group=day&from=2026-03-02&to=2026-03-01",
                "daily?days=0", "daily?days=x", "by?group=day&cursor=x", "by?group=day&from=0000-01-01",
            ] {
                #expect(try await running.stream(root).ask("GET", "/api/usage/\(query)").status == 400, "\(query)")
            }
            #expect(try await running.stream(root).ask("GET", "/api/usage?month=2026-1").status == 400)
        }
    }
}
