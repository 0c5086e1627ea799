internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

// How does a request reach the network? Through one client for the whole process, which keeps connections for a while. It
// follows no redirect, because headers hold keys, and reads no further than it was told.

/// HTTP over the network.
public struct NetworkHTTP: OutboundHTTP {
    /// Lives as long as the process: it keeps connections that any agent in it may use again.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10), read: .seconds(60))
        configuration.connectionPool.idleTimeout = .seconds(30)
        // A server that refuses connections is told at once, and not when the time is up.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    public init() {}

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
        var asked = HTTPClientRequest(url: request.url)
        asked.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers { asked.headers.add(name: name, value: value) }
        asked.headers.replaceOrAdd(name: "User-Agent", value: "openagent")
        if !request.body.isEmpty { asked.body = .bytes(request.body) }
        do {
            let answer = try await client.execute(
                asked, deadline: .now() + .nanoseconds(Int64(request.timeLimit / .nanoseconds(1))))
            let body = try await answer.body.collect(upTo: request.answerLimit)
            return OutboundAnswer(status: Int(answer.status.code), body: Array(body.readableBytesView))
        } catch let error as CancellationError {
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
