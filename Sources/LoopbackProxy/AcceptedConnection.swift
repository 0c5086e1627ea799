internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Wire

// What is a client's connection between the socket that accepted it and the task that serves it? A channel with its
// pipeline set up, counted from its first moment, so that none is forgotten when the proxy stops.

/// A client's connection, as the proxy's tasks see it.
struct AcceptedConnection: Sendable {
    private let channel: any Channel
    private let end: NIOLoopBound<ClientEnd>
    /// Where the stream's end tells the client's end what comes.
    let client: RelayRemote
    let wantsStream: EventLoopFuture<Bool>

    /// Sets up the pipeline of an accepted socket. Called on its event loop.
    init(_ channel: any Channel, rules: AccessRules, timeouts: ProxyTimeouts, in connections: Connections) throws {
        let end = ClientEnd(rules: rules, timeouts: timeouts, on: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(end)
        self.channel = channel
        self.end = NIOLoopBound(end, eventLoop: channel.eventLoop)
        client = RelayRemote(end, on: channel.eventLoop)
        wantsStream = end.wantsStream
        connections.add(channel)
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

/// Every accepted socket that is open, whether or not a task has taken it up.
final class Connections: Sendable {
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    var count: Int { channels.withLockedValue { $0.count } }

    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLockedValue { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in
            self.channels.withLockedValue { _ = $0.removeValue(forKey: id) }
        }
    }

    /// Closes them, and returns when they are closed.
    func closeAll() async {
        for channel in channels.withLockedValue({ Array($0.values) }) {
            channel.close(promise: nil)
            try? await channel.closeFuture.get()
        }
    }
}
