internal import HTTPTypes
internal import Wire

// Which status goes with an error that has only a name, because `/ws` or a turn said it? Routes that know more choose their own.

extension ErrorCode {
    /// As `docs/protocol.md` has it; of several statuses the first.
    var status: HTTPResponse.Status {
        switch self {
        case .badMessage, .invalid, .unknownType: .badRequest
        case .unauthorized: .unauthorized
        case .budgetExceeded: HTTPResponse.Status(code: 402, reasonPhrase: "Payment Required")
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .conflict: .conflict
        case .preconditionFailed, .notConfigured: .preconditionFailed
        case .tooLarge: .contentTooLarge
        case .notText: .unsupportedMediaType
        case .dependencyMissing: HTTPResponse.Status(code: 424, reasonPhrase: "Failed Dependency")
        case .rateLimited, .queueFull: .tooManyRequests
        case .notImplemented: .notImplemented
        case .upstreamFailed: .badGateway
        case .unavailable, .shuttingDown: .serviceUnavailable
        case .timedOut: .gatewayTimeout
        default: .internalServerError
        }
    }
}
