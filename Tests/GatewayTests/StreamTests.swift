import Testing

@testable import Gateway

@Suite struct StreamTests {
    @Test func healthNeedsNoCertificateAndTellsStrangersOnlyThatItLives() async throws {  // P-09
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.connection(of: gateway.device().nodeID).stream()
            try await stream.sendPreamble([])
            let response = try #require(try await stream.get("/api/health"))
            #expect(response.status == 200)
            #expect(Set(response.json.keys) == ["status", "version"])
            #expect(response.json["status"] as? String == "ok")
        }
    }

    @Test func oneStreamServesSeveralRequestsInARow() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            for _ in 1...5 {
                let response = try #require(try await stream.get("/api/agent-info"))
                #expect(response.status == 200)
                #expect(
                    Set(response.json.keys) == ["name", "agent_dir", "node_id", "network", "role", "version", "port"])
            }
            // Two at once, pipelined.
            try await stream.send(
                "GET /api/health HTTP/1.1\r\nHost: a\r\n\r\nGET /api/agent-info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            #expect(try await stream.response()?.status == 200)
            #expect(try await stream.response()?.status == 200)
            #expect(try await stream.endsSilently())
        }
    }

    @Test func aChatTurnRunsFromTheFirstFrameToTheAnswer() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            try await socket.send(.auth)
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
            try await socket.say("hello", id: "m1")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.text == "hello")
            run.status("Thinking...")
            run.delta("Hi ")
            run.delta("there")
            run.answer("Hi there")
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(
                messages.map(\.body) == [
                    .queued(position: 0), .status("Thinking..."), .delta("Hi "), .delta("there"),
                    .response(text: "Hi there", model: "test"), .turnComplete(.init(reason: .completed)),
                ])
            #expect(messages.map(\.sequence) == [1, 2, 3, 4, 5, 6])
            #expect(messages.allSatisfy { $0.messageID == "m1" && $0.turnID == run.request.turnID })
        }
    }
}
