// How does the coordinator say no? A stable code for programs and a sentence for people, the same type on both sides.

/// A refusal by the coordinator.
public struct RPCError: Error, Sendable, Equatable, CustomStringConvertible {
    public let code: RPCErrorCode
    /// For people. Never an internal detail.
    public let message: String

    public init(_ code: RPCErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

/// Stable codes of refusals: those of the reference, and the three at the end.
public struct RPCErrorCode: RawRepresentable, Hashable, Sendable {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let badRequest = RPCErrorCode(rawValue: "bad_request")
    public static let unknownMethod = RPCErrorCode(rawValue: "unknown_method")
    public static let tooLarge = RPCErrorCode(rawValue: "too_large")
    public static let endOfStream = RPCErrorCode(rawValue: "eof")
    public static let invalidInvite = RPCErrorCode(rawValue: "invalid_invite")
    public static let conflict = RPCErrorCode(rawValue: "conflict")
    public static let unauthorized = RPCErrorCode(rawValue: "unauthorized")
    public static let forbidden = RPCErrorCode(rawValue: "forbidden")
    public static let expired = RPCErrorCode(rawValue: "expired")
    public static let revoked = RPCErrorCode(rawValue: "revoked")
    public static let internalError = RPCErrorCode(rawValue: "internal")
    /// Too many login attempts; the message says how long to wait.
    public static let rateLimited = RPCErrorCode(rawValue: "rate_limited")
    /// The user is suspended; the device is not revoked.
    public static let suspended = RPCErrorCode(rawValue: "suspended")
    /// The certificate is too young to be renewed.
    public static let notDue = RPCErrorCode(rawValue: "not_due")
}

extension RPCError {
    /// What a refused act of administration is called on the wire.
    init(_ refusal: AdministrationError) {
        let code: RPCErrorCode =
            switch refusal {
            case .lastAdmin, .ownAgent, .agentHandleTaken: .conflict
            case .forbidden: .forbidden
            case .unknownUser, .unknownDevice, .unknownAgent, .unknownInvitation, .invalid: .badRequest
            }
        self.init(code, refusal.description)
    }
}
