internal import Certs
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Store
internal import Wire

// Who answers an HTTP request? First authorization, then the route, then one place that turns failures into answers. It
// knows nothing of channels: the same responder decides about WebSocket upgrades and can be asked by a test.

/// Serves the declared routes.
struct GatewayResponder: Sendable {
    private let authorizer: Authorizer
    private let router: RouterResponder<GatewayContext>
    /// Method and exact path of what needs no certificate.
    private let open: Set<String>
    /// The path on which a request may become a WebSocket, and the role that it needs.
    private let webSocket: (path: String, role: Role)
    private let bodyLength: Int
    private let logger: Logger
    private let strangers: StrangerLog
    private let methods: AllowedMethods

    /// - Parameters:
    ///   - routes: everything that can be asked.
    ///   - webSocket: where WebSockets are; a plain request there is told to upgrade.
    ///   - bodyLength: bytes of a request body that is read into memory.
    ///   - broadcasts: through which others hear what a request changed.
    ///   - strangers: how much of those who are let in nowhere is logged.
    init(
        authorizer: Authorizer, routes: [Route], webSocket: (path: String, role: Role), bodyLength: Int,
        broadcasts: Broadcasts = .none, logger: Logger, strangers: StrangerLog
    ) {
        self.strangers = strangers
        self.authorizer = authorizer
        self.bodyLength = bodyLength
        self.webSocket = webSocket
        self.logger = logger
        open = Set(routes.filter(\.isOpen).map { Self.key($0.method, $0.path) })
        let router = Router(context: GatewayContext.self, options: .autoGenerateHeadEndpoints)
        let all = routes + [Self.upgradeRequired(webSocket)]
        methods = AllowedMethods(all)
        router.add(middleware: OwnErrors(methods: methods))
        for route in all {
            router.on(RouterPath(Self.pattern(route.path)), method: route.method) { request, context in
                try await Self.run(route, request, context, broadcasts)
            }
        }
        self.router = router.buildResponder()
    }

    /// As the router writes it: `{name:**}`, the rest of the path, is its `**`.
    private static func pattern(_ path: String) -> String {
        guard path.hasSuffix(":**}"), let brace = path.lastIndex(of: "{") else { return path }
        return path[..<brace] + "**"
    }

    /// Whether this request may become a WebSocket.
    func mayUpgrade(_ request: HTTPRequest, _ credential: StreamCredential) -> Bool {
        guard Self.path(of: request) == webSocket.path else { return false }
        return (try? authorizer.authorize(credential, needs: webSocket.role).get()) != nil
    }

    /// Answers one request. Never throws: every failure has an answer.
    ///
    /// - Parameter abort: ends the stream that the request came on.
    func respond(
        to request: Request, from credential: StreamCredential, abort: @escaping @Sendable () -> Void
    ) async -> Response {
        var log = logger
        log[metadataKey: "peer"] = "\(credential.peer.node.short)"
        log[metadataKey: "remote"] = "\(credential.peer.remote())"
        let authorizer = authorizer
        let origin = RequestOrigin(
            peer: credential.peer, authenticate: { authorizer.authenticate(credential) }, abort: abort)
        return await respond(to: request, origin: origin, log: log)
    }

    /// Answers one request of this process, where no connection is needed to know who asks.
    ///
    /// - Parameter caller: nil is the operator: only the agent's own process can ask so.
    func respond(to request: Request, as caller: Caller?) async -> Response {
        var log = logger
        log[metadataKey: "peer"] = "in process"
        let caller = caller ?? .operator(of: authorizer.agent)
        return await respond(to: request, origin: RequestOrigin(authenticate: { .success(caller) }), log: log)
    }

    private func respond(to request: Request, origin: RequestOrigin, log: Logger) async -> Response {
        let authentication = origin.authenticate()
        var log = log
        log[metadataKey: "method"] = "\(request.method)"
        log[metadataKey: "path"] = "\(Self.path(of: request.head).prefix(200))"
        if case .failure = authentication {
            switch strangers.admit() {
            case nil: log.logLevel = max(log.logLevel, .warning)
            case 0?: break
            case let left?: log[metadataKey: "unlogged"] = "\(left)"
            }
        }
        var response = await answer(request, authentication: authentication, origin: origin, log: log)
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if request.method == .head { response = response.createHeadResponse() }
        if request.headers[.connection] == "close" { response.headers[.connection] = "close" }
        log.info("gateway::request", metadata: ["status": "\(response.status.code)"])
        return response
    }

    private func answer(
        _ request: Request, authentication: Result<Caller, Refusal>, origin: RequestOrigin, log: Logger
    ) async -> Response {
        if case .failure(let refusal) = authentication,
            !open.contains(Self.key(request.method, Self.path(of: request.head)))
        {
            return Self.refuse(refusal, log: log)
        }
        let context = GatewayContext(
            source: GatewayRequestSource(
                logger: log, authentication: authentication, bodyLength: bodyLength, origin: origin,
                ask: { await self.answer($0, authentication: origin.authenticate(), origin: origin, log: log) }))
        do {
            return try await router.respond(to: request, context: context)
        } catch let refusal as Refusal {
            return Self.refuse(refusal, log: log)
        } catch let error as ErrorResponse {
            return error.response
        } catch let error as AdministrationError {
            return ErrorResponse(error).response
        } catch {
            log.error("gateway::request_failed", metadata: ["error": "\(error)"])
            return (ErrorResponse(StorageFault(error)) ?? .internalError).response
        }
    }

    /// The reason in full goes to the log; the peer gets the short form, as plain text (network.md §3.1).
    private static func refuse(_ refusal: Refusal, log: Logger) -> Response {
        log.notice("gateway::refused", metadata: ["reason": "\(refusal)"])
        if refusal == .forbidden { return ErrorResponse.forbidden.response }
        return Response(
            status: refusal == .membershipUnavailable ? .serviceUnavailable : .unauthorized,
            headers: [.contentType: "text/plain; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: refusal.text)))
    }

    private static func run(
        _ route: Route, _ request: Request, _ context: GatewayContext, _ broadcasts: Broadcasts
    ) async throws -> Response {
        let response: Response
        var asking: Caller?
        switch route.access {
        case .open(let handler):
            response = try await handler(request, context)
        case .requires(let role, let handler):
            let caller = try context.authentication.get()
            guard caller.role >= role else { throw Refusal.forbidden }
            switch route.bridges {
            case .only where !caller.isBridge: throw ErrorResponse.onlyForBridges
            case .refused where caller.isBridge: throw ErrorResponse.notForBridges
            default: break
            }
            asking = caller
            response = try await handler(request, context, caller)
        }
        route.announces?.publish(response.status, context, by: asking, through: broadcasts)
        return response
    }

    /// What a request gets that stays one of HTTP where WebSockets are.
    static func upgradeRequired(_ webSocket: (path: String, role: Role)) -> Route {
        Route(
            method: .get, path: webSocket.path, operation: .webSocket,
            access: .requires(webSocket.role) { _, _, _ in
                var response = ErrorResponse(
                    status: .upgradeRequired, code: .badMessage, message: "This address speaks WebSocket."
                ).response
                response.headers[.upgrade] = "websocket"
                return response
            })
    }

    /// Whoever may get something may also ask for its head.
    private static func key(_ method: HTTPRequest.Method, _ path: String) -> String {
        "\((method == .head ? .get : method).rawValue) \(path)"
    }

    /// The path to the letter, without the query.
    private static func path(of request: HTTPRequest) -> String {
        let path = request.path ?? ""
        return String(path.prefix { $0 != "?" })
    }
}

/// Turns what Hummingbird reports by itself into our words, before the router answers in its own.
private struct OwnErrors: RouterMiddleware {
    let methods: AllowedMethods

    func handle(
        _ request: Request, context: GatewayContext, next: (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError {
            // Handlers have a word of their own for what isn't there: this is the router's.
            if error.status == .notFound { return try methods.answer(to: request) }
            throw ErrorResponse(error)
        } catch is NIOTooManyBytesError {
            throw ErrorResponse.tooLarge
        }
    }
}
