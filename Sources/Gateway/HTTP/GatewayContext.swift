internal import Hummingbird
internal import Logging

// What does a handler know about the request's origin? The stream's credential, and the caller if it authenticated.
// Header fields such as `X-Forwarded-For` are never consulted: the peer is whom the transport proved.

/// Where a request context comes from.
struct GatewayRequestSource: RequestContextSource {
    let logger: Logger
    let authentication: Result<Caller, Refusal>
    /// Bytes of a body that is read into memory.
    let bodyLength: Int
    let origin: RequestOrigin
    /// Answers another request of the same caller, whose rights are looked at anew.
    let ask: @Sendable (Request) async -> Response
}

/// Where a request came from, for answers that go on after it was authorized.
struct RequestOrigin: Sendable {
    /// Nil when it came over no connection.
    var peer: PeerConnection?
    /// Who asks, as it is at the moment of the call.
    var authenticate: @Sendable () -> Result<Caller, Refusal>
    /// Ends the stream at once, also while something is being written to it.
    var abort: @Sendable () -> Void = {}
}

/// Hummingbird's context of one request.
struct GatewayContext: RequestContext {
    typealias Source = GatewayRequestSource

    var coreContext: CoreRequestContextStorage
    /// Who asks, decided anew for each request.
    let authentication: Result<Caller, Refusal>

    /// What the handler adds to its route's announcement.
    let announced = Announced()

    let maxUploadSize: Int
    let origin: RequestOrigin
    /// Asks the same gateway something else in the name of the same caller.
    let ask: @Sendable (Request) async -> Response

    init(source: GatewayRequestSource) {
        maxUploadSize = source.bodyLength
        coreContext = CoreRequestContextStorage(source: source)
        authentication = source.authentication
        origin = source.origin
        ask = source.ask
    }
}
