internal import Logging
internal import NIOCore
internal import Wire

// Where does a client's stream come from? From a connection that has one to spare, at once and on the client's event
// loop; else from the dialer, which may have to connect first: that waits in a task of the proxy.

/// Finds a stream for each client that wants one.
struct StreamOpener: Sendable {
    private let dialer: any GatewayDialer
    private let logger: Logger
    private let waiting: AsyncStream<RelayRemote<ClientEnd>>
    private let waitingContinuation: AsyncStream<RelayRemote<ClientEnd>>.Continuation

    init(dialer: any GatewayDialer, logger: Logger) {
        self.dialer = dialer
        self.logger = logger
        // Bounded by the number of connections that the proxy accepts.
        (waiting, waitingContinuation) = AsyncStream.makeStream()
    }

    /// Gives the client a stream, or tells it that there is none. On the client's event loop.
    func open(for client: RelayRemote<ClientEnd>) {
        do {
            guard try dialer.openStreamNow({ try Self.initialize($0, for: client) }) == nil else { return }
            waitingContinuation.yield(client)
        } catch {
            refuse(client, error)
        }
    }

    /// Serves those who have to wait, until ``stop()`` or until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { tasks in
            for await client in waiting {
                tasks.addTask { await dial(for: client) }
            }
            tasks.cancelAll()
        }
    }

    func stop() { waitingContinuation.finish() }

    private func dial(for client: RelayRemote<ClientEnd>) async {
        do {
            try await dialer.openStream { stream in
                stream.eventLoop.makeCompletedFuture { try Self.initialize(stream, for: client) }
            }
        } catch {
            refuse(client, error)
        }
    }

    private static func initialize(_ stream: any Channel, for client: RelayRemote<ClientEnd>) throws {
        try stream.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        try stream.pipeline.syncOperations.addHandler(StreamEnd(client: client))
    }

    private func refuse(_ client: RelayRemote<ClientEnd>, _ error: any Error) {
        logger.debug("proxy::unreachable", metadata: ["reason": "\(error)"])
        let refusal = Self.refusal(for: error)
        client.tell { $0.unreachable(refusal) }
    }

    private static func refusal(for error: any Error) -> Refusal {
        switch error {
        case let error as AgentUnreachable: .agentUnreachable(reason: error.reason, hint: error.hint)
        case is CancellationError: .agentUnreachable(reason: "the proxy is stopping", hint: "start it again")
        default: .agentUnreachable(reason: "no stream to the agent: \(error)", hint: "try again")
        }
    }
}
