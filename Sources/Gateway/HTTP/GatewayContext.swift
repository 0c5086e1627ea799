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

    init(source: GatewayRequestSource) {
        maxUploadSize = source.bodyLength
        coreContext = CoreRequestContextStorage(source: source)
        authentication = source.authentication
    }
}
