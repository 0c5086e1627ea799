// How does a program talk with an agent for as long as it likes? Runs the chat's rules over real sockets: connects,
// comes back, hands events out at the pace of whoever reads them. What to do when is ChatStateMachine's question.

/// A conversation with one agent that survives lost connections. One-shot: start ``run()`` in a task of yours, read
/// ``events`` in another, cancel the task to end.
public actor ChatClient {
    /// Messages that may wait for the agent.
    public static let maximumWaiting = 256
    /// Events that may wait for the reader; past it the agent is held back.
    static let eventBuffer = 256
    /// Messages on their way into one socket.
    private static let outboxSize = 1024

    /// What happens, in order; ends when ``run()`` does. For one reader.
    public nonisolated var events: AsyncStream<ChatEvent> {
        AsyncStream { [mailbox] in await mailbox.next() }
    }

    private let client: GatewayClient
    private let greetingTimeout: Duration
    private let random: @Sendable () -> Double
    private let mailbox = Mailbox<ChatEvent>(capacity: ChatClient.eventBuffer)
    private var machine: ChatStateMachine
    private var outbox: AsyncStream<ClientMessage>.Continuation?
    /// Who waits for the answers of the commands that were sent over this socket, in order; nil: it is an event.
    private var commandAnswers: [CheckedContinuation<CommandReply, any Error>?] = []
    /// Rings whenever the agent has told something, by which a message may have been confirmed.
    private let heard = Bell()

    /// - Parameters:
    ///   - greetingTimeout: for the agent's first frame.
    ///   - hearsAnswers: whether the agent is to speak, if it can. Somebody who reads need not wait for its voice.
    ///   - random: a number from 0 to 1, by which delays are spread.
    public init(
        dialer: any GatewayDialer, policy: ReconnectPolicy = .init(), greetingTimeout: Duration = .seconds(15),
        hearsAnswers: Bool = false, random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        client = GatewayClient(dialer: dialer)
        self.greetingTimeout = greetingTimeout
        self.random = random
        machine = ChatStateMachine(policy: policy, speak: hearsAnswers)
    }

    /// Connects, and stays connected, until the task is cancelled.
    ///
    /// - Throws: the ``ChatError`` that ended the chat for good, or `CancellationError`.
    public func run() async throws {
        defer { mailbox.finish() }
        var next = try await process(.start)
        while true {
            switch next {
            case .connect: next = try await converse()
            case .wait(let delay):
                try await Task.sleep(for: delay)
                next = try await process(.delayIsOver)
            case nil: throw CancellationError()
            }
        }
    }

    // MARK: What a user does

    /// Follows a session from now on, and again after each reconnect.
    ///
    /// - Parameter afterSequence: events after this one are delivered first; nil: only what happens from now on.
    public func openSession(_ id: String, afterSequence: Int? = nil) {
        _ = handle(.openSession(id, afterSequence: afterSequence))
    }

    /// Sends one message. It reaches the agent once, now or when there is a connection again.
    ///
    /// - Parameter messageID: unique for each message; the agent recognises a repeat by it.
    /// - Throws: ``ChatError/tooManyWaiting(limit:)``.
    public func send(
        _ text: String, sessionID: String, messageID: String, attachments: [Attachment] = []
    ) throws(ChatError) {
        guard machine.unconfirmed.count < Self.maximumWaiting else { throw .tooManyWaiting(limit: Self.maximumWaiting) }
        _ = handle(
            .send(.init(sessionID: sessionID, text: text, messageID: messageID, attachments: attachments)))
    }

    /// Sends one message, once fewer than ``maximumWaiting`` wait for the agent. It must have an id.
    ///
    /// - Throws: `CancellationError`.
    public func sendWhenRoom(_ message: ClientMessage.TextFinal) async throws {
        while true {
            let rings = heard.rings
            try Task.checkCancellation()
            guard machine.unconfirmed.count >= Self.maximumWaiting else { break }
            await heard.wait(after: rings)
        }
        _ = handle(.send(message))
    }

    /// Stops the answer that is being written in that session.
    ///
    /// - Throws: ``ChatError/notConnected``: an interrupt that came later could stop another answer.
    public func interrupt(sessionID: String) throws(ChatError) {
        try transmitNow(.interrupt(sessionID: sessionID))
    }

    /// Runs a command of the agent (websocket.md §4). Its answer is a ``ServerMessage/Body/commandResult(_:)``.
    ///
    /// - Throws: ``ChatError/notConnected``.
    public func command(_ name: String, sessionID: String? = nil, argument: String? = nil) throws(ChatError) {
        try transmitNow(.command(.init(name: name, sessionID: sessionID, argument: argument)))
        commandAnswers.append(nil)
    }

    /// What the agent says to a command.
    public struct CommandReply: Sendable, Equatable {
        public var text: String
        /// Why it came to nothing; nil when it did what it says.
        public var failure: ErrorCode?
    }

    /// Runs a command of the agent and waits for its answer, which is no event then.
    ///
    /// - Throws: ``ChatError/notConnected``, also when the connection broke before the answer came: it may have been carried out.
    public func reply(
        toCommand name: String, sessionID: String? = nil, argument: String? = nil
    ) async throws -> CommandReply {
        // A socket that broke a moment ago takes nothing, and nobody would ever end the wait.
        guard outbox != nil else { throw ChatError.notConnected }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                try transmitNow(.command(.init(name: name, sessionID: sessionID, argument: argument)))
                commandAnswers.append(continuation)
            } catch { continuation.resume(throwing: error) }
        }
    }

    /// Says whether a call that waits may run.
    ///
    /// - Throws: ``ChatError/notConnected``.
    public func reply(to approval: String, _ decision: ClientMessage.ApprovalReply) throws(ChatError) {
        try transmitNow(.approvalReply(id: approval, decision: decision))
    }

    private func transmitNow(_ message: ClientMessage) throws(ChatError) {
        guard machine.isOpen else { throw .notConnected }
        _ = handle(.transmit(message))
    }

    // MARK: Rules and sockets

    /// What the run loop does next.
    private enum Next: Sendable {
        case connect
        case wait(Duration)
    }

    /// Asks the rules; what is to be transmitted goes out at once, in the order of the events.
    private func handle(_ event: ChatStateMachine.Event) -> [ChatStateMachine.Action] {
        var rest: [ChatStateMachine.Action] = []
        for action in machine.handle(event, jitter: random()) {
            guard case .transmit(let message) = action else {
                rest.append(action)
                continue
            }
            // A full outbox means that the socket takes nothing. What matters is kept by the rules and sent again.
            if case .dropped? = outbox?.yield(message) { outbox?.finish() }
        }
        return rest
    }

    private func received(_ message: ServerMessage) async throws -> Next? {
        defer { heard.ring() }
        guard case .commandResult(let text) = message.body, !commandAnswers.isEmpty,
            let waiter = commandAnswers.removeFirst()
        else { return try await process(.received(message)) }
        waiter.resume(returning: CommandReply(text: text, failure: message.failure))
        return nil
    }

    private func process(_ event: ChatStateMachine.Event) async throws -> Next? {
        var next: Next?
        for action in handle(event) {
            switch action {
            case .deliver(let event): try await mailbox.send(event)
            case .connect: next = .connect
            case .wait(let delay): next = .wait(delay)
            case .finish(let error): throw error
            case .transmit: break
            }
        }
        return next
    }

    private func converse() async throws -> Next? {
        do {
            return try await client.withWebSocket { @Sendable socket in try await self.converse(over: socket) }
        } catch GatewayClientError.upgradeRefused(let status, let text) {
            return try await process(.refused(status: status, text: text))
        } catch let error where error is ChatError || error is CancellationError {
            throw error
        } catch {
            return try await process(.failed(reason: (error as? AgentUnreachable)?.reason ?? "\(error)"))
        }
    }

    private func converse(over socket: WebSocketConnection) async throws -> Next? {
        let (messages, outbox) = AsyncStream.makeStream(
            of: ClientMessage.self, bufferingPolicy: .bufferingOldest(Self.outboxSize))
        self.outbox = outbox
        defer {
            self.outbox = nil
            for waiter in commandAnswers { waiter?.resume(throwing: ChatError.notConnected) }
            commandAnswers.removeAll()
        }
        _ = try await process(.socketOpened)
        return try await withThrowingTaskGroup(of: Next?.self) { tasks in
            tasks.addTask { try await self.readAll(of: socket) }
            tasks.addTask {
                for await message in messages { try await socket.send(message.json()) }
                try Task.checkCancellation()
                throw GatewayClientError.streamFailed("the agent takes no messages")
            }
            tasks.addTask { [greetingTimeout] in
                try await Task.sleep(for: greetingTimeout)
                guard await self.machine.isOpen else { throw GatewayClientError.timedOut(greetingTimeout) }
                return nil
            }
            defer { tasks.cancelAll() }
            for try await next in tasks {
                if let next { return next }
            }
            return nil
        }
    }

    private nonisolated func readAll(of socket: WebSocketConnection) async throws -> Next? {
        for try await event in socket.events {
            switch event {
            case .text(let text):
                // A frame that this version cannot read is for others.
                guard let message = try? ServerMessage(json: text) else { continue }
                _ = try await received(message)
            case .pong: break
            case .closed(let code, let reason): return try await process(.socketClosed(code: code, reason: reason))
            }
        }
        try Task.checkCancellation()
        return try await process(.socketClosed(code: nil, reason: ""))
    }
}
