internal import Hummingbird
internal import Store
internal import Wire

// How does a user change a conversation? Its title, its model under both names that clients use, clearing and removal. Nothing
// that was said is lost by any of it: what goes is archived first.

enum SessionChangeRoutes {
    private static let longestTitle = 200

    static func routes(_ sessions: SessionManager) -> [Route] {
        pins(sessions) + [
            .member(
                .patch, "/api/sessions/{id}", .changeSession, announces: .updated(.session, "id", to: .caller)
            ) { request, context, caller in
                let key = try context.sessionKey(of: caller)
                let title = try await request.decode(as: SessionPatch.self, context: context).title
                try check(title)
                guard
                    try await sessions.repository.setTitle(title, handle: key.handle, sessionID: key.sessionID)
                else { throw ErrorResponse.noSession }
                return try await SessionRoutes.show(key, in: sessions.repository)
            },
            .member(.post, "/api/sessions/{id}/clear", .clearSession, announces: .deleted(.session, "id", to: .caller))
            { _, context, caller in
                let key = try await existing(context, caller, sessions)
                let stopped = try await sessions.clear(key)
                return try JSON.response(
                    ClearedSession(
                        sessionID: key.sessionID, cleared: true, stopped: stopped.running, dropped: stopped.dropped,
                        archived: stopped.archived > 0))
            },
            .member(.delete, "/api/sessions/{id}", .removeSession, announces: .deleted(.session, "id", to: .caller)) {
                _, context, caller in
                let key = try await existing(context, caller, sessions)
                let stopped = try await sessions.clear(key, removing: true)
                return try JSON.response(
                    RemovedSession(
                        sessionID: key.sessionID, stopped: stopped.running, dropped: stopped.dropped,
                        archived: stopped.archived > 0 || stopped.running > 0))
            },
        ]
    }

    private static func existing(
        _ context: GatewayContext, _ caller: Caller, _ sessions: SessionManager
    ) async throws -> SessionKey {
        let key = try context.sessionKey(of: caller)
        guard try await sessions.repository.overview(of: key.handle, sessionID: key.sessionID) != nil else {
            throw ErrorResponse.noSession
        }
        return key
    }

    private static func check(_ title: String?) throws(ErrorResponse) {
        guard let title else { return }
        let isPlain = !title.unicodeScalars.contains { $0.properties.generalCategory == .control }
        // One character may be made of any number of marks.
        guard (1...longestTitle).contains(title.count), title.utf8.count <= 8 * longestTitle, isPlain,
            !title.allSatisfy(\.isWhitespace)
        else {
            throw .invalid(
                "A title has 1 to \(longestTitle) characters and no control characters.",
                hint: "Say null to take the title away.")
        }
    }

    // MARK: Model

    /// `pin` is the seed's name, `model` that of the reference's servers.
    private static func pins(_ sessions: SessionManager) -> [Route] {
        let announced = Announcement.updated(.session, "id", to: .caller)
        @Sendable func pin(_ request: Request, _ context: GatewayContext, _ caller: Caller) async throws -> Response {
            try await self.pin(request, context, caller, sessions)
        }
        @Sendable func unpin(_ request: Request, _ context: GatewayContext, _ caller: Caller) async throws -> Response {
            let key = try context.sessionKey(of: caller)
            _ = try await sessions.choose(nil, for: key)
            return try JSON.response(PinnedSession(sessionID: key.sessionID, model: nil))
        }
        return [
            .member(.post, "/api/sessions/{id}/pin", .pinModel, announces: announced) { try await pin($0, $1, $2) },
            .member(.put, "/api/sessions/{id}/pin", .pinModel, announces: announced) { try await pin($0, $1, $2) },
            .member(.delete, "/api/sessions/{id}/pin", .unpinModel, announces: announced) {
                try await unpin($0, $1, $2)
            },
            .member(.get, "/api/sessions/{id}/model", .sessionModel) { _, context, caller in
                let key = try await existing(context, caller, sessions)
                let model = try await sessions.repository.overview(of: key.handle, sessionID: key.sessionID)?.model
                return try JSON.response(PinnedSession(sessionID: key.sessionID, model: model))
            },
            .member(.put, "/api/sessions/{id}/model", .pinModel, announces: announced) { try await pin($0, $1, $2) },
            .member(.delete, "/api/sessions/{id}/model", .unpinModel, announces: announced) {
                try await unpin($0, $1, $2)
            },
        ]
    }

    private static func pin(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, _ sessions: SessionManager
    ) async throws -> Response {
        let key = try context.sessionKey(of: caller)
        let body = try await request.decode(as: SessionPin.self, context: context)
        guard let model = body.runtimeID ?? body.model, !model.isEmpty else {
            throw ErrorResponse.invalid(
                "Which model? The body says it as 'model' or 'runtime_id'.", hint: #"Send {"model": "…"}."#)
        }
        do {
            switch try await sessions.choose(model, for: key) {
            case .chosen: return try JSON.response(PinnedSession(sessionID: key.sessionID, model: model))
            case .unknown(let known):
                throw ErrorResponse(
                    status: .notFound, code: .notFound, message: SessionManager.unknownModel(model, known),
                    hint: "See: openagent models list")
            case .disabled:
                throw ErrorResponse.invalid(
                    SessionManager.disabledModel(model), hint: "An admin enables it with: openagent models enable")
            case .notRunnable:
                throw ErrorResponse(
                    status: .notImplemented, code: .notImplemented, message: SessionManager.notRunnableModel(model),
                    hint: "The models that run: openagent models list")
            }
        } catch let error as SessionStorageError {
            throw ErrorResponse(
                status: .conflict, code: .conflict, message: error.description,
                hint: "DELETE /api/sessions/{id} archives a session and removes it.")
        }
    }
}
