internal import NIOCore
internal import Wire

// What does the proxy itself say instead of passing a request on? Each way to refuse, and the HTTP answer it becomes.
// The agent's own refusals are not here: they pass through untouched.

/// A refusal, by its stable code on the wire.
enum Refusal: Error, Equatable {
    /// The bytes are no HTTP/1.1 request that has one meaning only.
    case badRequest(String)
    case headTooLarge(limit: Int)
    case headTimeout
    case unsupportedVersion
    case foreignHost
    case foreignOrigin
    case tokenRequired
    case tooManyConnections(limit: Int)
    case agentUnreachable(reason: String, hint: String)

    private var status: (code: Int, reason: String) {
        switch self {
        case .badRequest: (400, "Bad Request")
        case .headTooLarge: (431, "Request Header Fields Too Large")
        case .headTimeout: (408, "Request Timeout")
        case .unsupportedVersion: (505, "HTTP Version Not Supported")
        case .foreignHost, .foreignOrigin: (403, "Forbidden")
        case .tokenRequired: (401, "Unauthorized")
        case .tooManyConnections: (503, "Service Unavailable")
        case .agentUnreachable: (502, "Bad Gateway")
        }
    }

    private var code: String {
        switch self {
        case .badRequest: "bad_request"
        case .headTooLarge: "too_large"
        case .headTimeout: "timeout"
        case .unsupportedVersion: "unsupported_version"
        case .foreignHost: "foreign_host"
        case .foreignOrigin: "foreign_origin"
        case .tokenRequired: "token_required"
        case .tooManyConnections: "too_many_connections"
        case .agentUnreachable: "agent_unreachable"
        }
    }

    private var message: String {
        switch self {
        case .badRequest(let why): "not a request that this proxy passes on: \(why)"
        case .headTooLarge(let limit): "the request's head is larger than \(limit) bytes"
        case .headTimeout: "the request's head did not arrive in time"
        case .unsupportedVersion: "only HTTP/1.0 and HTTP/1.1 are spoken here"
        case .foreignHost: "the Host header does not name this machine's loopback address"
        case .foreignOrigin: "a web page of another origin may not use this proxy"
        case .tokenRequired: "this proxy needs its token"
        case .tooManyConnections(let limit): "this proxy serves \(limit) connections at once at most"
        case .agentUnreachable(let reason, _): reason
        }
    }

    private var hint: String {
        switch self {
        case .badRequest, .unsupportedVersion:
            "send plain HTTP/1.1, with one Host header and one way to tell the body's length"
        case .headTooLarge: "send shorter header fields"
        case .headTimeout: "send the whole head at once"
        case .foreignHost: "use http://127.0.0.1 or http://localhost with the port that 'openagent proxy' printed"
        case .foreignOrigin: "open the page from the proxy's own address"
        case .tokenRequired:
            "send 'Authorization: Bearer TOKEN', 'X-OpenAgent-Token: TOKEN' or '?token=TOKEN'; "
                + "the token is in the file that 'openagent proxy --token' named"
        case .tooManyConnections: "close connections that you no longer need"
        case .agentUnreachable(_, let hint): hint
        }
    }

    /// The whole HTTP answer. It ends the connection.
    ///
    /// - Parameter omitBody: for HEAD, whose answer has no body.
    func response(omitBody: Bool) -> ByteBuffer {
        let body = ErrorBody(code: ErrorCode(rawValue: code), message: message, hint: hint).json()
        let challenge = self == .tokenRequired ? "WWW-Authenticate: Bearer\r\n" : ""
        let head =
            "HTTP/1.1 \(status.code) \(status.reason)\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\nCache-Control: no-store\r\n\(challenge)Connection: close\r\n\r\n"
        return ByteBuffer(bytes: Array(head.utf8) + (omitBody ? [] : body))
    }
}
