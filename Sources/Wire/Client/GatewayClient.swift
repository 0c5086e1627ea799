public import NIOCore
public import NIOHTTP1

// What does the agent answer to an HTTP request? One request over one stream: head, body, done. This file knows
// HTTP/1.1 framing through NIO's codec; it knows no route and no JSON.

/// An HTTP and WebSocket client of one agent. Makes no connections itself and keeps no state: a value to pass around.
public struct GatewayClient: Sendable {
    let dialer: any GatewayDialer

    public init(dialer: any GatewayDialer) {
        self.dialer = dialer
    }

    /// Sends a request and collects the answer.
    ///
    /// - Parameters:
    ///   - path: origin form with query, `/api/health`.
    ///   - maximumBody: the largest answer to take, in bytes.
    ///   - timeout: for the whole exchange, from the moment there is a stream.
    /// - Throws: ``AgentUnreachable``, ``GatewayClientError``, `CancellationError`. Any status is an answer, no error.
    public func request(
        method: HTTPMethod = .GET, path: String, headers: HTTPHeaders = [:], body: ByteBuffer? = nil,
        maximumBody: Int = 16 << 20, timeout: Duration = .seconds(30)
    ) async throws -> GatewayResponse {
        let request = GatewayRequest(
            method: method, path: path, headers: headers, body: body.map(GatewayRequest.Body.bytes) ?? .none)
        return try await exchange(request, deadline: .wholeExchange(timeout)) { head, body in
            GatewayResponse(
                status: head.status, headers: head.headers, body: try await body.collect(upTo: maximumBody))
        }
    }

    /// Sends a request and hands the answer's body out as it arrives, at the pace of `consume`. The stream ends when
    /// `consume` returns.
    ///
    /// - Parameter headTimeout: until the answer's head; its body may take as long as it likes.
    /// - Throws: ``AgentUnreachable``, ``GatewayClientError``, `CancellationError`, and what `consume` throws.
    public func withResponse<R: Sendable>(
        _ request: GatewayRequest, headTimeout: Duration = .seconds(30),
        _ consume: (HTTPResponseHead, inout GatewayBody) async throws -> R
    ) async throws -> R {
        try await exchange(request, deadline: .head(headTimeout), consume)
    }

    // MARK: One exchange

    private enum Deadline {
        case head(Duration)
        case wholeExchange(Duration)

        var limit: Duration {
            switch self {
            case .head(let limit), .wholeExchange(let limit): limit
            }
        }
    }

    private typealias HTTPChannel = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private func exchange<R: Sendable>(
        _ request: GatewayRequest, deadline: Deadline,
        _ consume: (HTTPResponseHead, inout GatewayBody) async throws -> R
    ) async throws -> R {
        let stream = try await dialer.openStream { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try HTTPChannel(wrappingChannelSynchronously: channel)
            }
        }
        return try await stream.executeThenClose { inbound, outbound in
            let timer = ChannelDeadline(deadline.limit, on: stream.channel)
            defer { timer.cancel() }
            return try await withThrowingTaskGroup(of: Void.self) { group in
                // The agent may answer, and refuse, before it has read the whole body. Then the answer counts.
                group.addTask { try await request.write(to: outbound) }
                defer { group.cancelAll() }
                var body = GatewayBody(parts: inbound.makeAsyncIterator())
                let head = try await body.head()
                if case .head = deadline { timer.cancel() }
                return try await consume(head, &body)
            }
        }
    }
}

/// A request as the agent's HTTP server will see it.
public struct GatewayRequest: Sendable {
    public enum Body: Sendable {
        case none
        case bytes(ByteBuffer)
        /// Produced while it is sent. Nil length: chunked.
        case stream(length: Int?, AsyncThrowingStream<ByteBuffer, any Error>)
    }

    public var method: HTTPMethod
    /// Origin form with query.
    public var path: String
    /// `Host` and the body's framing are added.
    public var headers: HTTPHeaders
    public var body: Body

    public init(method: HTTPMethod = .GET, path: String, headers: HTTPHeaders = [:], body: Body = .none) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }

    /// The name that requests carry in `Host`: the stream leads to one agent, whatever it is called.
    static let host = "openagent"

    fileprivate func write(to outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>) async throws {
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
        if !head.headers.contains(name: "host") { head.headers.add(name: "Host", value: Self.host) }
        switch body {
        case .none:
            try await outbound.write(contentsOf: [.head(head), .end(nil)])
        case .bytes(let bytes):
            head.headers.replaceOrAdd(name: "Content-Length", value: "\(bytes.readableBytes)")
            try await outbound.write(contentsOf: [.head(head), .body(.byteBuffer(bytes)), .end(nil)])
        case .stream(let length, let chunks):
            if let length {
                head.headers.replaceOrAdd(name: "Content-Length", value: "\(length)")
            } else {
                head.headers.replaceOrAdd(name: "Transfer-Encoding", value: "chunked")
            }
            try await outbound.write(.head(head))
            for try await chunk in chunks { try await outbound.write(.body(.byteBuffer(chunk))) }
            try await outbound.write(.end(nil))
        }
    }
}

/// A complete answer.
public struct GatewayResponse: Sendable, Equatable {
    public var status: HTTPResponseStatus
    public var headers: HTTPHeaders
    public var body: ByteBuffer

    public init(status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// An answer's body as it arrives. Not reading it holds the agent back.
public struct GatewayBody {
    private var parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator
    private var isComplete = false

    fileprivate init(parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator) {
        self.parts = parts
    }

    /// The next bytes, or nil at the body's end.
    ///
    /// - Throws: ``GatewayClientError/endedEarly`` when the stream ends inside the body.
    public mutating func next() async throws -> ByteBuffer? {
        while !isComplete {
            switch try await part() {
            case .body(let bytes): return bytes
            case .end: isComplete = true
            case .head: break
            case nil: throw GatewayClientError.endedEarly
            }
        }
        return nil
    }

    /// The rest of the body in one piece.
    ///
    /// - Throws: ``GatewayClientError/bodyTooLarge(limit:)`` as soon as there are more than `limit` bytes.
    public mutating func collect(upTo limit: Int) async throws -> ByteBuffer {
        var body = ByteBuffer()
        while var bytes = try await next() {
            guard body.readableBytes + bytes.readableBytes <= limit else {
                throw GatewayClientError.bodyTooLarge(limit: limit)
            }
            body.writeBuffer(&bytes)
        }
        return body
    }

    fileprivate mutating func head() async throws -> HTTPResponseHead {
        while let part = try await part() {
            if case .head(let head) = part { return head }
        }
        throw GatewayClientError.endedEarly
    }

    private mutating func part() async throws -> HTTPClientResponsePart? {
        do {
            let part = try await parts.next()
            if part == nil { try Task.checkCancellation() }
            return part
        } catch let error where error is GatewayClientError || error is CancellationError {
            throw error
        } catch {
            throw GatewayClientError.streamFailed("\(error)")
        }
    }
}

/// Why an exchange over a stream came to nothing.
public enum GatewayClientError: Error, Equatable, CustomStringConvertible {
    case timedOut(Duration)
    /// The stream ended before the answer was complete.
    case endedEarly
    case streamFailed(String)
    case bodyTooLarge(limit: Int)
    /// The agent answered a WebSocket upgrade with this status and text.
    case upgradeRefused(status: Int, text: String)
    /// The agent broke the WebSocket protocol.
    case protocolViolation(String)

    public var description: String {
        switch self {
        case .timedOut(let limit): "the agent did not answer within \(limit)"
        case .endedEarly: "the agent ended the stream before its answer was complete"
        case .streamFailed(let why): "the stream to the agent failed: \(why)"
        case .bodyTooLarge(let limit): "the agent's answer is larger than \(limit) bytes"
        case .upgradeRefused(let status, let text): "the agent refused the WebSocket: \(status) \(text)"
        case .protocolViolation(let what): "the agent broke the WebSocket protocol: \(what)"
        }
    }
}
