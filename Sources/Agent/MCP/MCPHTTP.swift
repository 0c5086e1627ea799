internal import AsyncHTTPClient
internal import JSON
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

// How is an MCP server reached that is an address? By streamable HTTP: each message is a POST, and what comes back is an answer or a stream
// of events; one more stream, which a GET opens, carries what the server says by itself. Headers of the row go to that address alone.

/// A server that speaks MCP over streamable HTTP (specification of 2025-06-18, basic/transports).
struct MCPHTTP: MCPTransport {
    var url: String
    /// The headers of its row, looked up anew for each connection. What it throws is told to the operator.
    var headers: @Sendable () throws -> [String: String]
    var time: TimeSource
    var log: MCPLog

    /// Bytes of a message.
    static let longestMessage = 4 << 20
    /// How long a message that has no answer may take to arrive.
    static let telling = Duration.seconds(10)
    /// How long the end of a session may take to arrive.
    static let farewell = Duration.seconds(2)
    /// How long is waited before the server's own stream is opened again.
    static let reopening = Duration.seconds(5)

    private enum Header {
        static let session = "Mcp-Session-Id"
        static let version = "MCP-Protocol-Version"
        /// What the row can't say otherwise.
        static let own: Set = [
            "accept", "connection", "content-length", "content-type", "host", "mcp-session-id", "mcp-protocol-version",
            "te", "transfer-encoding", "upgrade", "user-agent",
        ]
    }

    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10))
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// What one connection knows.
    private final class Connection: Sendable {
        struct State {
            var session: String?
            var version: String?
            /// Ends the request that a call was sent with.
            var running: [Int64: AsyncStream<Void>.Continuation] = [:]
        }

        let state = Mutex(State())
        let headers: [String: String]
        init(_ headers: [String: String]) { self.headers = headers }
    }

    func run(
        _ outgoing: AsyncStream<MCPOutgoing>, received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Never {
        let own: [String: String]
        do { own = try headers() } catch { throw MCPFailure("its headers: \(error)") }
        log.hide(own.values)
        let connection = Connection(own)
        let (failures, failed) = AsyncStream.makeStream(of: (any Error).self)
        let (greetings, greeted) = AsyncStream.makeStream(of: Void.self)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for await failure in failures { throw failure } }
                group.addTask {
                    await withDiscardingTaskGroup { posts in
                        for await message in outgoing {
                            connection.state.withLock { $0.version = message.version }
                            if case .request(.integer(let id), _, _) = message.message {
                                posts.addTask {
                                    do { try await ask(message.message, id, connection, received) } catch {
                                        failed.yield(error)
                                    }
                                }
                            } else {
                                do { try await tell(message.message, connection) } catch { failed.yield(error) }
                                if case .notification("notifications/initialized", _) = message.message {
                                    greeted.yield()
                                }
                            }
                        }
                    }
                }
                group.addTask {
                    for await _ in greetings { try await listen(connection, received) }
                }
                while try await group.next() != nil {}
            }
        } catch {
            await end(connection)
            throw error
        }
        await end(connection)
        throw CancellationError()
    }

    // MARK: Messages

    /// Sends a request and hands on everything that comes back for it.
    private func ask(
        _ message: JSONRPCMessage, _ id: Int64, _ connection: Connection,
        _ received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        connection.state.withLock { $0.running[id] = end }
        defer { _ = connection.state.withLock { $0.running.removeValue(forKey: id) } }
        let reason = try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask {
                let answer = try await send(message.bytes, connection, deadline: .distantFuture)
                guard (200..<300).contains(answer.status.code) else { return try refusal(answer, connection) }
                if case .request(_, "initialize", _) = message { try remember(answer, connection) }
                try await read(answer, received)
                return "the answer was cut off"
            }
            group.addTask {
                for await _ in ends {}
                return "the call was cancelled"
            }
            defer { group.cancelAll() }
            return try await group.next() ?? ""
        }
        // Whoever has its answer already does not look at this one.
        try await received(JSONRPCMessage.failure(id: .integer(id), code: 0, message: reason).bytes)
    }

    /// Sends what has no answer.
    private func tell(_ message: JSONRPCMessage, _ connection: Connection) async throws {
        if case .notification("notifications/cancelled", let parameters) = message,
            case .integer(let id)? = parameters?["requestId"]
        {
            connection.state.withLock { $0.running[id] }?.finish()
        }
        let answer = try await send(message.bytes, connection, deadline: .now() + Self.telling.amount)
        guard (200..<300).contains(answer.status.code) else { return _ = try refusal(answer, connection) }
    }

    /// Hands on what the server says by itself, as long as it wants to.
    private func listen(
        _ connection: Connection, _ received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        while true {
            do {
                var request = try request(.GET, connection)
                request.headers.replaceOrAdd(name: "Accept", value: "text/event-stream")
                let answer = try await Self.client.execute(request, deadline: .distantFuture)
                guard answer.status == .ok, answer.isStream else { return }
                try await read(answer, received)
            } catch let failure as MCPFailure {
                throw failure
            } catch {
                try Task.checkCancellation()
            }
            try await time.sleep(Self.reopening)
        }
    }

    private func end(_ connection: Connection) async {
        guard connection.state.withLock({ $0.session }) != nil, var request = try? request(.DELETE, connection) else {
            return
        }
        request.headers.replaceOrAdd(name: "Accept", value: "application/json")
        let farewell = request
        // Also when this task is cancelled: it waits for that, and not for long.
        await Task { _ = try? await Self.client.execute(farewell, deadline: .now() + Self.farewell.amount) }.value
    }

    // MARK: HTTP

    private func request(_ method: HTTPMethod, _ connection: Connection) throws -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in connection.headers where !Header.own.contains(name.lowercased()) {
            request.headers.add(name: name, value: value)
        }
        request.headers.add(name: "User-Agent", value: "openagent")
        let (session, version) = connection.state.withLock { ($0.session, $0.version) }
        if let session { request.headers.add(name: Header.session, value: session) }
        if let version { request.headers.add(name: Header.version, value: version) }
        return request
    }

    private func send(
        _ bytes: [UInt8], _ connection: Connection, deadline: NIODeadline
    ) async throws -> HTTPClientResponse {
        var request = try request(.POST, connection)
        request.headers.add(name: "Accept", value: "application/json, text/event-stream")
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(bytes)
        do { return try await Self.client.execute(request, deadline: deadline) } catch {
            try Task.checkCancellation()
            // The error's text may name what was sent.
            throw MCPFailure("its address can't be reached")
        }
    }

    /// - Throws: ``MCPFailure`` when the server has forgotten the session.
    private func refusal(_ answer: HTTPClientResponse, _ connection: Connection) throws -> String {
        let hasSession = connection.state.withLock { $0.session } != nil
        switch answer.status.code {
        case 404 where hasSession:
            // There is nothing to take leave of.
            connection.state.withLock { $0.session = nil }
            throw MCPFailure("it has forgotten the session", isForgotten: true)
        case 300..<400: return "its address answers HTTP \(answer.status.code), and redirects are not followed"
        case 401, 403: return "its address answers HTTP \(answer.status.code): look at the headers of its row"
        default: return "its address answers HTTP \(answer.status.code)"
        }
    }

    private func remember(_ answer: HTTPClientResponse, _ connection: Connection) throws {
        guard let session = answer.headers.first(name: Header.session) else { return }
        guard (1...1024).contains(session.utf8.count), session.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw MCPFailure("its session has a name that can't be")
        }
        connection.state.withLock { $0.session = session }
    }

    private func read(
        _ answer: HTTPClientResponse, _ received: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        do {
            if answer.isStream {
                var events = MCPEvents(limit: Self.longestMessage)
                for try await piece in answer.body {
                    for message in try events.append(Array(piece.readableBytesView)) { try await received(message) }
                }
            } else {
                let body = try await answer.body.collect(upTo: Self.longestMessage)
                if body.readableBytes > 0 { try await received(Array(body.readableBytesView)) }
            }
        } catch is MCPLines.TooLong {
            throw MCPFailure("it sent a message of more than \(Self.longestMessage) bytes")
        } catch is NIOTooManyBytesError {
            throw MCPFailure("it sent a message of more than \(Self.longestMessage) bytes")
        } catch let error as MCPFailure {
            throw error
        } catch {
            try Task.checkCancellation()
            // What is missing is missed by whoever waits for it.
        }
    }
}

extension HTTPClientResponse {
    fileprivate var isStream: Bool {
        headers.first(name: "Content-Type")?.lowercased().hasPrefix("text/event-stream") == true
    }
}

extension Duration {
    fileprivate var amount: TimeAmount { .nanoseconds(Int64(self / .nanoseconds(1))) }
}
