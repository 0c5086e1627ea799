// How does the agent ask somebody else over HTTP? By one request and one answer, both bounded. What carries them is a seam: the network
// in the program, whatever a test likes in its place.

/// Asks a server.
public protocol OutboundHTTP: Sendable {
    /// Sends a request and reads its answer whole. Redirects are not followed: the answer is one of 3xx then, and no header
    /// goes anywhere else than asked for. Certificates are verified.
    ///
    /// - Throws: ``OutboundHTTPError``, which holds nothing of the request's headers; `CancellationError`.
    func send(_ request: OutboundRequest) async throws -> OutboundAnswer
}

public struct OutboundRequest: Sendable {
    public var method: String
    /// `http` or `https`.
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// For all of it, from looking up the name to the last byte.
    public var timeLimit: Duration
    /// Bytes of the answer's body.
    public var answerLimit: Int

    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        timeLimit: Duration = .seconds(10), answerLimit: Int = 4 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeLimit = timeLimit
        self.answerLimit = answerLimit
    }
}

public struct OutboundAnswer: Sendable {
    public var status: Int
    public var body: [UInt8]

    public init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// Why there is no answer. Says nothing of what was asked.
public enum OutboundHTTPError: Error, Sendable, Equatable {
    case timedOut
    case tooLarge
    case unreachable
}
