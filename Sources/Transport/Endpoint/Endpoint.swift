internal import Logging
internal import NIOConcurrencyHelpers
public import NIOCore

// A node's place in the overlay, as an application sees it: bind, dial, accept, close.

/// A node that dials others by their public key and is dialled by its own. Many connections share its sockets.
public final class Endpoint: Sendable {
    /// This node's address: its public key.
    public let nodeID: NodeID
    /// Where the sockets are bound, with real ports.
    public var localAddresses: [SocketAddress] { bound.withLockedValue { $0 }.map(\.socketAddress) }
    /// Incoming connections whose handshake is complete. One consumer. Ends when the endpoint is closed.
    public let connections: AsyncStream<Connection>

    let eventLoop: any EventLoop
    /// The half on the event loop; used there only.
    let core: NIOLoopBound<EndpointCore>
    private let bound: NIOLockedValueBox<[NetworkAddress]>

    private init(core: EndpointCore) {
        nodeID = core.secretKey.nodeID
        bound = NIOLockedValueBox(core.localAddresses)
        connections = core.incoming
        eventLoop = core.eventLoop
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
    }

    /// Opens the sockets and starts to listen, if there are protocols to listen for.
    ///
    /// - Throws: when an address cannot be bound; the error says which and why.
    public static func bind(_ configuration: EndpointConfiguration) async throws -> Endpoint {
        let eventLoop = configuration.eventLoopGroup.next()
        return try await eventLoop.flatSubmit {
            do {
                let core = try EndpointCore(configuration: configuration, eventLoop: eventLoop)
                return try core.bind(configuration.bindAddresses).assumeIsolated().map { Endpoint(core: core) }
                    .nonisolated()
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        }.get()
    }

    /// Addresses at which others may reach this node, for tickets: one per interface with the real port, loopback last.
    public func advertisedAddresses() -> [SocketAddress] {
        let reachable = bound.withLockedValue { $0 }.flatMap(LocalAddresses.reachable(of:))
        return (reachable.filter { !$0.isLoopback } + reachable.filter(\.isLoopback)).map(\.socketAddress)
    }

    /// Dials a node: tries its addresses until one answers with the node's own key.
    ///
    /// - Parameters:
    ///   - alpn: the protocol to speak.
    ///   - timeout: for all addresses together.
    /// - Throws: ``ConnectError``, or `CancellationError`.
    public func connect(
        to address: NodeAddress, alpn: String, timeout: Duration = .seconds(20)
    ) async throws -> Connection {
        let core = core
        let eventLoop = eventLoop
        let limit = TimeAmount.nanoseconds(Int64(clamping: timeout.nanoseconds))
        let started = try await eventLoop.submit {
            let (dial, future) = core.value.connect(to: address, alpn: alpn, timeout: limit)
            return (NIOLoopBound(dial, eventLoop: eventLoop), future)
        }.get()
        return try await withTaskCancellationHandler {
            try await started.1.get()
        } onCancel: {
            eventLoop.execute { started.0.value.fail(CancellationError()) }
        }
    }

    /// Opens new sockets and moves the connections that this node dialled to them, without losing a byte: for after a
    /// change of network, when the system knows of one. Without it connections move when their packets stay unanswered.
    /// Connections that others dialled stay where they are; only the dialling side may move.
    ///
    /// - Throws: when no socket can be opened.
    public func rebind() async throws {
        let core = core
        let eventLoop = eventLoop
        try await eventLoop.flatSubmit {
            do { return try core.value.rebind() } catch { return eventLoop.makeFailedFuture(error) }
        }.get()
        let addresses = try await eventLoop.submit { core.value.localAddresses }.get()
        bound.withLockedValue { $0 = addresses }
    }

    /// Counters of this moment.
    public func statistics() async -> EndpointStatistics {
        let core = core
        return (try? await eventLoop.submit { core.value.statistics }.get()) ?? .none
    }

    /// Closes every connection with this code and reason, then the sockets. Idempotent.
    public func close(code: UInt64 = 0, reason: String = "") async {
        let core = core
        // Fails only when the event loop has ended, and everything with it.
        try? await eventLoop.submit { core.value.close(code: code, reason: reason) }.get()
    }
}
