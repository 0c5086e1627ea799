// What are errors called on the wire? Each has one stable name, over REST and over `/ws` the same, and one place that lists them:
// `docs/protocol.md` has the same list, and a test compares the two.

/// Stable names of errors on the wire, for programs. New names may come; readers treat an unknown one as `internal`.
public struct ErrorCode: RawRepresentable, Hashable, Sendable, Codable, CaseIterable {
    /// Every name that this version says.
    private enum Name: String, CaseIterable {
        case badMessage = "bad_message"
        case invalid
        case unknownType = "unknown_type"
        case unauthorized
        case budgetExceeded = "budget_exceeded"
        case forbidden
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case conflict
        case preconditionFailed = "precondition_failed"
        case notConfigured = "not_configured"
        case tooLarge = "too_large"
        case notText = "not_text"
        case dependencyMissing = "dependency_missing"
        case rateLimited = "rate_limited"
        case queueFull = "queue_full"
        case internalError = "internal"
        case notImplemented = "not_implemented"
        case upstreamFailed = "upstream_failed"
        case unavailable
        case shuttingDown = "shutting_down"
        case timedOut = "timed_out"
    }

    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    private init(_ name: Name) { rawValue = name.rawValue }

    public static var allCases: [ErrorCode] { Name.allCases.map(ErrorCode.init) }

    public static let badMessage = ErrorCode(.badMessage)
    public static let invalid = ErrorCode(.invalid)
    public static let unknownType = ErrorCode(.unknownType)
    public static let unauthorized = ErrorCode(.unauthorized)
    public static let budgetExceeded = ErrorCode(.budgetExceeded)
    public static let forbidden = ErrorCode(.forbidden)
    public static let notFound = ErrorCode(.notFound)
    public static let methodNotAllowed = ErrorCode(.methodNotAllowed)
    public static let conflict = ErrorCode(.conflict)
    public static let preconditionFailed = ErrorCode(.preconditionFailed)
    public static let notConfigured = ErrorCode(.notConfigured)
    public static let tooLarge = ErrorCode(.tooLarge)
    public static let notText = ErrorCode(.notText)
    public static let dependencyMissing = ErrorCode(.dependencyMissing)
    public static let rateLimited = ErrorCode(.rateLimited)
    public static let queueFull = ErrorCode(.queueFull)
    public static let internalError = ErrorCode(.internalError)
    public static let notImplemented = ErrorCode(.notImplemented)
    public static let upstreamFailed = ErrorCode(.upstreamFailed)
    public static let unavailable = ErrorCode(.unavailable)
    public static let shuttingDown = ErrorCode(.shuttingDown)
    public static let timedOut = ErrorCode(.timedOut)
}
