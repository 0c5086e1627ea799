import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct ClientTests {
    @Test func aRequestIsAnsweredWithStatusHeadersAndBody() async throws {
        let agent = FakeAgent(respond: { head, body in
            (
                .created,
                [ByteBuffer(string: "\(head.method) \(head.uri) "), body, ByteBuffer(string: " \(head.headers["x"])")]
            )
        })
        try await agent.serve { port in
            let client = GatewayClient(dialer: TCPDialer(port: port))
            let answer = try await client.request(
                method: .POST, path: "/a?b", headers: ["x": "y"], body: ByteBuffer(string: "hi"))
            #expect(answer.status == .created)
            #expect(answer.headers["transfer-encoding"] == ["chunked"])
            #expect(String(buffer: answer.body) == #"POST /a?b hi ["y"]"#)
            #expect(try await client.request(method: .HEAD, path: "/").body.readableBytes == 0)
        }
    }

    @Test func anAnswerAtTheLimitIsTakenAndOneBytePastItIsNot() async throws {
        let agent = FakeAgent(respond: { _, _ in
            (.ok, [ByteBuffer(repeating: 1, count: 500), ByteBuffer(repeating: 1, count: 500)])
        })
        try await agent.serve { port in
            let client = GatewayClient(dialer: TCPDialer(port: port))
            let answer = try await client.request(path: "/", maximumBody: 1000)
            #expect(answer.body.readableBytes == 1000)
            await #expect(throws: GatewayClientError.bodyTooLarge(limit: 999)) {
                _ = try await client.request(path: "/", maximumBody: 999)
            }
        }
    }

    @Test func anAgentThatDoesNotAnswerInTimeIsGivenUp() async throws {
        let silent = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0).get()
        let client = GatewayClient(dialer: TCPDialer(port: silent.localAddress!.port!))
        await #expect(throws: GatewayClientError.timedOut(.milliseconds(100))) {
            _ = try await client.request(path: "/", timeout: .milliseconds(100))
        }
        var limits = WebSocketConnection.Limits()
        limits.upgradeTimeout = .milliseconds(100)
        do {
            try await client.withWebSocket(limits: limits) { _ in }
            Issue.record("a silent agent was upgraded")
        } catch { #expect(error as? GatewayClientError == .timedOut(.milliseconds(100))) }
        try await silent.close()
    }

    @Test func messagesPassBothWaysPingsAreAnsweredAndTheCloseCodeIsTold() async throws {
        let agent = FakeAgent(webSocket: { socket in
            try await socket.send(.text, "first")
            #expect(try await socket.message() == .ping)
            try await socket.send(.ping, "p")
            let pong = try await socket.frame()
            #expect(pong?.opcode == .pong)
            #expect(pong.map { String(buffer: $0.unmaskedData) } == "p")
            // In fragments.
            try await socket.send(.text, "sec", fin: false)
            try await socket.send(.continuation, "ond")
            try await socket.close(code: 4003, reason: "device revoked")
            #expect(try await socket.frame()?.opcode == .connectionClose)
        })
        try await agent.serve { port in
            let events = try await GatewayClient(dialer: TCPDialer(port: port)).withWebSocket { socket in
                try await socket.send(ClientMessage.ping.json())
                var events: [WebSocketEvent] = []
                for try await event in socket.events { events.append(event) }
                return events
            }
            #expect(events == [.text("first"), .text("second"), .closed(code: 4003, reason: "device revoked")])
        }
    }

    @Test func aRefusedUpgradeTellsStatusAndText() async throws {
        let agent = FakeAgent(respond: { _, _ in (.unauthorized, [ByteBuffer(string: "device revoked")]) })
        try await agent.serve { port in
            do {
                try await GatewayClient(dialer: TCPDialer(port: port)).withWebSocket { _ in }
                Issue.record("a refused socket was opened")
            } catch {
                #expect(error as? GatewayClientError == .upgradeRefused(status: 401, text: "device revoked"))
            }
        }
    }

    @Test func aMessageAtTheLimitIsTakenAndOneBytePastItEndsTheSocket() async throws {
        var limits = WebSocketConnection.Limits()
        limits.message = 1000
        limits.frame = 1000
        for (size, passes) in [(1000, true), (1001, false)] {
            let agent = FakeAgent(webSocket: { socket in
                try await socket.send(.text, String(repeating: "x", count: size / 2), fin: false)
                try await socket.send(.continuation, String(repeating: "x", count: size - size / 2))
                _ = try await socket.frame()
            })
            try await agent.serve { [limits] port in
                try await GatewayClient(dialer: TCPDialer(port: port)).withWebSocket(limits: limits) { socket in
                    do {
                        for try await event in socket.events {
                            #expect(event == .text(String(repeating: "x", count: size)))
                            break
                        }
                        #expect(passes)
                    } catch {
                        #expect(!passes, "\(error)")
                        #expect("\(error)".contains("accumulatedFrameSizeIsTooLarge"))
                    }
                }
            }
        }
    }
}
