import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// A user's conversations over REST: lists, transcripts, archives. Nobody sees anything of another handle's.

@Suite struct SessionRoutesTests {
    @Test(
        "P-92: what clear, new and reset take out of the conversation is in the archive, to the letter",
        arguments: ["clear", "new", "reset"])
    func clearingArchives(_ command: String) async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for text in ["one", "two"] { try await gateway.turn(text, on: socket) }
            let said = try await running.get("/api/sessions/s/messages", device, SessionMessagesBody.self).messages
            #expect(said.map(\.text) == ["one", "re: one", "two", "re: two"])
            #expect(try await socket.command(command).hasPrefix("forgot 1 prior conversation. fresh session: "))
            #expect(try await running.get("/api/sessions/s/messages", device, SessionMessagesBody.self).messages == [])
            try await gateway.turn("three", on: socket)
            _ = try await socket.command(command)
            let archives = try await running.get("/api/sessions/archives", device, ArchivesBody.self).archives
            #expect(archives.map(\.opening) == ["three", "one"])
            #expect(archives.map(\.messages) == [2, 4] && archives.allSatisfy { $0.sessionID == "s" })
            let first = try #require(archives.last)
            let archive = try await running.get(
                "/api/sessions/archives/\(first.id)", device, ArchivedMessagesBody.self)
            #expect(archive.archive == first && archive.next == nil)
            #expect(archive.messages.map(\.text) == said.map(\.text))
            #expect(archive.messages.map(\.at) == said.map(\.at))
            // Nothing to archive, nothing archived.
            _ = try await socket.command(command)
            #expect(try await running.get("/api/sessions/archives", device, ArchivesBody.self).archives.count == 2)
        }
    }

    @Test("P-92: also what a turn said that was stopped by the clearing")
    func theStoppedTurnIsArchivedToo() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await gateway.turn("one", on: socket)
            try await socket.say("two", id: "two")
            try await gateway.agent.nextRun().delta("half an ans")
            _ = try await socket.messages { $0.text == "half an ans" }
            try await socket.send(.command(.init(name: "new", sessionID: "s")))
            // The end of the turn and the answer to the command, in whichever order.
            var seen: [ServerMessage] = []
            while !seen.contains(where: \.isTurnEnd) || !seen.contains(where: { $0.text?.contains("fresh") == true }) {
                seen.append(try await socket.message())
            }
            let archives = try await running.get("/api/sessions/archives", device, ArchivesBody.self).archives
            var texts: [String] = []
            for archive in archives.reversed() {
                let path = "/api/sessions/archives/\(archive.id)"
                texts += try await running.get(path, device, ArchivedMessagesBody.self).messages.map(\.text)
            }
            #expect(Set(texts) == ["one", "re: one", "two", "half an ans"] && texts.count == 4)
            #expect(try await running.get("/api/sessions/s/messages", device, SessionMessagesBody.self).messages == [])
        }
    }

    @Test("P-11: a second user who opens the first one's id sees nothing of the first, over REST too")
    func nobodySeesAnothersSessions() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let (ana, bob) = (gateway.device("ana"), gateway.device("bob", standing: .active(role: .admin)))
            let socket = try await running.webSocket(ana)
            try await gateway.turn("canary", on: socket)
            _ = try await socket.command("clear")
            try await gateway.turn("canary again", on: socket)
            _ = try await socket.command("model", argument: "other")
            let archive = try #require(
                try await running.get("/api/sessions/archives", ana, ArchivesBody.self).archives.first)
            func refused(_ method: String, _ path: String, _ body: String? = nil) async throws {
                let answer = try await running.stream(bob).ask(method, path, body)
                #expect(answer.status == 404 && !answer.body.contains("canary"), "\(method) \(path): \(answer)")
            }
            try await refused("GET", "/api/sessions/s/messages")
            try await refused("POST", "/api/sessions/s/clear")
            try await refused("GET", "/api/sessions/archives/\(archive.id)")
            for query in ["", "?client_id=\(ana.nodeID.hex)", "?handle=ana", "?user=ana"] {
                #expect(try await running.get("/api/sessions\(query)", bob, SessionsBody.self).sessions == [])
            }
            #expect(try await running.get("/api/sessions/archives", bob, ArchivesBody.self).archives == [])
            // Of the same name, and another session.
            let pin = try await running.stream(bob).ask("PUT", "/api/sessions/s/pin", #"{"model":"test"}"#)
            #expect(pin.status == 200)
            let other = try await running.webSocket(bob)
            let run = try await gateway.turn("mine", on: other)
            #expect(run.request.history.isEmpty && run.request.model == "test")
            _ = try await other.command("clear", session: nil)
            let mine = try await running.get("/api/sessions", ana, SessionsBody.self).sessions
            #expect(mine.map(\.messages) == [2] && mine.map(\.model) == ["other"])
            // The archive of a user who is gone is out of reach of whoever has the handle next.
            try await gateway.sessions.retire(handle: "ana", now: 0)
            #expect(try await running.get("/api/sessions/archives", ana, ArchivesBody.self).archives == [])
            let later = try await running.stream(ana).ask("GET", "/api/sessions/archives/\(archive.id)")
            #expect(later.status == 404)
            #expect(try await gateway.sessions.usage(of: "ana", from: 0, before: .infinity).turns == 0)
        }
    }

    @Test func theListTellsWhatRunsAndWaitsAndClearingEndsIt() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            try await gateway.turn("old", on: socket)
            for text in ["one", "two", "three"] { try await socket.say(text, session: "a/b c", id: text) }
            _ = try await socket.messages { $0.position == 2 }
            let run = try await gateway.agent.nextRun()
            let list = try await running.get("/api/sessions", device, SessionsBody.self).sessions
            #expect(list.map(\.sessionID) == ["a/b c", "s"])
            #expect(list.map(\.running) == [1, 0] && list.map(\.waiting) == [2, 0])
            #expect(list.map(\.messages) == [0, 2] && list.allSatisfy { $0.lastActivity >= $0.createdAt })
            #expect(try await running.get("/api/sessions?limit=1", device, SessionsBody.self).sessions.count == 1)
            let cleared = try await running.stream(device).ask("POST", "/api/sessions/a%2Fb%20c/clear")
                .decode(ClearedSession.self)
            #expect(cleared.sessionID == "a/b c" && cleared.cleared && cleared.stopped == 1 && cleared.dropped == 2)
            #expect(try await run.wasCancelled())
            _ = try await socket.messages { $0.isTurnEnd && $0.messageID == "one" }
            let after = try await running.get("/api/sessions", device, SessionsBody.self).sessions
            #expect(after.map { $0.running + $0.waiting } == [0, 0])
        }
    }

    @Test func transcriptsComeInPagesAndWrongQuestionsAreNamed() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { "re: \($0.text)" }))
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            for number in 1...5 {
                try await socket.say("\(number)")
                _ = try await socket.messages { $0.isTurnEnd }
            }
            var texts: [String] = []
            var before = ""
            var pages = 0
            while true {
                let page = try await running.get(
                    "/api/sessions/s/messages?limit=4\(before)", device, SessionMessagesBody.self)
                texts = page.messages.map(\.text) + texts
                pages += 1
                guard let next = page.next else { break }
                before = "&before=\(next)"
            }
            #expect(pages == 3 && texts == (1...5).flatMap { ["\($0)", "re: \($0)"] })
            for (method, path, body, status) in [
                ("GET", "/api/sessions/s/messages?limit=0", nil, 400),
                ("GET", "/api/sessions/s/messages?limit=1001", nil, 400),
                ("GET", "/api/sessions/s/messages?before=x", nil, 400),
                ("GET", "/api/sessions/nothing/messages", nil, 404),
                ("GET", "/api/sessions/archives/nothing", nil, 404),
                ("PUT", "/api/sessions/s/pin", #"{"model":"gpt-9"}"#, 404),
                ("PUT", "/api/sessions/s/pin", "{}", 400),
                ("POST", "/api/sessions/s/pin", #"{"model":"other"}"#, 200),
                ("DELETE", "/api/sessions/s/pin", nil, 200),
                ("DELETE", "/api/sessions/nothing/pin", nil, 200),
            ] as [(String, String, String?, Int)] {
                let answer = try await running.stream(device).ask(method, path, body)
                #expect(answer.status == status, "\(method) \(path): \(answer)")
            }
            #expect(try await running.get("/api/sessions", device, SessionsBody.self).sessions.count == 1)
        }
    }

    @Test func aRestartIsAskedForAfterItsAnswer() async throws {
        let (requests, request) = AsyncStream.makeStream(of: Void.self)
        let gateway = try TestGateway(requestRestart: { request.yield() })
        try await gateway.run { running in
            let answer = try await running.operatorStream().ask("POST", "/api/restart", "{}")
            #expect(answer.status == 200 && answer.json["ok"] as? Bool == true)
            try await within(30, "the request for a restart") { for await _ in requests { return } }
        }
        let nobody = try TestGateway()
        try await nobody.run { running in
            let answer = try await running.operatorStream().ask("POST", "/api/restart")
            #expect(answer.status == 409 && answer.code == "conflict")
            #expect(answer.hint?.contains("openagent serve") == true)
        }
    }
}

extension TestGateway.Running {
    fileprivate func get<Body: Decodable>(_ path: String, _ device: TestDevice, _ type: Body.Type) async throws -> Body
    {
        let stream = try await stream(device)
        let body = try await stream.ask("GET", path).decode(type)
        await stream.close()
        return body
    }
}
