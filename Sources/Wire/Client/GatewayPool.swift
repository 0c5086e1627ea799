internal import Certs
public import NIOCore
internal import Synchronization
public import Transport

// Which connection carries the next stream? A pool keeps the connections to one agent: made on first use, shared by all
// callers, replaced when one turns out to be dead. It does not know what is said over the streams, nor how a
// connection is made.

/// A connection that streams can be opened on. `Connection` of the transport is one.
public protocol StreamSource: Sendable {
    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R
    /// The same without waiting. Nil: it cannot be done without.
    func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R?
    /// Whether no stream can be opened any more.
    var isClosed: Bool { get }
    /// Has `action` called once when the connection is over.
    func onClose(_ action: @escaping @Sendable () -> Void)
    /// At once, idempotent.
    func close(code: UInt64, reason: String)
}

extension Connection: StreamSource {
    public func onClose(_ action: @escaping @Sendable () -> Void) { onClose { _ in action() } }
}

/// The connections to one agent.
///
///     openStream ──► connection with a free stream? ── yes ──► open ── fails ──► drop it, dial once, open ── fails ─► throw
///                        │ no                                  │
///                        ├─ fewer than allowed: dial (one caller dials, the others wait for that dial)
///                        └─ all there: wait on the least loaded, at most `openTimeout`
///
/// `openStreamNow` goes the first way only. A connection that ends is dropped at once.
public final class GatewayPool: GatewayDialer {
    /// Bounds of a pool.
    public struct Limits: Sendable {
        /// Streams on one connection before another is dialled. The agent allows 100 (design.md §3).
        public var streamsPerConnection = 100
        /// Connections to the agent. It allows 8 per node.
        public var connections = 4
        /// How long a caller waits for a stream once there is a connection.
        public var openTimeout: Duration = .seconds(20)

        public init() {}
    }

    private let agent: String
    private let limits: Limits
    private let certificate: @Sendable () throws -> [UInt8]
    private let connect: @Sendable () async throws -> any StreamSource
    private let state = Mutex(State())

    /// - Parameters:
    ///   - agent: the agent's name or short node id, for error messages.
    ///   - certificate: the wire form of the certificate to show, asked for each stream; empty for none.
    ///   - connect: makes a connection. Called by one caller at a time.
    public init(
        agent: String, limits: Limits = Limits(),
        certificate: @escaping @Sendable () throws -> [UInt8],
        connect: @escaping @Sendable () async throws -> any StreamSource
    ) {
        self.agent = agent
        self.limits = limits
        self.certificate = certificate
        self.connect = connect
    }

    /// A pool of connections from `endpoint` to the gateway at `address`.
    ///
    /// - Parameters:
    ///   - agent: the agent's name for error messages; by default the short form of its node id.
    ///   - certificate: the wire form of the certificate to show, asked for each stream; empty for none.
    ///   - timeout: for one dial.
    public convenience init(
        endpoint: Endpoint, address: NodeAddress, agent: String? = nil, limits: Limits = Limits(),
        timeout: Duration = .seconds(20), certificate: @escaping @Sendable () throws -> [UInt8]
    ) {
        self.init(agent: agent ?? address.nodeID.short, limits: limits, certificate: certificate) {
            try await endpoint.connect(to: address, alpn: ALPN.gateway, timeout: timeout)
        }
    }

    public func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        let certificate: [UInt8]
        do {
            certificate = try self.certificate()
        } catch {
            throw AgentUnreachable(agent: agent, cause: .credentials("\(error)"))
        }
        let lease = try await lease()
        do {
            return try await open(on: lease.member, certificate, initializer)
        } catch let failure as ConnectionFailure {
            drop(lease.member)
            guard lease.cached else { throw failure.unreachable(agent) }
        }
        // The cached connection was dead. One more try on another one, which is fresh unless somebody else was quicker.
        let second = try await self.lease()
        do {
            return try await open(on: second.member, certificate, initializer)
        } catch let failure as ConnectionFailure {
            drop(second.member)
            throw failure.unreachable(agent)
        }
    }

    public func openStreamNow<R>(_ initializer: (any Channel) throws -> R) throws -> R? {
        guard let certificate = try? self.certificate(), let member = leaseNow() else { return nil }
        let opened: (channel: any Channel, result: R)?
        do {
            opened = try member.source.openStreamNow { channel in
                channel.write(StreamPreambleHandler.preamble(certificate, channel.allocator), promise: nil)
                return (channel, try initializer(channel))
            }
        } catch {
            release(member.id)
            throw error
        }
        guard let opened else {
            release(member.id)
            return nil
        }
        opened.channel.closeFuture.whenComplete { [self] _ in release(member.id) }
        opened.channel.flush()
        return opened.result
    }

    /// Closes every connection. Streams that are open end; a later call dials again.
    public func close() {
        let members = state.withLock { state in
            defer { state.members = [] }
            return state.members
        }
        for member in members { member.source.close(code: 0, reason: "client is done") }
    }

    /// How many connections there are.
    public var connectionCount: Int { state.withLock { $0.members.count } }

    // MARK: Opening

    private func open<R: Sendable>(
        on member: Member, _ certificate: [UInt8],
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        let lease = StreamLease { [self] in release(member.id) }
        do {
            return try await withDeadline(limits.openTimeout) {
                try await member.source.openStream { channel in
                    channel.closeFuture.whenComplete { _ in lease.end() }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(StreamPreambleHandler(certificate: certificate))
                    }
                    .flatMap { initializer(channel) }
                    .flatMapErrorThrowing { throw InitializerFailure(underlying: $0) }
                }
            }
        } catch {
            lease.end()
            switch error {
            case let failure as InitializerFailure: throw failure.underlying
            case is CancellationError: throw error
            case is DeadlineExceeded: throw AgentUnreachable(agent: agent, cause: .busy)
            default: throw ConnectionFailure(underlying: error)
            }
        }
    }

    // MARK: Membership

    private struct Member: Sendable {
        let id: Int
        let source: any StreamSource
        var streams = 0
    }

    private struct Lease {
        let member: Member
        /// Whether the connection was there before this call.
        let cached: Bool
    }

    private struct State: Sendable {
        var members: [Member] = []
        var nextID = 0
        /// Non-nil while somebody dials: those who wait for the outcome.
        var waiting: [Int: CheckedContinuation<Void, any Error>]?
    }

    private enum Step {
        case use(Member)
        case dial
        case wait
    }

    /// Picks a connection and counts one stream on it; dials when there is none to spare.
    private func lease() async throws -> Lease {
        while true {
            try Task.checkCancellation()
            switch nextStep() {
            case .use(let member): return Lease(member: member, cached: true)
            case .dial: return Lease(member: try await dial(), cached: false)
            case .wait: try await waitForDial()
            }
        }
    }

    private func nextStep() -> Step {
        state.withLock { state in
            let best = leastLoaded(&state)
            let isFull = best.map { state.members[$0].streams >= limits.streamsPerConnection } ?? true
            if isFull, state.members.count < limits.connections {
                guard state.waiting == nil else { return .wait }
                state.waiting = [:]
                return .dial
            }
            guard let best else { return .wait }
            state.members[best].streams += 1
            return .use(state.members[best])
        }
    }

    /// Counts one stream on a connection that has one to spare.
    private func leaseNow() -> Member? {
        state.withLock { state in
            guard let best = leastLoaded(&state), state.members[best].streams < limits.streamsPerConnection else {
                return nil
            }
            state.members[best].streams += 1
            return state.members[best]
        }
    }

    /// Those that ended a moment ago do not count, although nobody has dropped them yet.
    private func leastLoaded(_ state: inout State) -> Int? {
        state.members.removeAll { $0.source.isClosed }
        return state.members.indices.min { state.members[$0].streams < state.members[$1].streams }
    }

    private func dial() async throws -> Member {
        let outcome: Result<any StreamSource, any Error>
        do { outcome = .success(try await connect()) } catch { outcome = .failure(error) }
        let failure: (any Error)? =
            switch outcome {
            case .success: nil
            // Only the caller who dialled was cancelled: another one takes over.
            case .failure(let error as CancellationError): error
            case .failure(let error as AgentUnreachable): error
            case .failure(let error): AgentUnreachable(agent: agent, cause: .dial("\(error)"))
            }
        let (member, waiting) = state.withLock { state -> (Member?, [CheckedContinuation<Void, any Error>]) in
            defer { state.waiting = nil }
            let waiting = state.waiting.map { Array($0.values) } ?? []
            guard case .success(let source) = outcome else { return (nil, waiting) }
            let member = Member(id: state.nextID, source: source, streams: 1)
            state.nextID += 1
            state.members.append(member)
            return (member, waiting)
        }
        for continuation in waiting {
            if let failure, !(failure is CancellationError) {
                continuation.resume(throwing: failure)
            } else {
                continuation.resume()
            }
        }
        if let failure { throw failure }
        guard let member else { throw CancellationError() }
        member.source.onClose { [weak self] in self?.forget(member.id) }
        return member
    }

    private func waitForDial() async throws {
        let ticket = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.waiting != nil, !Task.isCancelled else { return true }
                    state.waiting?[ticket] = continuation
                    return false
                }
                // The dial ended in between: look again. A cancelled caller finds out there.
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting?.removeValue(forKey: ticket) }?.resume(throwing: CancellationError())
        }
    }

    private func release(_ id: Int) {
        state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.id == id }) else { return }
            state.members[index].streams -= 1
        }
    }

    private func forget(_ id: Int) {
        state.withLock { $0.members.removeAll { $0.id == id } }
    }

    private func drop(_ member: Member) {
        forget(member.id)
        member.source.close(code: 0, reason: "a stream could not be opened")
    }
}

/// One stream's place on a connection, given back exactly once, whoever notices the end first.
private final class StreamLease: Sendable {
    private let onEnd: Mutex<(@Sendable () -> Void)?>

    init(onEnd: @escaping @Sendable () -> Void) {
        self.onEnd = Mutex(onEnd)
    }

    func end() {
        let action = onEnd.withLock { action in
            defer { action = nil }
            return action
        }
        action?()
    }
}

/// The caller's own pipeline setup failed: no fault of the connection.
private struct InitializerFailure: Error {
    let underlying: any Error
}

private struct ConnectionFailure: Error {
    let underlying: any Error

    func unreachable(_ agent: String) -> AgentUnreachable {
        underlying as? AgentUnreachable ?? AgentUnreachable(agent: agent, cause: .stream("\(underlying)"))
    }
}
