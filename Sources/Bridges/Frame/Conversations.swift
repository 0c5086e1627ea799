internal import Logging
internal import Store
internal import Wire

// How do many chats talk with one agent? Each session is followed over one of a few connections: a connection takes so many sessions, then
// the next one is opened, and one that is full goes as soon as nobody waits for anything on it. What a message of a user became is kept
// here from the moment in which it is sent until its answer is in the outbox. What happens on the platform is not known here.

actor Conversations {
    /// One connection to the agent.
    final class Generation: Sendable {
        let id: Int
        let client: ChatClient
        let retirement = Bell()

        init(id: Int, client: ChatClient) {
            self.id = id
            self.client = client
        }
    }

    private struct Connection {
        let generation: Generation
        var isConnected = false
        /// No further sessions.
        var isFull = false
        /// Those that were opened there.
        var sessions: Set<String> = []
        /// Turns without an answer.
        var openTurns = 0
    }

    /// Sessions on one connection; the agent lets one have 256.
    static let sessionsPerConnection = 200

    private let frame: BridgeFrame
    private let lanes: Lanes
    private let dialer: any GatewayDialer
    private let sessionsPerConnection: Int
    private var connections: [Int: Connection] = [:]
    private var current = 0
    /// Where each session is followed.
    private var routes: [String: Int] = [:]
    private var turns: [String: OpenTurn] = [:]
    /// Sessions with turns that have no answer, and how many.
    private var busy: [String: Int] = [:]
    /// Rings when a message was taken, and when a connection was made or lost.
    private let news = Bell()
    private nonisolated let starts: AsyncStream<Generation>
    private let start: AsyncStream<Generation>.Continuation
    private nonisolated let outgoing: AsyncStream<BridgeTurn>
    private let waiting: AsyncStream<BridgeTurn>.Continuation

    init(
        _ frame: BridgeFrame, _ lanes: Lanes, dialer: any GatewayDialer,
        sessionsPerConnection: Int = Conversations.sessionsPerConnection
    ) {
        self.frame = frame
        self.lanes = lanes
        self.dialer = dialer
        self.sessionsPerConnection = sessionsPerConnection
        (starts, start) = AsyncStream.makeStream(of: Generation.self)
        (outgoing, waiting) = AsyncStream.makeStream(of: BridgeTurn.self)
    }

    /// Talks until the task is cancelled.
    ///
    /// - Throws: the ``ChatError`` after which there is no coming back, or that the database can't be used.
    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await self.sendAll() }
            for await generation in starts { group.addTask { try await self.run(generation) } }
            group.cancelAll()
        }
    }

    private nonisolated func run(_ generation: Generation) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await generation.client.run()
                return false
            }
            group.addTask {
                for await event in generation.client.events { try await self.take(event, from: generation.id) }
                return false
            }
            group.addTask {
                await generation.retirement.wait(after: 0)
                return true
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next() {
                if isOver { return }
            }
        }
    }

    // MARK: From users

    /// Takes a message that is kept. It is sent whatever becomes of the caller.
    func begin(_ turn: BridgeTurn) throws {
        try note(turn)
        waiting.yield(turn)
    }

    /// Sends what had no answer when the process before ended, of which the agent knows what it became, and then what comes.
    private func sendAll() async throws {
        var last: Int64 = 0
        while true {
            let (after, limit) = (last, 100)
            let page = try await frame.persist { try await frame.store.openTurns(after: after, limit: limit) }
            for turn in page { try await send(turn) }
            guard let end = page.last else { break }
            last = end.ordinal
        }
        for await turn in outgoing { try await send(turn) }
        try Task.checkCancellation()
    }

    private func send(_ turn: BridgeTurn) async throws {
        try note(turn)
        let after = try await frame.persist { try await frame.store.afterSequence(of: turn.session) } ?? 0
        guard let open = turns[turn.messageID], !open.isSent else { return }
        turns[open.id]?.isSent = true
        let (generation, isNew) = connection(for: turn.session)
        busy[open.session, default: 0] += 1
        connections[generation.id]?.openTurns += 1
        if isNew { await generation.client.openSession(turn.session, afterSequence: after) }
        try await generation.client.sendWhenRoom(
            ClientMessage.TextFinal(
                sessionID: turn.session, text: turn.text, messageID: turn.messageID,
                source: ClientMessage.Source(rawValue: turn.source) ?? .typed,
                attachments: try JSONText.decode([Attachment].self, turn.attachments)))
    }

    private func note(_ turn: BridgeTurn) throws {
        guard turns[turn.messageID] == nil else { return }
        turns[turn.messageID] = OpenTurn(
            id: turn.messageID, session: turn.session, place: try ChatPlace(text: turn.place), lane: turn.place,
            anchor: turn.anchor, isVoice: turn.source == ClientMessage.Source.speech.rawValue)
    }

    /// Returns when the agent has the message on disk, or will never have it.
    func waitUntilTaken(_ id: String) async throws {
        while true {
            let rings = news.rings
            guard let turn = turns[id], !turn.isTaken else { return }
            await news.wait(after: rings)
            try Task.checkCancellation()
        }
    }

    /// Runs a command of the agent, once it can be reached.
    func command(_ name: String, session: String, argument: String?) async throws -> String {
        while true {
            let rings = news.rings
            try Task.checkCancellation()
            let (generation, _) = connection(for: session, opening: false)
            if connections[generation.id]?.isConnected ?? false {
                do {
                    return try await generation.client.reply(
                        toCommand: name, sessionID: session, argument: argument
                    ).text
                } catch ChatError.notConnected {}
            }
            await news.wait(after: rings)
        }
    }

    /// The connection on which the session is followed.
    ///
    /// - Returns: also whether it is to be opened there.
    private func connection(for session: String, opening: Bool = true) -> (Generation, isNew: Bool) {
        if let id = routes[session], let connection = connections[id],
            // An idle session leaves a full connection, so that it can go.
            !opening || !connection.isFull || busy[session] != nil
        {
            return (connection.generation, false)
        }
        if var connection = connections[current] {
            if !opening { return (connection.generation, false) }
            if connection.sessions.count < sessionsPerConnection {
                connection.sessions.insert(session)
                connections[current] = connection
                routes[session] = current
                return (connection.generation, true)
            }
            connections[current]?.isFull = true
            retireIfIdle(current)
        }
        current += 1
        let generation = Generation(
            id: current,
            client: ChatClient(dialer: dialer, policy: frame.seams.patience, random: frame.seams.random))
        connections[current] = Connection(generation: generation)
        start.yield(generation)
        return connection(for: session, opening: opening)
    }

    private func retireIfIdle(_ id: Int) {
        guard let connection = connections[id], connection.isFull, connection.openTurns == 0 else { return }
        for session in connection.sessions where routes[session] == id { routes[session] = nil }
        connections[id] = nil
        connection.generation.retirement.ring()
    }

    // MARK: From the agent

    private func take(_ event: ChatEvent, from generation: Int) async throws {
        switch event {
        case .connecting: break
        case .connected:
            connections[generation]?.isConnected = true
            news.ring()
        case .disconnected(let reason, _):
            connections[generation]?.isConnected = false
            frame.logger.notice("bridge::agent_lost", metadata: ["reason": "\(reason)"])
            news.ring()
        case .message(let message):
            // A session that has moved is heard over its new connection.
            guard let session = message.sessionID, routes[session] == generation else { return }
            try await take(message, of: session)
        }
    }

    private func take(_ message: ServerMessage, of session: String) async throws {
        let ids = message.messageIDs + [message.messageID].compactMap { $0 }.filter { !message.messageIDs.contains($0) }
        note(ids)
        guard let id = ids.last(where: { turns[$0] != nil }), let turn = turns[id] else { return }
        switch message.body {
        case .queued: await lanes.begin(turn)
        case .status(let text): await lanes.add(status: text, to: turn)
        case .delta(let text): await lanes.add(delta: text, to: turn)
        case .approvalRequest(let request): try await ask(request, turn)
        case .approvalSettled(let question, let decision): try await settled(question, decision, turn)
        case .response(let text, _, let attachments):
            turns[id]?.outcome.text = text
            turns[id]?.outcome.attachments = attachments
        case .error(let code, let text):
            let words = message.budget.map(Words.budget) ?? Words.refused(text)
            turns[id]?.outcome.failure = words
            // It did not become a turn: nothing follows.
            if message.turnID == nil {
                frame.logger.notice(
                    "bridge::not_accepted", metadata: ["session": "\(session)", "code": "\(code.rawValue)"])
                try await end(ids, id, .error, sequence: nil)
            }
        case .turnComplete(let end): try await self.end(ids, id, end.reason, sequence: message.sequence)
        case .authOK, .pong, .commandResult, .heard, .audioStart, .audioChunk, .audioEnd, .resourceEvent,
            .systemSnapshot, .sessionState, .unknown:
            break
        }
    }

    private func note(_ ids: [String]) {
        var isNews = false
        for id in ids where turns[id]?.isTaken == false {
            turns[id]?.isTaken = true
            isNews = true
        }
        if isNews { news.ring() }
    }

    /// The turn is over: its answer is in the outbox in the moment in which it is no longer waited for.
    private func end(
        _ ids: [String], _ id: String, _ reason: ServerMessage.TurnComplete.Reason, sequence: Int?
    ) async throws {
        guard let turn = turns[id] else { return }
        for other in ids { if let turn = turns[other] { await lanes.end(turn) } }
        let messages = try turn.acts(reason, limits: frame.limits, split: Splitting.pieces).map { try $0.message() }
        let ending = BridgeEnding(
            messageIDs: ids, session: turn.session, afterSequence: sequence, messages: messages)
        _ = try await frame.persist { try await frame.store.finish(ending, at: frame.seams.now()) }
        try await lanes.sent(messages)
        for id in ids {
            guard let turn = turns.removeValue(forKey: id), turn.isSent else { continue }
            busy[turn.session] = busy[turn.session].flatMap { $0 > 1 ? $0 - 1 : nil }
            guard let route = routes[turn.session] else { continue }
            connections[route]?.openTurns -= 1
            retireIfIdle(route)
        }
        news.ring()
    }

    // MARK: Questions

    private func ask(_ request: ServerMessage.ApprovalRequest, _ turn: OpenTurn) async throws {
        await lanes.set(isWaiting: true, turn)
        let hasButtons = frame.limits.hasButtons
        let text = OutboundText(
            Words.question(request, id: hasButtons ? nil : request.id), replyTo: turn.anchor,
            buttons: hasButtons
                ? [
                    OutboundButton(label: "✅ Approve", data: "ok:\(request.id)"),
                    OutboundButton(label: "⛔ Deny", data: "no:\(request.id)"),
                ] : [])
        try await say(
            .send(text), at: turn.place, key: "ask:\(request.id)",
            question: BridgeQuestion(id: request.id, session: turn.session, tool: request.tool))
    }

    private func settled(_ question: String, _ decision: String, _ turn: OpenTurn) async throws {
        await lanes.set(isWaiting: false, turn)
        let known = try await frame.persist { try await frame.store.question(question) }
        guard let known else { return }
        try await say(.send(OutboundText(Words.settled(known.tool, decision))), at: turn.place, key: "told:\(question)")
    }

    /// Says something once.
    private func say(
        _ act: OutboundAct, at place: ChatPlace, key: String, question: BridgeQuestion? = nil
    ) async throws {
        let message = try Outgoing(place: place, act: .plain(act), key: key).message()
        let isNew = try await frame.persist {
            try await frame.store.accept(key, question: question, messages: [message], at: frame.seams.now())
        }
        if isNew { try await lanes.sent([message]) }
    }
}
