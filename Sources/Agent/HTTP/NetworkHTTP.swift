internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

// How does a request reach the network? Through one client for the whole process, which keeps connections for a while. It
// follows no redirect, because headers hold keys, and reads no further than it was told.

/// HTTP over the network.
public struct NetworkHTTP: OutboundHTTP {
    /// Live as long as the process: they keep connections that any agent in it may use again.
    private static let client = makeClient(read: .seconds(60))
    /// What is read in pieces has a watch of its own.
    private static let streaming = makeClient(read: nil)

    private static func makeClient(read: TimeAmount?) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10), read: read)
        configuration.connectionPool.idleTimeout = .seconds(30)
        // A server that refuses connections is told at once, and not when the time is up.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    public init() {}

    // MARK: Whole answers

    public func send(_ request: OutboundRequest) async throws -> OutboundAnswer {
        try await withThrowingTaskGroup(of: OutboundAnswer.self) { group in
            group.addTask { try await Self.exchange(request) }
            group.addTask {
                try await Task.sleep(for: request.timeLimit)
                throw OutboundHTTPError.timedOut
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw CancellationError() }
            return answer
        }
    }

    private static func exchange(_ request: OutboundRequest) async throws -> OutboundAnswer {
        try await telling {
            let answer = try await client.execute(asked(request), deadline: deadline(request))
            let body = try await answer.body.collect(upTo: request.answerLimit)
            return OutboundAnswer(
                status: Int(answer.status.code), headers: headers(of: answer), body: Array(body.readableBytesView))
        }
    }

    // MARK: Answers in pieces

    public func stream<Result: Sendable>(
        _ request: OutboundRequest, idleLimit: Duration, _ use: @Sendable (OutboundStream) async throws -> Result
    ) async throws -> Result {
        try await withoutActuallyEscaping(use) { use in
            try await withThrowingTaskGroup(of: Result?.self) { group in
                let watch = IdleWatch(idleLimit)
                group.addTask {
                    let answer = try await Self.telling {
                        try await Self.streaming.execute(Self.asked(request), deadline: Self.deadline(request))
                    }
                    let body = PieceReader(answer.body, limit: request.answerLimit, watch)
                    return try await use(
                        OutboundStream(status: Int(answer.status.code), headers: Self.headers(of: answer)) {
                            try await Self.telling { try await body.next() }
                        })
                }
                group.addTask {
                    try await watch.run()
                    return nil
                }
                defer { group.cancelAll() }
                guard let result = try await group.next() ?? nil else { throw CancellationError() }
                return result
            }
        }
    }

    // MARK: Parts

    private static func asked(_ request: OutboundRequest) -> HTTPClientRequest {
        var asked = HTTPClientRequest(url: request.url)
        asked.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers { asked.headers.add(name: name, value: value) }
        asked.headers.replaceOrAdd(name: "User-Agent", value: "openagent")
        if !request.body.isEmpty { asked.body = .bytes(request.body) }
        return asked
    }

    private static func deadline(_ request: OutboundRequest) -> NIODeadline {
        .now() + .nanoseconds(Int64(request.timeLimit / .nanoseconds(1)))
    }

    private static func headers(of answer: HTTPClientResponse) -> [String: String] {
        Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
    }

    /// Puts what went wrong into our words.
    private static func telling<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        do { return try await body() } catch let error as CancellationError {
            throw error
        } catch let error as OutboundHTTPError {
            throw error
        } catch is NIOTooManyBytesError {
            throw OutboundHTTPError.tooLarge
        } catch let error as HTTPClientError {
            try Task.checkCancellation()
            let late: [HTTPClientError] = [
                .deadlineExceeded, .connectTimeout, .readTimeout, .getConnectionFromPoolTimeout,
            ]
            throw late.contains(error) ? OutboundHTTPError.timedOut : .unreachable
        } catch {
            try Task.checkCancellation()
            // Its text may name what was asked; nobody needs to know more than this.
            throw OutboundHTTPError.unreachable
        }
    }
}

/// Reads a body, piece by piece.
private actor PieceReader {
    private var iterator: HTTPClientResponse.Body.AsyncIterator
    private var left: Int
    private let watch: IdleWatch

    init(_ body: HTTPClientResponse.Body, limit: Int, _ watch: IdleWatch) {
        iterator = body.makeAsyncIterator()
        left = limit
        self.watch = watch
    }

    func next() async throws -> [UInt8]? {
        var iterator = iterator
        watch.begin()
        let piece = try await iterator.next(isolation: self)
        watch.end()
        self.iterator = iterator
        guard let piece else { return nil }
        left -= piece.readableBytes
        guard left >= 0 else { throw OutboundHTTPError.tooLarge }
        return Array(piece.readableBytesView)
    }
}

/// Notices when a server says nothing although somebody waits for it. One sleeper for all pieces: there may be thousands.
private final class IdleWatch: Sendable {
    private let limit: Duration
    private let since = Mutex<ContinuousClock.Instant?>(nil)

    init(_ limit: Duration) { self.limit = limit }

    func begin() { since.withLock { $0 = .now } }
    func end() { since.withLock { $0 = nil } }

    /// - Throws: ``OutboundHTTPError/timedOut`` when the time is up; `CancellationError`.
    func run() async throws {
        var wait = limit
        while true {
            try await Task.sleep(for: wait)
            guard let since = since.withLock({ $0 }) else {
                wait = limit
                continue
            }
            let left = since + limit - .now
            if left <= .zero { throw OutboundHTTPError.timedOut }
            wait = left
        }
    }
}
