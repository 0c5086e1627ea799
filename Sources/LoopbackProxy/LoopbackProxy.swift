public import Logging
internal import NIOConcurrencyHelpers
public import NIOCore
public import NIOPosix
public import Wire

// How do programs on this machine reach the agent as if it were a local HTTP server? One stream for each accepted
// connection, bytes both ways. Who may come in is the guard's question, how a stream is had the dialer's.

/// A local HTTP address of one agent. One-shot: ``run(onListening:)`` listens until its task is cancelled.
public struct LoopbackProxy: Sendable {
    private let configuration: ProxyConfiguration
    private let dialer: any GatewayDialer
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Parameter group: where accepted connections live; best the one that the dialer's streams live on.
    public init(
        configuration: ProxyConfiguration = .init(), dialer: any GatewayDialer,
        group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup, logger: Logger
    ) {
        self.configuration = configuration
        self.dialer = dialer
        self.group = group
        self.logger = logger
    }

    /// Listens and serves until the task is cancelled. Then every connection is closed before it returns.
    ///
    /// - Parameter onListening: told once where the proxy can be reached.
    /// - Throws: ``ProxyError``, `CancellationError`.
    public func run(onListening: @Sendable (ProxyAddress) async throws -> Void) async throws {
        let socket = try await ListeningSocket.bind(
            configuration.listener, group: group, rules: { AccessRules(listener: $0, token: configuration.token) },
            timeouts: configuration.timeouts)
        defer { socket.removeFile() }
        let count = NIOLockedValueBox(0)
        try await socket.server.executeThenClose { accepted in
            logger.debug("proxy.listening", metadata: ["address": "\(socket.address)"])
            try await onListening(socket.address)
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await connection in accepted {
                    let isFull = count.withLockedValue { count in
                        guard count < configuration.maximumConnections else { return true }
                        count += 1
                        return false
                    }
                    tasks.addTask {
                        if isFull { return await refuse(connection) }
                        await serve(connection)
                        count.withLockedValue { $0 -= 1 }
                    }
                }
                tasks.cancelAll()
            }
        }
        try Task.checkCancellation()
    }

    private func serve(_ connection: AcceptedConnection) async {
        await connection.untilClosed {
            guard try await connection.wantsStream.get() else { return }
            let client = connection.client
            do {
                try await dialer.openStream { stream in
                    stream.eventLoop.makeCompletedFuture {
                        try stream.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                        try stream.pipeline.syncOperations.addHandler(StreamEnd(client: client))
                    }
                }
            } catch {
                logger.debug("proxy.unreachable", metadata: ["reason": "\(error)"])
                connection.unreachable(error)
            }
        }
    }

    private func refuse(_ connection: AcceptedConnection) async {
        let limit = configuration.maximumConnections
        await connection.untilClosed { connection.refuseAll(.tooManyConnections(limit: limit)) }
    }
}

/// A client's connection, as the proxy's tasks see it.
struct AcceptedConnection: Sendable {
    private let channel: any Channel
    private let end: NIOLoopBound<ClientEnd>
    /// Where the stream's end tells the client's end what comes.
    let client: RelayRemote
    let wantsStream: EventLoopFuture<Bool>

    /// Sets up the pipeline of an accepted socket. Called on its event loop.
    init(_ channel: any Channel, rules: AccessRules, timeouts: ProxyTimeouts) throws {
        let end = ClientEnd(rules: rules, timeouts: timeouts, on: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(end)
        self.channel = channel
        self.end = NIOLoopBound(end, eventLoop: channel.eventLoop)
        client = RelayRemote(end, on: channel.eventLoop)
        wantsStream = end.wantsStream
    }

    /// Runs `body`, then waits until the connection is closed. Cancellation closes it.
    func untilClosed(_ body: @Sendable () async throws -> Void) async {
        await withTaskCancellationHandler {
            try? await body()
            try? await channel.closeFuture.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    func unreachable(_ error: any Error) {
        let refusal: Refusal =
            switch error {
            case let error as AgentUnreachable: .agentUnreachable(reason: error.reason, hint: error.hint)
            case is CancellationError: .agentUnreachable(reason: "the proxy is stopping", hint: "start it again")
            default: .agentUnreachable(reason: "no stream to the agent: \(error)", hint: "try again")
            }
        channel.eventLoop.execute { end.value.unreachable(refusal) }
    }

    func refuseAll(_ refusal: Refusal) {
        channel.eventLoop.execute { end.value.refuseAll(refusal) }
    }
}
