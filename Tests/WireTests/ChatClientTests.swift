import NIOConcurrencyHelpers
import NIOCore
import Testing
import Wire

private let greeting = ServerMessage(
    .authOK(.init(agentName: "a", version: "1", handle: "h", network: "n", networkID: "i")))

@Suite(.timeLimit(.minutes(1))) struct ChatClientTests {
    /// The agent is gone in the middle of a turn, twice; the message is sent until it is taken and its answer arrives once.
    @Test func anAgentThatDiesInMidTurnAnswersOnceWhenItIsBack() async throws {
        let received = NIOLockedValueBox<[ClientMessage]>([])
        let lives = NIOLockedValueBox(0)
        let agent = FakeAgent(webSocket: { socket in
            let life = lives.withLockedValue { life in
                life += 1
                return life
            }
            try await socket.send(greeting)
            while let message = try await socket.message() {
                received.withLockedValue { $0.append(message) }
                guard case .textFinal(let turn) = message else {
                    guard life == 3 else { continue }
                    // Committed in the life before: the journal is replayed behind what the client has seen.
                    for (sequence, body) in [
                        (2, ServerMessage.Body.response(text: "answer", model: nil)),
                        (3, .turnComplete(.init(reason: .completed))),
                    ] {
                        try await socket.send(.init(body, sessionID: "s", sequence: sequence, messageID: "m1"))
                    }
                    continue
                }
                // Dies before it has taken the message.
                if life == 1 { return }
                try await socket.send(.init(.delta("ans"), sessionID: "s", sequence: 1, messageID: turn.messageID))
                // And in the middle of the answer.
                return
            }
        })
        try await agent.serve { port in
            var policy = ReconnectPolicy()
            policy.firstDelay = .milliseconds(5)
            let chat = ChatClient(dialer: TCPDialer(port: port), policy: policy)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try? await chat.run() }
                await chat.openSession("s")
                try await chat.send("hello", sessionID: "s", messageID: "m1")
                var bodies: [ServerMessage.Body] = []
                for await event in chat.events {
                    guard case .message(let message) = event else { continue }
                    bodies.append(message.body)
                    if case .turnComplete = message.body { break }
                }
                #expect(
                    bodies == [
                        .delta("ans"), .response(text: "answer", model: nil), .turnComplete(.init(reason: .completed)),
                    ])
                tasks.cancelAll()
                for await _ in chat.events {}
            }
            let turns = received.withLockedValue { $0.filter { if case .textFinal = $0 { true } else { false } } }
            // Once per life until it was taken, under one id.
            #expect(
                turns == Array(repeating: .textFinal(.init(sessionID: "s", text: "hello", messageID: "m1")), count: 2))
        }
    }

    @Test func aRevokedDeviceIsToldSoAndDoesNotComeBack() async throws {
        let connections = NIOLockedValueBox(0)
        let agent = FakeAgent(webSocket: { socket in
            connections.withLockedValue { $0 += 1 }
            try await socket.send(greeting)
            try await socket.close(code: 4003, reason: "device revoked")
            _ = try await socket.frame()
        })
        try await agent.serve { port in
            let chat = ChatClient(dialer: TCPDialer(port: port))
            await #expect(throws: ChatError.revoked) { try await chat.run() }
            #expect(connections.withLockedValue { $0 } == 1)
            #expect(ChatError.revoked.description.contains("revoked"))
        }
    }

    @Test func anAgentThatRefusesTheDeviceEndsTheChat() async throws {
        let agent = FakeAgent(respond: { _, _ in (.unauthorized, [ByteBuffer(string: "cert rejected: expired")]) })
        try await agent.serve { port in
            let chat = ChatClient(dialer: TCPDialer(port: port))
            await #expect(throws: ChatError.notAuthorized(status: 401, text: "cert rejected: expired")) {
                try await chat.run()
            }
        }
    }

    @Test func anUnreachableAgentIsGivenUpAfterTheLastAttempt() async throws {
        var policy = ReconnectPolicy()
        policy.firstDelay = .milliseconds(1)
        policy.maximumAttempts = 3
        let chat = ChatClient(dialer: TCPDialer(port: 1), policy: policy)
        do {
            try await chat.run()
            Issue.record("the chat ended without an error")
        } catch let error as ChatError {
            #expect("\(error)".contains("cannot be reached"))
        }
        var retries = 0
        for await event in chat.events { if case .disconnected = event { retries += 1 } }
        #expect(retries == 3)
    }

    @Test func interruptsAndCommandsNeedAConnection() async throws {
        let chat = ChatClient(dialer: TCPDialer(port: 1))
        await #expect(throws: ChatError.notConnected) { try await chat.interrupt(sessionID: "s") }
        await #expect(throws: ChatError.notConnected) { try await chat.command("stop") }
        for number in 0..<ChatClient.maximumWaiting { try await chat.send("x", sessionID: "s", messageID: "\(number)") }
        await #expect(throws: ChatError.tooManyWaiting(limit: ChatClient.maximumWaiting)) {
            try await chat.send("x", sessionID: "s", messageID: "y")
        }
    }
}
