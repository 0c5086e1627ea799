internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

// Whom does a bridge reach when a test gives it an address? A server on 127.0.0.1 that speaks HTTP/1.1 and WebSocket on one port, notes what
// it was asked, and fails as a test wants. What it says is the affair of the fake that is built on it.

/// A server of a fake platform.
public final class FakeServer: Sendable {
    public typealias Respond = @Sendable (FakeRequest) async throws -> FakeResponse
    /// Runs while a WebSocket is open; when it returns, the server says goodbye. Cancelled some time after the client is gone.
    public typealias Speak = @Sendable (FakeSocket) async throws -> Void

    /// What the server knows.
    public struct State: Sendable {
        /// Also those that a fault kept from the fake.
        public fileprivate(set) var requests: [FakeRequest] = []
        /// WebSockets that are open, oldest first.
        public fileprivate(set) var sockets: [FakeSocket] = []
        /// WebSockets so far.
        public fileprivate(set) var socketCount = 0
        /// Connections so far, and those that are open.
        public fileprivate(set) var connectionCount = 0
        public fileprivate(set) var openConnections = 0
        /// Answers that nobody waited for any more.
        public fileprivate(set) var abandoned = 0
        fileprivate var channels: [Int: any Channel] = [:]
        fileprivate var faults: [FakeFault] = []
        fileprivate var refuses = false
    }

    private let state = Watched(State())
    private let respond: Respond
    private let speak: Speak?
    private let bodyLimit: Int
    private let isSecure: Bool
    private let port: Int

    private init(_ respond: @escaping Respond, _ speak: Speak?, _ bodyLimit: Int, isSecure: Bool, port: Int) {
        self.respond = respond
        self.speak = speak
        self.bodyLimit = bodyLimit
        self.isSecure = isSecure
        self.port = port
    }

    /// Runs a server while `body` does.
    ///
    /// - Parameters:
    ///   - port: 0: any that is free.
    ///   - isSecure: TLS, with ``FakeCertificate``.
    ///   - bodyLimit: bytes of a request's body; more is answered with 413.
    ///   - webSocket: nil: upgrades are answered by `respond`.
    ///   - respond: cancelled when the client is gone before there is an answer. What it throws becomes a 500.
    @discardableResult
    public static func run<T: Sendable>(
        port: Int = 0, isSecure: Bool = false, bodyLimit: Int = 64 << 20,
        _ respond: @escaping Respond, webSocket: Speak? = nil,
        _ body: @escaping @Sendable (FakeServer) async throws -> T
    ) async throws -> T {
        let tls = isSecure ? try FakeCertificate.context() : nil
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            // Nothing is read before somebody serves the connection: what comes when the test is over is never served.
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(channel, tls, bodyLimit) }
            }
        let server = FakeServer(
            respond, webSocket, bodyLimit, isSecure: isSecure, port: listener.channel.localAddress?.port ?? 0)
        return try await listener.executeThenClose { connections in
            try await withThrowingTaskGroup(of: T?.self) { group in
                group.addTask {
                    try await withThrowingDiscardingTaskGroup { group in
                        for try await connection in connections { group.addTask { await server.serve(connection) } }
                    }
                    return nil
                }
                group.addTask { try await body(server) }
                defer { group.cancelAll() }
                while let result = try await group.next() {
                    if let result { return result }
                }
                throw CancellationError()
            }
        }
    }

    // MARK: What a test asks

    /// `http://127.0.0.1:PORT`
    public var url: String { "http\(isSecure ? "s" : "")://127.0.0.1:\(port)" }
    /// `ws://127.0.0.1:PORT`
    public var socketURL: String { "ws\(isSecure ? "s" : "")://127.0.0.1:\(port)" }

    public var now: State { state.now }
    public var requests: [FakeRequest] { state.now.requests }
    public var sockets: [FakeSocket] { state.now.sockets }

    /// Waits until `condition` gives something.
    ///
    /// - Throws: ``FakeTimeout``, `CancellationError`.
    @discardableResult
    public func waitFor<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(10), _ condition: @escaping @Sendable (State) -> Result?
    ) async throws -> Result {
        try await state.waitFor(what, within: limit, condition)
    }

    /// Waits for the first request that `matches`, also among those that there were.
    @discardableResult
    public func waitForRequest(
        _ what: String, within limit: Duration = .seconds(10), _ matches: @escaping @Sendable (FakeRequest) -> Bool
    ) async throws -> FakeRequest {
        try await waitFor(what, within: limit) { $0.requests.first(where: matches) }
    }

    /// From now on; the first fault that matches a request counts.
    public func fail(_ fault: FakeFault) { state.change { $0.faults.append(fault) } }

    /// All faults end; what they hold up stays so.
    public func mend() {
        state.change {
            $0.faults = []
            $0.refuses = false
        }
    }

    /// Every connection is closed, without a word, and while `refusing` each new one.
    public func cutAll(refusing: Bool = false) {
        let channels = state.change { state in
            state.refuses = refusing
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
    }

    // MARK: One connection

    fileprivate struct Connection: Sendable {
        let channel: any Channel
        let reading = HeldReads()

        init(_ channel: any Channel, _ tls: NIOSSLContext?, _ bodyLimit: Int) throws {
            let pipeline = channel.pipeline.syncOperations
            if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
            let encoder = HTTPResponseEncoder()
            let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
            try pipeline.addHandlers(encoder, decoder)
            try pipeline.addHandler(
                FakeHTTPHandler(bodyLimit: bodyLimit, reading: reading, decoder: decoder, encoder: encoder))
            self.channel = channel
        }

        /// Begins to read.
        func open() async throws -> NIOAsyncChannel<FakeInput, FakeOutput> {
            let opened = try await channel.eventLoop.submit { [channel] in
                guard channel.isActive else { throw ChannelError.alreadyClosed }
                return try NIOAsyncChannel<FakeInput, FakeOutput>(wrappingChannelSynchronously: channel)
            }.get()
            try? await channel.setOption(.autoRead, value: true).get()
            return opened
        }
    }

    private typealias Inbound = NIOAsyncChannelInboundStream<FakeInput>.AsyncIterator
    private typealias Outbound = NIOAsyncChannelOutboundWriter<FakeOutput>

    /// What goes wrong here is the client's to notice.
    private func serve(_ connection: Connection) async {
        try? await connection.open().executeThenClose { inbound, outbound in
            let channel = connection.channel
            let (number, isRefused) = state.change { state in
                state.connectionCount += 1
                state.openConnections += 1
                state.channels[state.connectionCount] = channel
                return (state.connectionCount, state.refuses)
            }
            defer {
                state.change { state in
                    state.openConnections -= 1
                    state.channels[number] = nil
                }
            }
            guard !isRefused else { return }
            var inbound = inbound.makeAsyncIterator()
            while let input = try await inbound.next() {
                switch input {
                case .event: break
                case .tooLarge:
                    return try await write(.text("too large", status: 413), to: outbound)
                case .request(let head, let body):
                    let request = note(head, body, number)
                    switch try await answer(request, channel, outbound) {
                    case .next where head.isKeepAlive: break
                    case .next, .over: return
                    case .webSocket:
                        try await outbound.write(.upgrade(head))
                        return try await speak(request, connection, &inbound, outbound)
                    }
                }
            }
        }
    }

    private func note(_ head: HTTPRequestHead, _ body: [UInt8], _ connection: Int) -> FakeRequest {
        state.change { state in
            let request = FakeRequest(
                number: state.requests.count + 1, connection: connection, method: head.method.rawValue,
                target: head.uri, headers: head.headers.map { ($0.name, $0.value) }, body: body)
            state.requests.append(request)
            return request
        }
    }

    private enum Outcome { case next, over, webSocket }

    private func answer(
        _ request: FakeRequest, _ channel: any Channel, _ outbound: Outbound
    ) async throws -> Outcome {
        let action = state.change { state -> FakeFault.Action? in
            guard let index = state.faults.firstIndex(where: { $0.times > 0 && $0.matches(request) }) else {
                return nil
            }
            state.faults[index].times -= 1
            return state.faults[index].action
        }
        var limit: Int?
        switch action {
        case .answer(let response):
            try await write(response, to: outbound)
            return response.closes ? .over : .next
        case .cut: return .over
        case .never:
            try await Self.closed(channel)
            return .over
        case .delay(let gate): try await unlessGone(channel) { try await gate.wait() }
        case .cutAnswer(let after), .stallAnswer(let after): limit = after ?? 0
        case .delayAnswer, nil: break
        }
        if speak != nil, request.isUpgrade, limit == nil { return .webSocket }
        let response = try await unlessGone(channel) {
            do { return try await self.respond(request) } catch let error as CancellationError { throw error } catch {
                return .text("\(error)", status: 500)
            }
        }
        switch action {
        case .cutAnswer(let after):
            if after != nil { try await write(response, upTo: limit, to: outbound) }
            return .over
        case .stallAnswer(let after):
            if after != nil { try await write(response, upTo: limit, to: outbound) }
            try await Self.closed(channel)
            return .over
        case .delayAnswer(let gate): try await unlessGone(channel) { try await gate.wait() }
        case .answer, .cut, .never, .delay, nil: break
        }
        try await write(response, to: outbound)
        return response.closes ? .over : .next
    }

    /// Nobody is kept working for a client that is gone.
    private func unlessGone<T: Sendable>(
        _ channel: any Channel, _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Self.closed(channel)
                return nil
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() ?? nil else {
                state.change { $0.abandoned += 1 }
                throw CancellationError()
            }
            return result
        }
    }

    private static func closed(_ channel: any Channel) async throws {
        let (end, continuation) = AsyncStream.makeStream(of: Void.self)
        channel.closeFuture.whenComplete { _ in continuation.finish() }
        for await _ in end {}
        try Task.checkCancellation()
    }

    /// - Parameter limit: bytes of the body after which nothing more is written; nil: all is.
    private func write(_ response: FakeResponse, upTo limit: Int? = nil, to outbound: Outbound) async throws {
        var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: response.status))
        for (name, value) in response.headers { head.headers.add(name: name, value: value) }
        let hasBody = response.status != 204 && response.status != 304
        if hasBody, response.pieces.count == 1 {
            head.headers.replaceOrAdd(name: "Content-Length", value: "\(response.pieces[0].count)")
        }
        if response.closes { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        try await outbound.write(.head(head))
        var left = limit ?? .max
        for piece in response.pieces where hasBody && !piece.isEmpty {
            try await outbound.write(.body(Array(piece.prefix(left))))
            left -= min(left, piece.count)
        }
        if limit == nil { try await outbound.write(.end) }
    }

    // MARK: One WebSocket

    private func speak(
        _ request: FakeRequest, _ connection: Connection, _ inbound: inout Inbound, _ outbound: Outbound
    ) async throws {
        guard let speak else { return }
        let (events, continuation) = AsyncStream.makeStream(of: FakeSocket.Event.self)
        let socket = FakeSocket(request, events, outbound, connection.channel, connection.reading)
        state.change { state in
            state.sockets.append(socket)
            state.socketCount += 1
        }
        defer { state.change { $0.sockets.removeAll { $0 === socket } } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await speak(socket) } catch {}
                try? await socket.close()
            }
            defer {
                continuation.finish()
                group.cancelAll()
            }
            do {
                while let input = try await inbound.next() {
                    guard case .event(let event) = input else { continue }
                    socket.note(event)
                    continuation.yield(event)
                }
            } catch is CancellationError { throw CancellationError() } catch {}
            continuation.finish()
            // What has arrived is read to its end.
            group.addTask { try await Task.sleep(for: .seconds(2)) }
            try await group.next()
        }
    }
}
