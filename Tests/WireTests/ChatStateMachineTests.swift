import Testing

@testable import Wire

private let greeting = ServerMessage.AuthOK(agentName: "a", version: "1", handle: "h", network: "n", networkID: "i")

@Suite struct ChatStateMachineTests {
    private var machine = ChatStateMachine(policy: ReconnectPolicy())

    private mutating func run(_ events: ChatStateMachine.Event...) -> [ChatStateMachine.Action] {
        events.flatMap { machine.handle($0, jitter: 1) }
    }

    private mutating func connect() -> [ChatStateMachine.Action] {
        run(.socketOpened, .received(.init(.authOK(greeting)))).filter { if case .deliver = $0 { false } else { true } }
    }

    private func text(_ id: String) -> ClientMessage.TextFinal { .init(sessionID: "s", text: "t", messageID: id) }

    private func event(
        _ body: ServerMessage.Body, _ sequence: Int? = nil, message: String? = nil
    ) -> ChatStateMachine.Event {
        .received(.init(body, sessionID: "s", sequence: sequence, messageID: message))
    }

    @Test mutating func aMessageIsRepeatedAfterEachReconnectUntilTheAgentHasIt() {
        #expect(run(.start) == [.deliver(.connecting), .connect])
        #expect(run(.openSession("s", afterSequence: nil), .send(text("m1"))) == [])
        let resend: [ChatStateMachine.Action] = [
            .transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 0))), .transmit(.textFinal(text("m1"))),
        ]
        #expect(connect() == resend)
        _ = run(.socketClosed(code: nil, reason: ""), .delayIsOver)
        #expect(connect() == resend)
        _ = run(event(.queued(position: 1), message: "m1"), .socketClosed(code: nil, reason: ""), .delayIsOver)
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))])
        #expect(machine.unconfirmed.isEmpty)
    }

    @Test(arguments: [
        ServerMessage.Body.status("x"), .delta("x"), .response(text: "", model: nil), .queued(position: 2),
        .turnComplete(.init(reason: .completed)), .error(code: .queueFull, text: ""),
    ])
    mutating func anyEventOfAMessageProvesThatTheAgentHasIt(body: ServerMessage.Body) {
        _ = run(.start)
        _ = connect()
        _ = run(.send(text("m1")), .send(text("m2")), event(body, message: "m2"))
        #expect(machine.unconfirmed.map(\.messageID) == ["m1"])
    }

    @Test mutating func anAgentThatShutsDownBeforeItTakesAMessageGetsItAgain() {
        _ = run(.start)
        _ = connect()
        _ = run(.send(text("m1")))
        #expect(run(event(.error(code: .shuttingDown, text: "later"), message: "m1")) == [])
        #expect(machine.unconfirmed.count == 1)
    }

    @Test mutating func eventsAreDeliveredOnceAndAskedForBehindTheLast() {
        _ = run(.start, .openSession("s", afterSequence: 4))
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 4)))])
        func delivered(_ actions: [ChatStateMachine.Action]) -> Int { actions.count }
        #expect(delivered(run(event(.delta("a"), 4))) == 0)
        #expect(delivered(run(event(.delta("a"), 5))) == 1)
        #expect(delivered(run(event(.delta("a"), 5))) == 0)
        #expect(delivered(run(event(.delta("a"), 7))) == 1)
        #expect(delivered(run(event(.delta("a"), 6))) == 0)
        #expect(delivered(run(event(.commandResult("x")))) == 1)
        _ = run(.failed(reason: "x"), .delayIsOver)
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 7)))])
    }

    @Test mutating func aReplayFromTheBeginningShowsOnlyWhatTheUserAskedNow() {
        _ = run(.start, .openSession("s", afterSequence: nil))
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: nil)))])
        _ = run(.send(text("m1")), .socketClosed(code: nil, reason: ""), .delayIsOver)
        _ = connect()
        #expect(run(event(.delta("old"), 1, message: "older"), event(.delta("old"), 2)) == [])
        #expect(run(event(.delta("new"), 3, message: "m1")).count == 1)
        #expect(run(event(.turnComplete(.init(reason: .completed)), 4, message: "m1")).count == 1)
        #expect(run(event(.delta("live"), 5)).count == 1)
    }

    @Test mutating func theStateIsAFreshStartAndOwnMessagesAreAskedForAgain() {
        _ = run(.start, .openSession("s", afterSequence: 4))
        _ = connect()
        _ = run(.send(text("m1")), event(.queued(position: 0), 5, message: "m1"))
        _ = run(.socketClosed(code: nil, reason: ""), .delayIsOver)
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 5)))])
        let state = ServerMessage.Body.sessionState(.init(messages: [], truncated: false, reason: .eventsForgotten))
        let actions = run(event(state, 100))
        #expect(actions.count == 2, "\(actions)")
        #expect(actions.last == .transmit(.textFinal(text("m1"))))
        // What the agent tells of it has the numbers of then; everything else of then is old.
        #expect(run(event(.response(text: "x", model: nil), 50)).isEmpty)
        #expect(run(event(.queued(position: 0), 5, message: "m1")).isEmpty)
        #expect(run(event(.response(text: "a", model: nil), 50, message: "m1")).count == 1)
        #expect(run(event(.turnComplete(.init(reason: .completed)), 51, message: "m1")).count == 1)
        #expect(run(event(.turnComplete(.init(reason: .completed)), 51, message: "m1")).isEmpty)
        #expect(run(event(.delta("new"), 101)).count == 1)
        // Of a database that is older: numbers begin again behind the state.
        _ = run(event(state, 20))
        #expect(run(event(.delta("again"), 21)).count == 1)
        _ = run(.socketClosed(code: nil, reason: ""), .delayIsOver)
        #expect(connect() == [.transmit(.sessionOpen(.init(sessionID: "s", afterSequence: 21)))])
    }

    @Test mutating func aTurnOfSeveralMessagesEndsEachOfThem() {
        _ = run(.start)
        _ = connect()
        _ = run(.send(text("m1")), .send(text("m2")))
        var end = ServerMessage(.turnComplete(.init(reason: .completed)), sessionID: "s", sequence: 3, messageID: "m2")
        end.messageIDs = ["m1", "m2"]
        _ = run(.received(end))
        #expect(machine.unconfirmed.isEmpty)
        let state = ServerMessage.Body.sessionState(.init(messages: [], truncated: false))
        #expect(run(event(state, 9)).count == 1, "nothing is left to ask for")
    }

    @Test mutating func delaysGrowToTheirBoundAndStartAgainAfterASuccess() {
        let policy = ReconnectPolicy()
        _ = run(.start)
        var delays: [Duration] = []
        for _ in 0..<10 {
            for case .wait(let delay) in run(.failed(reason: "x")) { delays.append(delay) }
            _ = run(.delayIsOver)
        }
        #expect(delays.prefix(3) == [.milliseconds(250), .milliseconds(500), .seconds(1)])
        #expect(delays.last == policy.maximumDelay)
        _ = connect()
        #expect(run(.failed(reason: "x")).contains(.wait(.milliseconds(250))))
        #expect(policy.delay(afterFailures: 1, jitter: 0) == .milliseconds(125))
        #expect(policy.delay(afterFailures: 1_000_000, jitter: 7) == policy.maximumDelay)
    }

    @Test mutating func afterTooManyFailuresTheChatIsOver() {
        _ = run(.start)
        for _ in 0..<ReconnectPolicy().maximumAttempts { _ = run(.failed(reason: "gone"), .delayIsOver) }
        #expect(run(.failed(reason: "gone")) == [.finish(.unreachable("gone"))])
        #expect(run(.delayIsOver, .send(text("m"))) == [])
    }

    @Test(arguments: [
        (ChatStateMachine.Event.socketClosed(code: 4003, reason: "device revoked"), ChatError.revoked),
        (.socketClosed(code: 4009, reason: "connection_replaced"), .replaced),
        (.socketClosed(code: 1002, reason: "bad"), .refused("bad")),
        (.refused(status: 401, text: "device revoked"), .notAuthorized(status: 401, text: "device revoked")),
        (.refused(status: 403, text: "no"), .notAuthorized(status: 403, text: "no")),
    ])
    mutating func refusalsAreFinal(event: ChatStateMachine.Event, error: ChatError) {
        _ = run(.start)
        _ = connect()
        #expect(run(event) == [.finish(error)])
        #expect(run(.start, .delayIsOver) == [])
    }

    @Test(arguments: [
        ChatStateMachine.Event.socketClosed(code: 4008, reason: ""), .socketClosed(code: 4001, reason: "expired"),
        .socketClosed(code: 1013, reason: "device membership unavailable"), .socketClosed(code: 1001, reason: ""),
        .refused(status: 502, text: "x"), .failed(reason: "x"),
    ])
    mutating func everythingElseIsTriedAgain(event: ChatStateMachine.Event) {
        _ = run(.start)
        _ = connect()
        #expect(run(event).contains(.wait(.milliseconds(250))))
        // A second report of the same end changes nothing.
        #expect(run(.failed(reason: "again")) == [])
        #expect(run(.delayIsOver) == [.connect])
    }

    @Test mutating func interruptsAreForNowAndNotForLater() {
        _ = run(.start)
        #expect(run(.transmit(.interrupt(sessionID: "s"))) == [])
        #expect(connect() == [])
        #expect(run(.transmit(.interrupt(sessionID: "s"))) == [.transmit(.interrupt(sessionID: "s"))])
    }
}

@Suite(.timeLimit(.minutes(1))) struct MailboxTests {
    @Test func aFullMailboxHoldsItsSendersBackAndKeepsTheOrder() async throws {
        let mailbox = Mailbox<Int>(capacity: 2)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                for number in 0..<1000 { try await mailbox.send(number) }
                mailbox.finish()
            }
            var expected = 0
            while let number = await mailbox.next() {
                #expect(number == expected)
                expected += 1
            }
            #expect(expected == 1000)
            try await tasks.waitForAll()
        }
        #expect(await mailbox.next() == nil)
    }

    @Test func whoeverWaitsCanBeCancelled() async throws {
        let mailbox = Mailbox<Int>(capacity: 1)
        try await mailbox.send(1)
        let sender = Task { try await mailbox.send(2) }
        await Task.yield()
        sender.cancel()
        await #expect(throws: CancellationError.self) { try await sender.value }
        #expect(await mailbox.next() == 1)
        let receiver = Task { await mailbox.next() }
        await Task.yield()
        receiver.cancel()
        #expect(await receiver.value == nil)
    }
}
