internal import Foundation
internal import Hummingbird
internal import JSON
internal import Store
internal import Wire

// Which conversations have I, and what was said in them? Every user's own, admins and the operator included: what belongs to
// another handle does not exist here. What changes a conversation is in SessionChangeRoutes.

enum SessionRoutes {
    /// Larger numbers do not survive the JSON readers of browsers.
    private static let largestNumber: Int64 = 1 << 53 - 1

    static func routes(_ sessions: SessionManager) -> [Route] {
        let repository = sessions.repository
        return lists(repository) + one(sessions, repository) + SessionChangeRoutes.routes(sessions)
    }

    // MARK: Lists

    private static func lists(_ repository: SessionRepository) -> [Route] {
        [
            .member(.get, "/api/sessions", .sessions) { request, _, caller in
                let asked = try request.page(by: SessionPlace.self)
                let rows = try await repository.overview(
                    of: caller.handle, after: asked.after ?? .beginning, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.place)
                return try JSON.response(
                    SessionsBody(sessions: page.map { SessionBody($0, of: caller.handle) }, nextCursor: next))
            },
            .member(.get, "/api/sessions/archives", .archives) { request, _, caller in
                let asked = try request.newestFirst()
                // One more than is shown tells whether there is a next page.
                let rows = try await repository.archives(
                    of: caller.handle, before: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.id)
                return try JSON.response(
                    ArchivesBody(
                        archives: page.map(ArchiveBody.init), next: next == nil ? nil : page.last?.id,
                        nextCursor: next))
            },
            .member(.get, "/api/sessions/archives/{id}", .archivedMessages) { request, context, caller in
                guard let id = Int64(try context.pathPart("id")),
                    let archive = try await repository.archive(id, of: caller.handle)
                else {
                    throw ErrorResponse(
                        status: .notFound, code: .notFound, message: "You have no such archive.")
                }
                let asked = try request.newestFirst()
                let page = try await repository.transcript(ofArchive: id, before: asked.after, limit: asked.limit)
                return try JSON.response(
                    ArchivedMessagesBody(
                        archive: ArchiveBody(archive), messages: page.messages.map(TranscriptMessageBody.init),
                        next: page.next, nextCursor: try page.next.map(PageRequest.cursor)))
            },
        ]
    }

    // MARK: One session

    private static func one(_ sessions: SessionManager, _ repository: SessionRepository) -> [Route] {
        [
            .member(.get, "/api/sessions/{id}", .session) { _, context, caller in
                try await show(try context.sessionKey(of: caller), in: repository)
            },
            .member(.get, "/api/sessions/{id}/messages", .sessionMessages) { request, context, caller in
                let key = try context.sessionKey(of: caller)
                let asked = try request.newestFirst()
                let page = try await repository.transcript(
                    handle: key.handle, sessionID: key.sessionID, before: asked.after, limit: asked.limit)
                guard let page else { throw ErrorResponse.noSession }
                return try JSON.response(
                    SessionMessagesBody(
                        sessionID: key.sessionID, messages: page.messages.map(TranscriptMessageBody.init),
                        next: page.next, nextCursor: try page.next.map(PageRequest.cursor)))
            },
            .member(.get, "/api/sessions/{id}/runs", .sessionRuns) { request, context, caller in
                let key = try context.sessionKey(of: caller)
                let asked = try request.newestFirst()
                let page = try await repository.runs(
                    handle: key.handle, sessionID: key.sessionID, before: asked.after, limit: asked.limit)
                guard let page else { throw ErrorResponse.noSession }
                let next = page.hasOlder ? page.messages.first?.message.id : nil
                return try JSON.response(
                    SessionRunsBody(
                        sessionID: key.sessionID, messages: page.messages.map { SessionRunBody($0, of: key.handle) },
                        nextCursor: try next.map(PageRequest.cursor)))
            },
            .member(.get, "/api/sessions/{id}/events", .sessionEvents) { request, context, caller in
                try await events(request, try context.sessionKey(of: caller), sessions)
            },
            .member(.get, "/api/sessions/{id}/context", .sessionContext) { _, context, caller in
                guard let window = try await sessions.window(of: try context.sessionKey(of: caller)) else {
                    throw ErrorResponse.noSession
                }
                return try JSON.response(window)
            },
        ]
    }

    static func show(_ key: SessionKey, in repository: SessionRepository) async throws -> Response {
        guard let session = try await repository.overview(of: key.handle, sessionID: key.sessionID) else {
            throw ErrorResponse.noSession
        }
        return try JSON.response(SessionBody(session, of: key.handle))
    }

    /// Only what sockets were told, too: what is stored behind a gap would be missed by whoever asks for what follows.
    private static func events(
        _ request: Request, _ key: SessionKey, _ sessions: SessionManager
    ) async throws -> Response {
        let asked = try request.page(by: Int64.self)
        let after = try asked.after ?? request.queryNumber("after", in: 0...largestNumber) ?? 0
        guard try await sessions.repository.overview(of: key.handle, sessionID: key.sessionID) != nil,
            let session = try await sessions.repository.find(handle: key.handle, sessionID: key.sessionID)
        else { throw ErrorResponse.noSession }
        let end = await sessions.released(in: key)
        let page = try await sessions.repository.events(
            of: session.id, after: after, through: end, limit: asked.limit)
        let last = page.events.last?.sequence
        return try JSON.response(
            SessionEventsBody(
                sessionID: key.sessionID,
                events: try page.events.map { try JSONDecoder().decode(JSONValue.self, from: Data($0.frame.utf8)) },
                floor: page.floor, last: last ?? max(after, page.floor),
                nextCursor: try page.isCut ? last.map(PageRequest.cursor) : nil))
    }
}

extension GatewayContext {
    /// The caller's session that the path names.
    func sessionKey(of caller: Caller) throws(ErrorResponse) -> SessionKey {
        SessionKey(handle: caller.handle, sessionID: try pathPart("id"))
    }
}

extension ErrorResponse {
    static let noSession = ErrorResponse(
        status: .notFound, code: .notFound, message: "You have no such session.")
}

extension TranscriptPage {
    /// The value of `before` that asks for what came earlier.
    fileprivate var next: Int64? { hasOlder ? messages.first?.id : nil }
}

extension SessionBody {
    init(_ session: SessionOverview, of handle: String) {
        self.init(
            sessionID: session.sessionID, clientID: handle, title: session.title, messages: session.messages,
            createdAt: session.createdAt, lastActivity: session.lastActivity, model: session.model,
            folded: session.isFolded, running: session.running, waiting: session.waiting)
    }
}

extension SessionRunBody {
    fileprivate init(_ run: SessionRunMessage, of handle: String) {
        let said = run.message
        let attachments = (try? TurnAttachments.list(run.attachments)) ?? []
        self.init(
            id: "\(said.id)", role: said.message.role, text: said.message.text, timestamp: said.at,
            turnID: run.turnID, interrupted: said.message.interrupted, model: run.model,
            attachments: attachments.isEmpty ? nil : attachments,
            author: said.message.role == "user" ? handle : nil)
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
