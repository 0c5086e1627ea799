internal import Certs
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Wire

// What does a client see when something goes wrong? A stable code for programs, a message for people and sometimes a hint
// what to do. What went wrong inside stays in the log.

/// An error as clients see it. Handlers throw it; anything else that they throw is answered as `internal`.
struct ErrorResponse: Error, Sendable {
    var status: HTTPResponse.Status
    var code: ErrorCode
    var message: String
    var hint: String?
    /// What the answer's head says besides, e.g. `Allow`.
    var headers: HTTPFields = [:]
    /// Which limit it is, with `budget_exceeded`.
    var details: BudgetDetails?

    static let notFound = ErrorResponse(status: .notFound, code: .notFound, message: "There is no such thing here.")
    static let internalError = ErrorResponse(
        status: .internalServerError, code: .internalError, message: "The server could not answer this request.",
        hint: "The server's log says why.")
    static let tooLarge = ErrorResponse(
        status: .contentTooLarge, code: .tooLarge, message: "The request's body is too long.",
        hint: "Send less at once. Files go in pieces: POST /api/upload")
    static let forbidden = ErrorResponse(
        status: .forbidden, code: .forbidden, message: "Only an admin of the network may do this.",
        hint: "Ask an admin of the network.")

    static let onlyForBridges = ErrorResponse(
        status: .forbidden, code: .forbidden, message: "Only a bridge may ask this.",
        hint: "A bridge gets its own certificate: openagent bridge")
    static let notForBridges = ErrorResponse(
        status: .forbidden, code: .forbidden, message: "A bridge may not do this for its user.",
        hint: "Ask with the certificate of the device itself.")

    /// `{"error": {"code", "message", "hint"?}}`
    var response: Response {
        let body = ErrorBody(code: code, message: message, hint: hint, details: details)
        var response = (try? JSON.response(body, status: status)) ?? Response(status: status)
        response.headers.append(contentsOf: headers)
        return response
    }

    /// What Hummingbird reports by itself (a body that is too long, no JSON, …) in our words.
    init(_ error: HTTPError) {
        switch error.status {
        case .notFound, .methodNotAllowed: self = .notFound
        case .contentTooLarge: self = .tooLarge
        case .badRequest, .unprocessableContent, .unsupportedMediaType:
            self.init(
                status: .badRequest, code: .badMessage, message: Self.wrongBody(error.body),
                hint: "What is expected says GET /api/openapi.json")
        default: self = .internalError
        }
    }

    /// Which part of a body is wrong, out of the library's words. Types of ours are nobody's business outside.
    private static func wrongBody(_ text: String?) -> String {
        let text = text ?? ""
        if let key = text.firstMatch(of: /^Coding key `([^`]{1,100})` not found/)?.1 {
            return "The request's body has no '\(key)'."
        }
        if let key = text.firstMatch(of: /^(?:Value not found for|Type mismatch for) `([^`]{1,100})` key/)?.1 {
            return "The value of '\(key)' in the request's body is none of those that are expected."
        }
        if text.contains("not valid JSON") { return "The request's body is not JSON." }
        return "The request's body is not what is expected here."
    }

    /// Why an act of administration was not carried out.
    init(_ error: AdministrationError) {
        let (status, code): (HTTPResponse.Status, ErrorCode) =
            switch error {
            case .unknownUser, .unknownDevice, .unknownAgent, .unknownInvitation: (.notFound, .notFound)
            case .lastAdmin, .ownAgent, .agentHandleTaken: (.conflict, .conflict)
            case .invalid: (.badRequest, .invalid)
            case .forbidden: (.forbidden, .forbidden)
            }
        self.init(status: status, code: code, message: error.description)
    }

    /// Nil when the database is not to blame.
    init?(_ fault: StorageFault) {
        guard fault != .other else { return nil }
        self.init(
            status: fault == .full
                ? HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage") : .serviceUnavailable,
            code: .unavailable, message: "This could not be done: \(fault).",
            hint: "What the agent's owner can do says, on its machine: openagent doctor")
    }

    /// A value that is none of those that are possible.
    static func invalid(_ message: String, hint: String? = nil) -> ErrorResponse {
        ErrorResponse(status: .badRequest, code: .invalid, message: message, hint: hint)
    }

    /// What `/ws` says with `code`, as the answer to a request.
    init(_ code: ErrorCode, _ message: String, hint: String? = nil) {
        self.init(status: code.status, code: code, message: message, hint: hint)
    }

    init(status: HTTPResponse.Status, code: ErrorCode, message: String, hint: String? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
    }
}

/// Answers as JSON.
enum JSON {
    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(data: try data(value))))
    }

    /// One line.
    static func text(_ value: some Encodable) throws -> String { String(decoding: try data(value), as: UTF8.self) }

    private static func data(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }
}
