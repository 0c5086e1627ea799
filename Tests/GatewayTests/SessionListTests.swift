import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// A user's sessions over REST: the list page by page, titles, removal, and what of a session can be read. What clearing archives is
// in SessionRoutesTests.

@Suite struct SessionListTests {
    private static let immediate = ScriptedAgent.Mode.immediate { "re: \($0.text)" }

    /// Says something in each session and has the answers.
    private static func talk(_ socket: TestWebSocket, in sessions: [String]) async throws {
        for session in sessions {
            try await socket.say("in \(session)", session: session)
            _ = try await socket.messages { $0.isTurnEnd }
        }
    }

    @Test("OAG-74: the list is read page by page; what goes on meanwhile shifts and repeats nothing else")
    func pagesAreStable() async throws {
        let gateway = try TestGateway(ScriptedAgent(Self.immediate))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await Self.talk(socket, in: (1...7).map { "s\($0)" })
            var seen: [String] = []
            var cursor = ""
            repeat {
                let page = try await running.read("/api/sessions?limit=3\(cursor)", device, SessionsBody.self)
                seen += page.sessions.map(\.sessionID)
                #expect(page.sessions.count <= 3)
                // One that was seen goes to the front, and a new one comes.
                try await Self.talk(socket, in: ["s7", "new\(seen.count)"])
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(seen == (1...7).reversed().map { "s\($0)" })
            for query in ["limit=0", "limit=1001", "cursor=x", "cursor=%5B1%5D"] {
                let answer = try await running.stream(device).ask("GET", "/api/sessions?\(query)")
                #expect(answer.status == 400 && answer.code == "invalid", "\(query): \(answer)")
            }
        }
    }

    @Test func aSessionThatIsOnlyOpenedLeavesNothingBehind() async throws {
        let gateway = try TestGateway(ScriptedAgent(Self.immediate))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for number in 1...20 {
                try await socket.send(.sessionOpen(.init(sessionID: "\(number)", afterSequence: 0)))
            }
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
            #expect(try await gateway.sessions.find(handle: "ana", sessionID: "1") == nil)
            #expect(try await gateway.sessions.handles().isEmpty)
            // It is one as soon as something is said, and whoever opened it before hears it.
            try await Self.talk(socket, in: ["1"])
            let list = try await running.read("/api/sessions", device, SessionsBody.self)
            #expect(list.sessions.map(\.sessionID) == ["1"] && list.sessions[0].clientID == "ana")
        }
    }

    @Test func aUserHasNoMoreSessionsThanAllowedAndIsToldWhatToDo() async throws {
        var limits = GatewayLimits.patient
        limits.sessionsPerUser = 2
        let gateway = try TestGateway(ScriptedAgent(Self.immediate), limits: limits)
        try await gateway.run { running in
            let (ana, bob) = (gateway.device(), gateway.device("bob"))
            let socket = try await running.webSocket(ana)
            try await Self.talk(socket, in: ["a", "b", "a"])
            try await socket.say("one more", session: "c")
            let refusal = try await socket.message()
            #expect(refusal.errorCode == .conflict && refusal.text?.contains("2 sessions") == true)
            let pin = try await running.stream(ana).ask("PUT", "/api/sessions/c/pin", #"{"model":"test"}"#)
            #expect(pin.status == 409 && pin.code == "conflict")
            try await socket.send(.command(.init(name: "model", sessionID: "c", argument: "test")))
            #expect(try await socket.message().failure == .conflict)
            try await Self.talk(try await running.webSocket(bob), in: ["c"])
            // Room is made by removing one, not by clearing it.
            #expect(try await running.stream(ana).ask("POST", "/api/sessions/a/clear").status == 200)
            try await socket.say("one more", session: "c")
            #expect(try await socket.message().errorCode == .conflict)
            #expect(try await running.stream(ana).ask("DELETE", "/api/sessions/a").status == 200)
            try await Self.talk(socket, in: ["c"])
        }
    }

    @Test func aTitleIsShownInListsAndInTheStateAndWrongOnesAreRefused() async throws {
        let gateway = try TestGateway(ScriptedAgent(Self.immediate))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await Self.talk(socket, in: ["s"])
            let title = String(repeating: "ä", count: 200)
            func patch(_ body: String, _ session: String = "s") async throws -> TestResponse {
                try await running.stream(device).ask("PATCH", "/api/sessions/\(session)", body)
            }
            let changed = try await patch(#"{"title":"\#(title)"}"#)
            #expect(changed.status == 200 && changed.json["title"] as? String == title)
            #expect(try await running.read("/api/sessions", device, SessionsBody.self).sessions[0].title == title)
            try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: 1_000_000)))
            guard case .sessionState(let state) = try await socket.message().body else { throw Timeout(what: "state") }
            #expect(state.title == title)
            for body in [
                #"{"title":""}"#, #"{"title":" "}"#, #"{"title":"\#(title)x"}"#, #"{"title":"a\nb"}"#, #"{}"#,
                #"{"title":1}"#, "[]", "",
            ] { #expect(try await patch(body).status == 400, "\(body)") }
            #expect(try await patch(#"{"title":"x"}"#, "nothing").status == 404)
            #expect(try await patch(#"{"title":null}"#).status == 200)
            #expect(try await running.read("/api/sessions/s", device, SessionBody.self).title == nil)
        }
    }

    @Test("what was cleared is not replayed; a client that was behind gets the empty transcript and goes on counting")
    func clearedEventsAreGone() async throws {
        let gateway = try TestGateway(ScriptedAgent(Self.immediate))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await socket.say("canary", id: "canary")
            let end = try #require(try await socket.messages { $0.isTurnEnd }.last?.sequence)
            _ = try await socket.command("clear")
            let back = try await running.webSocket(device)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
            let state = try await back.message()
            guard case .sessionState(let content) = state.body else { throw Timeout(what: "the state") }
            #expect(content.messages.isEmpty && state.sequence ?? 0 >= end)
            // The message is still known by its id; what was answered is not told again.
            try await back.say("canary", id: "canary")
            let repeated = try await back.messages { $0.isTurnEnd }
            #expect(!repeated.contains { $0.text?.contains("canary") == true })
            try await back.say("next")
            let next = try await back.messages { $0.isTurnEnd }.last?.sequence
            #expect(next ?? 0 > end)
            let events = try await running.read("/api/sessions/s/events", device, SessionEventsBody.self)
            #expect(events.floor >= Int64(end) && !"\(events.events)".contains("canary"))
        }
    }

    @Test("OAG-75: a model is pinned, read and unpinned under both names, to the same effect")
    func bothSpellingsPin() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            for (method, path, body) in [
                ("POST", "pin", #"{"model":"other"}"#), ("PUT", "pin", #"{"runtime_id":"other"}"#),
                ("PUT", "model", #"{"runtime_id":"other"}"#), ("PUT", "model", #"{"model":"other"}"#),
            ] {
                let pinned = try await stream.ask(method, "/api/sessions/s/\(path)", body).decode(PinnedSession.self)
                #expect(pinned == PinnedSession(sessionID: "s", model: "other") && pinned.pinned)
                #expect(try await stream.ask("GET", "/api/sessions/s/model").decode(PinnedSession.self) == pinned)
                let free = try await stream.ask("DELETE", "/api/sessions/s/\(path == "pin" ? "model" : "pin")")
                #expect(free.json["pinned"] as? Bool == false && free.status == 200)
                let none = try await stream.ask("GET", "/api/sessions/s/model").decode(PinnedSession.self)
                #expect(none.runtimeID == nil && !none.pinned)
            }
            #expect(try await stream.ask("PUT", "/api/sessions/s/model", #"{"runtime_id":"gpt-9"}"#).status == 404)
            #expect(try await stream.ask("PUT", "/api/sessions/s/model", "{}").status == 400)
            #expect(try await stream.ask("GET", "/api/sessions/nothing/model").status == 404)
        }
    }

    @Test func runsEventsAndContextTellWhatIsKept() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for text in ["one", "two", "three"] { try await gateway.turn(text, on: socket) }
            var texts: [String] = []
            var cursor = ""
            repeat {
                let page = try await running.read("/api/sessions/s/runs?limit=2\(cursor)", device, SessionRunsBody.self)
                #expect(page.messages.map(\.role) == ["user", "assistant"])
                #expect(page.messages.map(\.model) == [nil, "test"] && page.messages.map(\.author) == ["ana", nil])
                #expect(Set(page.messages.map(\.turnID)).count == 1)
                texts = page.messages.map(\.text) + texts
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(texts == ["one", "re: one", "two", "re: two", "three", "re: three"])

            var kinds: [String] = []
            var after = "?after=0"
            while true {
                let page = try await running.read(
                    "/api/sessions/s/events\(after)&limit=4", device, SessionEventsBody.self)
                kinds += page.events.compactMap { $0["type"]?.string }
                guard let next = page.nextCursor else {
                    let rest = try await running.read(
                        "/api/sessions/s/events?after=\(page.last)", device, SessionEventsBody.self)
                    #expect(rest.events.isEmpty && rest.last == page.last)
                    break
                }
                after = "?cursor=\(next)"
            }
            #expect(kinds == Array(repeating: ["response", "turn_complete"], count: 3).flatMap { $0 })
            let context = try await running.read("/api/sessions/s/context", device, SessionContextBody.self)
            #expect(context.messages == 6 && context.folded == 0 && context.summary == nil && !context.pinned)
            #expect(context.tokens > 0 && context.model != nil)
        }
    }

    @Test("weakness: nobody reads or changes another user's session, whatever the query says")
    func nobodyReachesAnothersSession() async throws {
        let gateway = try TestGateway(ScriptedAgent(Self.immediate))
        try await gateway.run { running in
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob", standing: .active(role: .admin)))
            try await Self.talk(try await running.webSocket(ana), in: ["canary"])
            for (method, path, body) in [
                ("GET", "", nil), ("GET", "/messages", nil), ("GET", "/runs", nil), ("GET", "/events", nil),
                ("GET", "/context", nil), ("GET", "/model", nil), ("PATCH", "", #"{"title":"mine"}"#),
                ("DELETE", "", nil), ("POST", "/clear", nil),
            ] as [(String, String, String?)] {
                for query in ["", "?client_id=ana", "?handle=ana"] {
                    let answer = try await running.stream(bob).ask(
                        method, "/api/sessions/canary\(path)\(query)", body)
                    #expect(answer.status == 404 && !answer.body.contains("canary"), "\(method) \(path): \(answer)")
                }
            }
            let mine = try await running.read("/api/sessions", ana, SessionsBody.self).sessions
            #expect(mine.map(\.messages) == [2] && mine.map(\.title) == [nil])
        }
    }

    @Test("a command that came to nothing says so with a code, one that worked doesn't")
    func failedCommandsHaveACode() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for (name, argument, failure) in [
                ("status", nil, nil), ("model", "nope", .notFound), ("model", "test", nil), ("dance", nil, .invalid),
                ("help", nil, nil),
            ] as [(String, String?, ErrorCode?)] {
                try await socket.send(.command(.init(name: name, sessionID: "s", argument: argument)))
                let answer = try await socket.message()
                #expect(answer.failure == failure && answer.text?.isEmpty == false, "\(name): \(answer)")
                let json = try answer.json()
                #expect(json.contains(failure == nil ? #""ok":true"# : #""ok":false"#))
            }
        }
    }

    // MARK: Revoked devices

    @Test("what a revoked device left waiting is not answered: it ends with a reason, for the user's other devices too")
    func waitingTurnsOfARevokedDeviceEnd() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (stolen, own) = (gateway.device(), gateway.device())
            let socket = try await running.webSocket(stolen)
            for text in ["one", "two", "three"] { try await socket.say(text, id: text) }
            _ = try await socket.messages { $0.position == 2 }
            let run = try await gateway.agent.nextRun()
            let watching = try await running.webSocket(own)
            try await watching.send(.sessionOpen(.init(sessionID: "s")))
            try await watching.send(.ping)
            #expect(try await watching.message().body == .pong)
            gateway.membership.revoke(stolen.nodeID)
            #expect(try await run.wasCancelled())
            var ended: Set<String> = []
            var refused: Set<String> = []
            while ended.count < 3 {
                let told = try await watching.message()
                if told.errorCode == .forbidden, let id = told.messageID { refused.insert(id) }
                if told.isTurnEnd, let id = told.messageID { ended.insert(id) }
            }
            #expect(refused == ["two", "three"])
            #expect(gateway.agent.runs.count == 1)
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
            let said = try await running.read("/api/sessions/s/messages", own, SessionMessagesBody.self).messages
            #expect(said.count == 2)
        }
    }

    @Test("also when the agent was not running at the time of the revocation")
    func recoveredTurnsOfARevokedDeviceEnd() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/revoked-\(UUID().uuidString).db"
        let stolen = TestDevice(handle: "ana")
        let before = SessionRepository(try Store.Database(path: path))
        let session = try await before.open(handle: "ana", sessionID: "s", reserving: 100, now: 1)
        for number in 1...2 {
            _ = try await before.accept(
                TurnRecord(
                    id: "t\(number)", ordinal: Int64(number), lane: stolen.nodeID.hex, session: session.id,
                    handle: "ana", sessionID: "s", messageID: "m\(number)", text: "x", acceptedAt: 2),
                announcing: nil, recognisingSince: 0)
        }
        let gateway = try TestGateway(databasePath: path)
        gateway.membership.set(.revoked, for: stolen.nodeID)
        try await gateway.run { running in
            try await within(30, "the turns to be over") {
                while try !gateway.sessions.unfinishedTurns().isEmpty { await Task.yield() }
            }
            #expect(gateway.agent.runs.isEmpty)
            let events = try await running.read(
                "/api/sessions/s/events", gateway.device(), SessionEventsBody.self
            ).events.compactMap { $0["type"]?.string }
            #expect(events == ["error", "turn_complete", "error", "turn_complete"])
        }
    }
}

extension TestGateway.Running {
    fileprivate func read<Body: Decodable>(
        _ path: String, _ device: TestDevice, _ type: Body.Type
    ) async throws -> Body {
        let stream = try await stream(device)
        let body = try await stream.ask("GET", path).decode(type)
        await stream.close()
        return body
    }
}
