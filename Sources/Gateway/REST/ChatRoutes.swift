internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Wire

// How does a program ask one thing and get the answer? `POST /api/chat`: the message becomes a turn like one of `/ws`, in the same
// lanes and as durable, and the request waits for its end or is told of it as it goes on. The request may go away: the turn
// doesn't.

enum ChatRoutes {
    static func routes(_ room: Listening.Room, _ files: ArtifactStore?, _ random: Randomness) -> [Route] {
        [
            .member(
                .post, "/api/chat", .chat,
                announces: .nothing(because: "its session tells that it was begun and has gone on")
            ) { request, context, caller in
                let chat = try await OneShot(
                    request, context, caller, room: room, random: random,
                    files: MessageFiles(files: files, logger: context.logger))
                return request.wantsEvents ? try await chat.events() : try await chat.answer()
            }
        ]
    }
}

/// One message and the request that waits for its answer.
private struct OneShot: Sendable {
    let room: Listening.Room
    let caller: Caller
    let message: ClientMessage.TextFinal
    let messageID: String
    let isNew: Bool
    let listening: Listening

    private var outbox: Outbox { listening.watcher.outbox }

    init(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, room: Listening.Room, random: Randomness,
        files: MessageFiles
    ) async throws {
        let body = try await request.decode(as: ChatRequest.self, context: context)
        let attachments = body.attachments ?? []
        guard !body.message.allSatisfy(\.isWhitespace) || !attachments.isEmpty else {
            throw ErrorResponse.invalid("The message is empty.", hint: "Say something in 'message'.")
        }
        for id in [body.sessionID, body.messageID].compactMap({ $0 }) where id.utf8.count > room.limits.identifierLength
        {
            throw ErrorResponse.invalid("An id may have \(room.limits.identifierLength) bytes.")
        }
        let messageID = body.messageID.flatMap(Self.named) ?? "api-" + random.uuid()
        let known: [Attachment]
        do { known = try await files.resolve(attachments, of: caller) } catch {
            throw ErrorResponse(error.code, error.text)
        }
        listening = try Listening(room, hears: .nothing, as: caller, in: context)
        var sessionID = body.sessionID.flatMap(Self.named) ?? "api-" + random.uuid()
        // A message that came again is asked for where it is.
        if body.messageID != nil, let earlier = try await room.sessions.session(ofMessage: messageID, from: caller) {
            sessionID = earlier
        }
        isNew = try await room.sessions.repository.overview(of: caller.handle, sessionID: sessionID) == nil
        message = ClientMessage.TextFinal(
            sessionID: sessionID, text: body.message, messageID: messageID, attachments: known)
        (self.room, self.caller, self.messageID) = (room, caller, messageID)
    }

    /// A blank name is none.
    private static func named(_ text: String) -> String? { text.allSatisfy(\.isWhitespace) ? nil : text }

    // MARK: One document

    func answer() async throws -> Response {
        var turn = await send()
        var refusal: ErrorResponse?
        try await listening.attend(atMost: room.limits.chatTime) {
            reading: while let items = await outbox.next() {
                for item in items {
                    guard case .message(_, _, let step) = await take(item, &turn) else { continue }
                    switch step {
                    case .refused(let code, let text): refusal = Self.refusal(code, text, turn.budget)
                    case .end: break
                    case .event, .ignored, .elsewhere: continue
                    }
                    break reading
                }
            }
        }
        if let refusal { throw refusal }
        guard let end = turn.completion else { throw try broken(outbox.takeFarewell(), turn) }
        if end.reason == .error, let failure = turn.failure, !Self.isTold.contains(failure.code) {
            throw Self.refusal(failure.code, failure.text, turn.budget)
        }
        return try JSON.response(
            ChatAnswer(
                response: turn.text, model: turn.model, errored: end.reason == .error, reason: end.reason.rawValue,
                sessionID: turn.sessionID, created: isNew, turnID: turn.turnID, messageID: messageID,
                usage: .init(inputTokens: end.inputTokens, outputTokens: end.outputTokens, cost: end.cost),
                attachments: turn.attachments.isEmpty ? nil : turn.attachments))
    }

    /// Failures of the agent are part of the answer; others have a status of their own.
    private static let isTold: Set<ErrorCode> = [.internalError, .unavailable]

    // MARK: Events

    func events() async throws -> Response {
        var turn = await send()
        // The first word decides whether there will be a stream at all.
        var first: [Outbox.Item] = []
        var beginning: [ServerSentEvent] = []
        try await listening.attend(atMost: room.limits.chatTime) {
            while beginning.isEmpty, let items = await outbox.next() {
                for (index, item) in items.enumerated() {
                    guard case .message(let message, let frame, let step) = await take(item, &turn) else { continue }
                    if case .refused(let code, let text) = step { throw Self.refusal(code, text, turn.budget) }
                    guard step == .event || step == .end else { continue }
                    beginning = [ServerSentEvent(message, frame: frame)]
                    first = Array(items[(index + 1)...])
                    break
                }
            }
        }
        guard !beginning.isEmpty else { throw try broken(outbox.takeFarewell(), turn) }
        return .events { [self, turn, first, beginning] writer in
            var (turn, rest) = (turn, first)
            try await listening.attend(silence: room.limits.streamSilence, atMost: room.limits.chatTime) {
                try await writer.write(ByteBuffer(string: beginning.map(\.text).joined()))
                var isOver = turn.completion != nil
                while !isOver {
                    let items = rest.isEmpty ? await outbox.next() : rest
                    rest = []
                    guard let items else { break }
                    var text = ""
                    for item in items where !isOver {
                        switch await take(item, &turn) {
                        case .signOfLife: text += ServerSentEvent.signOfLife
                        case .message(let message, let frame, let step):
                            guard step == .event || step == .end else { continue }
                            text += ServerSentEvent(message, frame: frame).text
                            isOver = step == .end
                        case nil: break
                        }
                    }
                    if !text.isEmpty { try await writer.write(ByteBuffer(string: text)) }
                }
                guard !isOver, let closing = outbox.takeFarewell() else { return }
                try await writer.write(ByteBuffer(string: try farewell(closing, turn).text))
            }
        }
    }

    private func farewell(_ closing: WebSocketClosing, _ turn: AwaitedTurn) throws -> ServerSentEvent {
        guard closing == .waited, let error = try broken(closing, turn) as? ErrorResponse else {
            return ServerSentEvent(closing)
        }
        let text = [error.message, error.hint].compactMap { $0 }.joined(separator: " ")
        let message = ServerMessage(
            .error(code: error.code, text: text), sessionID: turn.sessionID, messageID: messageID)
        return ServerSentEvent(message, frame: message.frame)
    }

    // MARK: Parts

    private enum Taken {
        case signOfLife
        case message(ServerMessage, frame: String, AwaitedTurn.Step)
    }

    private func send() async -> AwaitedTurn {
        await room.sessions.accept(message, from: caller, on: listening.watcher)
        return AwaitedTurn(messageID: messageID, sessionID: message.sessionID)
    }

    private func take(_ item: Outbox.Item, _ turn: inout AwaitedTurn) async -> Taken? {
        guard case .text(let frame) = item else { return .signOfLife }
        guard let message = try? ServerMessage(json: frame) else { return nil }
        let step = turn.take(message)
        if case .elsewhere(let sessionID) = step {
            // Sent twice at the same time: the other one was first. Sent again there, it is told what becomes of it.
            var again = self.message
            again.sessionID = sessionID
            await room.sessions.accept(again, from: caller, on: listening.watcher)
        }
        return .message(message, frame: frame, step)
    }

    /// Why the message did not become a turn, or its turn no answer.
    private static func refusal(_ code: ErrorCode, _ text: String, _ budget: BudgetDetails?) -> ErrorResponse {
        let hint: String? =
            switch code {
            case .queueFull: "Wait for an answer, then send it again."
            case .unavailable, .shuttingDown: "Send it again later, with a message_id: it never runs twice."
            case .budgetExceeded: BudgetExceeded.hint
            default: nil
            }
        var response = ErrorResponse(code, text, hint: hint)
        response.details = budget
        return response
    }

    /// Why there is no answer although nobody refused the message.
    private func broken(_ closing: WebSocketClosing?, _ turn: AwaitedTurn) throws -> any Error {
        let session = turn.sessionID.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let hint =
            "Its answer will be in GET /api/sessions/\(session)/messages; the same request with message_id "
            + "'\(messageID)' waits for it again."
        switch closing {
        case .waited?:
            guard let (id, tool) = turn.waiting.min(by: { $0.key < $1.key }) else {
                return ErrorResponse(.timedOut, "There is no answer yet. The turn goes on.", hint: hint)
            }
            return ErrorResponse(
                .timedOut, "There is no answer yet: \(tool) waits until it is allowed. The turn goes on.",
                hint: "Say so with POST /api/approvals/\(id). " + hint)
        case .restarting?: return ErrorResponse(.shuttingDown, "The server is restarting.", hint: hint)
        case .expired?: return Refusal.badCertificate(.expired(at: caller.expiresAt ?? 0))
        case .unavailable?: return Refusal.membershipUnavailable
        case .revoked?: return Refusal.revoked
        case .suspended?: return Refusal.inactive
        default: return ErrorResponse(.unavailable, "There were too many events at once.", hint: hint)
        }
    }
}

extension SessionManager {
    /// The session in which a device's message became a turn; nil when it did not, or long ago.
    func session(ofMessage id: String, from caller: Caller) async throws -> String? {
        try await repository.turn(
            messageID: id, sender: caller.sender, since: now() - limits.messageMemory.seconds)?.sessionID
    }
}
