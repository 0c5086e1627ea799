public import Logging
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
        do {
            try await serve(socket, onListening)
        } catch {
            await socket.connections.closeAll()
            throw error
        }
        await socket.connections.closeAll()
        try Task.checkCancellation()
    }

    private func serve(
        _ socket: ListeningSocket, _ onListening: @Sendable (ProxyAddress) async throws -> Void
    ) async throws {
        try await socket.server.executeThenClose { accepted in
            logger.debug("proxy.listening", metadata: ["address": "\(socket.address)"])
            try await onListening(socket.address)
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await connection in accepted {
                    let isFull = socket.connections.count > configuration.maximumConnections
                    tasks.addTask { isFull ? await refuse(connection) : await serve(connection) }
                }
                tasks.cancelAll()
            }
        }
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
