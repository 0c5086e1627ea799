internal import HTTPTypes
internal import Hummingbird

// What can be asked over HTTP, and by whom? A route is declared together with the role that it needs: the handler gets a
// `Caller` only from authorization, so neither a route without a rule nor a handler without a caller can be written. It also
// declares what it takes and answers, see `Operation`; and if it changes something, what others hear of it, see `Announcement`.

/// One thing that can be asked.
struct Route: Sendable {
    enum Access: Sendable {
        /// Anybody, with or without a certificate. The path is matched to the letter.
        case open(@Sendable (Request, GatewayContext) async throws -> Response)
        case requires(Role, @Sendable (Request, GatewayContext, Caller) async throws -> Response)
    }

    let method: HTTPRequest.Method
    /// A Hummingbird path pattern, e.g. `/api/sessions/{id}`; `{path:**}` at its end is the rest of the path.
    let path: String
    /// What it says about itself in the gateway's document.
    let operation: Operation
    let access: Access
    /// What others hear when it has succeeded. Every route but GET has one.
    var announces: Announcement?
    /// Whether bridges may ask, and whether anybody else may.
    var bridges = Bridges.allowed

    enum Bridges: Sendable {
        /// Like everybody.
        case allowed
        /// Nobody but them.
        case only
        /// They may not: it is for the person whose certificate it is.
        case refused
    }

    /// The same, for these alone.
    func bridges(_ rule: Bridges) -> Route {
        var route = self
        route.bridges = rule
        return route
    }

    /// Anybody may ask.
    static func open(
        _ method: HTTPRequest.Method, _ path: String, _ operation: Operation, announces: Announcement? = nil,
        _ handler: @escaping @Sendable (Request, GatewayContext) async throws -> Response
    ) -> Route {
        Route(method: method, path: path, operation: operation, access: .open(handler), announces: announces)
    }

    /// Every user of the network may ask.
    static func member(
        _ method: HTTPRequest.Method, _ path: String, _ operation: Operation, announces: Announcement? = nil,
        _ handler: @escaping @Sendable (Request, GatewayContext, Caller) async throws -> Response
    ) -> Route {
        Route(
            method: method, path: path, operation: operation, access: .requires(.member, handler), announces: announces)
    }

    /// Only the network's admins may ask.
    static func admin(
        _ method: HTTPRequest.Method, _ path: String, _ operation: Operation, announces: Announcement? = nil,
        _ handler: @escaping @Sendable (Request, GatewayContext, Caller) async throws -> Response
    ) -> Route {
        Route(
            method: method, path: path, operation: operation, access: .requires(.admin, handler), announces: announces)
    }

    var isOpen: Bool {
        if case .open = access { true } else { false }
    }
}
