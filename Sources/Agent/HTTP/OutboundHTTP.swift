// How does the agent ask somebody else over HTTP? By one request and one answer, both bounded, read whole or piece by piece. What
// carries them is a seam: the network in the program, whatever a test likes in its place.

/// Asks a server.
public protocol OutboundHTTP: Sendable {
    /// Sends a request and reads its answer whole. Redirects are not followed: the answer is one of 3xx then, and no header
    /// goes anywhere else than asked for. Certificates are verified.
    ///
    /// - Throws: ``OutboundHTTPError``, which holds nothing of the request's headers; `CancellationError`.
    func send(_ request: OutboundRequest) async throws -> OutboundAnswer

    /// Sends a request and hands over the answer as soon as its head is there. Otherwise as ``send(_:)``, except for the times: the
    /// request's limit is for the head alone.
    ///
    /// The connection is closed when `use` ends before the answer does, and when the task is cancelled.
    ///
    /// - Parameters:
    ///   - idleLimit: how long the server may send nothing between two pieces while somebody wants one.
    ///   - use: reads the answer.
    /// - Throws: as ``send(_:)``, and what `use` throws.
    func stream<Result: Sendable>(
        _ request: OutboundRequest, idleLimit: Duration, _ use: @Sendable (OutboundStream) async throws -> Result
    ) async throws -> Result
}

extension OutboundHTTP {
    /// For whoever has only whole answers: the body is one piece.
    public func stream<Result: Sendable>(
        _ request: OutboundRequest, idleLimit: Duration, _ use: @Sendable (OutboundStream) async throws -> Result
    ) async throws -> Result {
        let answer = try await send(request)
        let rest = WholeBody(answer.body)
        return try await use(
            OutboundStream(status: answer.status, headers: answer.headers) { await rest.take() })
    }
}

/// A body that is given once.
private actor WholeBody {
    private var body: [UInt8]?

    init(_ body: [UInt8]) { self.body = body.isEmpty ? nil : body }

    func take() -> [UInt8]? {
        defer { body = nil }
        return body
    }
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
    /// Names in lower case; of several of a name the first.
    public var headers: [String: String]
    public var body: [UInt8]

    public init(status: Int, headers: [String: String] = [:], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// An answer whose body is still on its way.
public struct OutboundStream: Sendable {
    public var status: Int
    /// Names in lower case; of several of a name the first.
    public var headers: [String: String]
    /// The next piece of the body; nil at its end. The server waits while nobody asks for one. One caller at a time.
    ///
    /// Throws ``OutboundHTTPError``, also when the connection is lost before the end; `CancellationError`.
    public var next: @Sendable () async throws -> [UInt8]?

    public init(
        status: Int, headers: [String: String] = [:], next: @escaping @Sendable () async throws -> [UInt8]?
    ) {
        self.status = status
        self.headers = headers
        self.next = next
    }

    /// The rest of the body, cut off after so many bytes.
    public func rest(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit, let piece = try await next() { bytes += piece.prefix(limit - bytes.count) }
        return bytes
    }
}

/// Why there is no answer. Says nothing of what was asked.
public enum OutboundHTTPError: Error, Sendable, Equatable {
    case timedOut
    case tooLarge
    case unreachable
}
