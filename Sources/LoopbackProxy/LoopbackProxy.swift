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
        let opener = StreamOpener(dialer: dialer, logger: logger)
        let connections = AcceptedConnections(
            maximum: configuration.maximumConnections, timeouts: configuration.timeouts, opener: opener)
        let socket = try await ListeningSocket.bind(
            configuration.listener, group: group, rules: { AccessRules(listener: $0, token: configuration.token) },
            connections: connections)
        defer { socket.removeFile() }
        socket.channel.closeFuture.whenComplete { _ in opener.stop() }
        let result: Result<Void, any Error>
        do {
            logger.debug("proxy::listening", metadata: ["address": "\(socket.address)"])
            try await onListening(socket.address)
            await opener.run()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // Nothing new from here on; it may be closed already.
        try? await socket.channel.close()
        await connections.closeAll()
        try result.get()
        try Task.checkCancellation()
    }
}
