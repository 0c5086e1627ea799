internal import Hummingbird
internal import Store
internal import Wire

// Which conversations have I, and what was said in them? Every user's own, admins and the operator included: what belongs to
// another handle does not exist here.

enum SessionRoutes {
    private static let sessionsPerPage = 100
    private static let archivesPerPage = 100
    private static let messagesPerPage = 100
    private static let limits = 1...1_000

    static func routes(_ sessions: SessionManager) -> [Route] {
        let repository = sessions.repository
        return [
            .member(.get, "/api/sessions", .sessions) { request, _, caller in
                let limit = try request.queryNumber("limit", in: limits) ?? sessionsPerPage
                let rows = try await repository.overview(of: caller.handle, limit: limit)
                return try JSON.response(SessionsBody(sessions: rows.map(SessionBody.init)))
            },
            .member(.get, "/api/sessions/{id}/messages", .sessionMessages) { request, context, caller in
                let id = try context.pathPart("id")
                let page = try await repository.transcript(
                    handle: caller.handle, sessionID: id, before: try request.queryNumber("before", in: 1...Int64.max),
                    limit: try request.queryNumber("limit", in: limits) ?? messagesPerPage)
                guard let page else { throw ErrorResponse.noSession }
                return try JSON.response(
                    SessionMessagesBody(
                        sessionID: id, messages: page.messages.map(TranscriptMessageBody.init), next: page.next))
            },
            .member(.post, "/api/sessions/{id}/clear", .clearSession, announces: .deleted(.session, "id", to: .caller))
            {
                _, context, caller in
                let key = SessionKey(handle: caller.handle, sessionID: try context.pathPart("id"))
                guard try await !repository.overview(of: key.handle, sessionID: key.sessionID, limit: 1).isEmpty else {
                    throw ErrorResponse.noSession
                }
                let stopped = try await sessions.clear(key)
                return try JSON.response(
                    ClearedSession(
                        sessionID: key.sessionID, cleared: true, stopped: stopped.running, dropped: stopped.dropped,
                        archived: stopped.archived > 0))
            },
            .member(.post, "/api/sessions/{id}/pin", .pinModel, announces: .updated(.session, "id", to: .caller)) {
                try await pin($0, $1, $2, sessions)
            },
            .member(.put, "/api/sessions/{id}/pin", .pinModel, announces: .updated(.session, "id", to: .caller)) {
                try await pin($0, $1, $2, sessions)
            },
            .member(.delete, "/api/sessions/{id}/pin", .unpinModel, announces: .updated(.session, "id", to: .caller)) {
                _, context, caller in
                let key = SessionKey(handle: caller.handle, sessionID: try context.pathPart("id"))
                _ = try await sessions.choose(nil, for: key)
                return try JSON.response(PinnedSession(sessionID: key.sessionID, model: nil))
            },
            .member(.get, "/api/sessions/archives", .archives) { request, _, caller in
                let limit = try request.queryNumber("limit", in: limits) ?? archivesPerPage
                // One more than is shown tells whether there is a next page.
                let rows = try await repository.archives(
                    of: caller.handle, before: try request.queryNumber("before", in: 1...Int64.max), limit: limit + 1)
                let page = rows.prefix(limit)
                return try JSON.response(
                    ArchivesBody(
                        archives: page.map(ArchiveBody.init), next: rows.count > limit ? page.last?.id : nil))
            },
            .member(.get, "/api/sessions/archives/{id}", .archivedMessages) { request, context, caller in
                guard let id = Int64(try context.pathPart("id")),
                    let archive = try await repository.archive(id, of: caller.handle)
                else {
                    throw ErrorResponse(
                        status: .notFound, code: .notFound, message: "You have no such archive.")
                }
                let page = try await repository.transcript(
                    ofArchive: id, before: try request.queryNumber("before", in: 1...Int64.max),
                    limit: try request.queryNumber("limit", in: limits) ?? messagesPerPage)
                return try JSON.response(
                    ArchivedMessagesBody(
                        archive: ArchiveBody(archive), messages: page.messages.map(TranscriptMessageBody.init),
                        next: page.next))
            },
        ]
    }

    private static func pin(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, _ sessions: SessionManager
    ) async throws -> Response {
        let key = SessionKey(handle: caller.handle, sessionID: try context.pathPart("id"))
        let model = try await request.decode(as: SessionPin.self, context: context).model
        switch try await sessions.choose(model, for: key) {
        case .chosen: return try JSON.response(PinnedSession(sessionID: key.sessionID, model: model))
        case .unknown(let known):
            throw ErrorResponse(
                status: .notFound, code: .notFound, message: SessionManager.unknownModel(model, known),
                hint: "See: openagent models list")
        case .disabled: throw ErrorResponse.invalid(SessionManager.disabledModel(model))
        case .notRunnable:
            throw ErrorResponse(
                status: .notImplemented, code: .notImplemented, message: SessionManager.notRunnableModel(model))
        }
    }
}

extension ErrorResponse {
    fileprivate static let noSession = ErrorResponse(
        status: .notFound, code: .notFound, message: "You have no such session.")
}

extension TranscriptPage {
    /// The value of `before` that asks for what came earlier.
    fileprivate var next: Int64? { hasOlder ? messages.first?.id : nil }
}

extension SessionBody {
    fileprivate init(_ session: SessionOverview) {
        self.init(
            sessionID: session.sessionID, messages: session.messages, createdAt: session.createdAt,
            lastActivity: session.lastActivity, model: session.model, folded: session.isFolded,
            running: session.running, waiting: session.waiting)
    }
}

extension TranscriptMessageBody {
    fileprivate init(_ message: TranscriptMessage) {
        self.init(
            id: message.id, role: message.message.role, text: message.message.text,
            interrupted: message.message.interrupted, at: message.at)
    }
}

extension ArchiveBody {
    fileprivate init(_ archive: SessionArchiveRecord) {
        self.init(
            id: archive.id, sessionID: archive.sessionID, archivedAt: archive.archivedAt, messages: archive.messages,
            opening: archive.opening)
    }
}
