public import Logging
internal import Synchronization
public import Transport

// Who is in good standing, for the gateway of an agent that does not coordinate its network? The same face as Roster, fed by
// a watch on the coordinator. This file moves: it dials, watches, asks, and wakes whoever waits; what may be believed is
// RosterMirror's decision.

/// The roster of a network that another agent coordinates.
public final class MemberRoster: Sendable {
    /// How well the roster is known at this moment.
    public enum Link: Sendable, Equatable {
        /// The coordinator tells of every change as it happens.
        case live
        /// The coordinator was lost; memory counts for 30 s, and answers about single devices as long.
        case lost
        /// Nothing that was confirmed counts any more: only devices about which the coordinator answers are let in.
        case closed
        /// The coordinator says that this agent is not in the network. Nobody is let in.
        case refused
    }

    /// How a roster keeps up. Other values than the defaults are for tests.
    struct Policy: Sendable {
        /// Without a frame for so long a watch is given up: three signs of life.
        var silence = Duration.seconds(15)
        /// For an answer about a device.
        var answer = Duration.seconds(5)
        /// Between two rounds of questions while there is no watch.
        var round = Duration.seconds(5)
        /// Before a coordinator that refused a watch is asked for one again.
        var rewatch = Duration.seconds(60)
        /// Between two looks at the clock.
        var tick = Duration.milliseconds(250)
        /// Before the first attempt to dial again; doubled by each one that fails.
        var firstDelay = Duration.milliseconds(250)
        var longestDelay = Duration.seconds(15)
        /// Users, devices and agents of a network, at most.
        var largestSnapshot = 1_000_000
        /// Questions asked at a time.
        var concurrentQuestions = 6
    }

    private struct State {
        var mirror = RosterMirror()
        var questions = DeviceQuestions()
        var subscribers = RosterSubscribers()
        /// The snapshot that is arriving.
        var incoming = RosterState()
        var incomingChanges = 0
        /// Complete snapshots and answers about devices.
        var heard = 0

        mutating func beginSnapshot() {
            incoming = RosterState()
            incomingChanges = 0
        }
    }

    private let now: @Sendable () -> ContinuousClock.Instant
    private let logger: Logger
    private let policy: Policy
    private let state: Mutex<State>

    /// - Parameter now: a clock that goes on while the machine sleeps.
    public convenience init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        logger: Logger = Logger(label: "openagent.member")
    ) {
        self.init(policy: Policy(), now: now, logger: logger)
    }

    init(policy: Policy, now: @escaping @Sendable () -> ContinuousClock.Instant, logger: Logger) {
        self.policy = policy
        self.now = now
        self.logger = logger
        state = Mutex(State())
    }

    // MARK: For the gateway

    /// What is known about `device` as a device of `handle`. Takes no I/O and never waits;
    /// ``DeviceStanding/unavailable`` when nobody who knows could be asked.
    public func standing(of device: NodeID, handle: String) -> DeviceStanding {
        let now = now()
        return state.withLock { $0.mirror.standing(of: device, handle: handle, now: now) }
    }

    /// Whether memory knows a device or an agent of this key in good standing. Takes no I/O and never waits.
    public func isKnown(_ node: NodeID) -> Bool { state.withLock { $0.mirror.isKnown(node) } }

    /// Whether there is a user of this handle; nil unless the coordinator tells of every change.
    public func isUser(_ handle: String) -> Bool? { state.withLock { $0.mirror.isUser(handle) } }

    /// What is known about a user, whatever the device; ``DeviceStanding/unavailable`` unless it is remembered well enough to trust
    /// it.
    public func standing(ofUser handle: String) -> DeviceStanding {
        let now = now()
        return state.withLock { $0.mirror.standing(ofUser: handle, now: now) }
    }

    /// The handle of the agent with this node id.
    public func agent(_ node: NodeID) -> String? { state.withLock { $0.mirror.agent(node) } }

    /// Every change from now on; also ``RosterChange/everything`` when a confirmation has run out. Each subscriber gets all
    /// of them.
    public func changes() -> AsyncStream<RosterChange> {
        let (stream, continuation) = AsyncStream.makeStream(of: RosterChange.self)
        let id = state.withLock { $0.subscribers.add(continuation) }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.subscribers.remove(id) } }
        return stream
    }

    /// Asks the coordinator about a device when memory does not answer for it, so that ``standing(of:handle:)`` does. To be
    /// called when a new connection arrives. Returns at once while the watch lives, and after 5 s at the latest.
    public func confirm(_ device: NodeID) async {
        let now = now()
        let id = state.withLock { state -> UInt64? in
            guard state.mirror.isDoubtful(device, now: now), state.questions.ask(device) else { return nil }
            return state.questions.nextID()
        }
        guard let id else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait(id, for: device) }
            group.addTask { try? await Task.sleep(for: self.policy.answer) }
            await group.next()
            group.cancelAll()
        }
    }

    /// How well the roster is known.
    public var link: Link {
        switch state.withLock(\.mirror.phase) {
        case .live: .live
        case .lost: .lost
        case .closed: .closed
        case .refused: .refused
        }
    }

    // MARK: Keeping up

    /// Keeps the roster up to date until the task is cancelled. To be called once.
    ///
    /// - Parameters:
    ///   - addresses: where this agent can be reached at the moment, `ip:port` each; the coordinator tells others.
    ///   - connect: dials the coordinator with this agent's key and the protocol ``ALPN/coordinator``. Called again, with
    ///     growing delays, whenever the connection is lost; the connection is closed here.
    public func run(
        addresses: @escaping @Sendable () -> [String], connect: @escaping @Sendable () async throws -> Connection
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.keepConnection(addresses: addresses, connect: connect) }
            group.addTask { await self.keepTime() }
        }
        wake(state.withLock { $0.questions.set(.down) })
    }

    private func keepTime() async {
        while (try? await Task.sleep(for: policy.tick)) != nil {
            let now = now()
            publish { $0.mirror.tick(now: now) }
        }
    }

    private func keepConnection(
        addresses: @escaping @Sendable () -> [String], connect: @escaping @Sendable () async throws -> Connection
    ) async {
        var failures = 0
        while !Task.isCancelled {
            wake(state.withLock { $0.questions.set(.dialling) })
            do {
                let connection = try await connect()
                if await serve(connection, addresses: addresses) { failures = 0 }
            } catch {
                logger.info("member::coordinator_unreachable", metadata: ["reason": "\(error)"])
            }
            wake(state.withLock { $0.questions.set(.down) })
            failures += 1
            try? await Task.sleep(for: delay(afterFailures: failures))
        }
    }

    /// Doubled by each failure, and up to a half less, so that many agents do not come back in step.
    private func delay(afterFailures failures: Int) -> Duration {
        let longest = link == .refused ? policy.rewatch : policy.longestDelay
        let delay = min(policy.firstDelay * (1 << min(failures - 1, 16)), longest)
        return delay * Double.random(in: 0.5...1)
    }

    /// - Returns: whether the coordinator told its roster, or answered.
    private func serve(_ connection: Connection, addresses: @escaping @Sendable () -> [String]) async -> Bool {
        defer { connection.close() }
        let exchange = ConnectionExchange(connection: connection, timeout: policy.answer)
        let (questions, line) = AsyncStream.makeStream(of: NodeID.self)
        wake(state.withLock { $0.questions.set(.up(line)) })
        let before = state.withLock(\.heard)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watch(exchange, addresses: addresses) }
            group.addTask { await self.answer(questions, through: CoordinatorClient(exchange: exchange)) }
            group.addTask { await self.askInRounds() }
            group.addTask { _ = await connection.closeReason }
            await group.next()
            group.cancelAll()
        }
        return state.withLock(\.heard) != before
    }

    /// Watches until the connection is of no use any more. A coordinator that only refuses to be watched is still asked.
    private func watch(_ exchange: ConnectionExchange, addresses: @Sendable () -> [String]) async {
        while !Task.isCancelled {
            do {
                state.withLock { $0.beginSnapshot() }
                try await exchange.watch(addresses: addresses(), silence: policy.silence) { try self.take($0) }
            } catch {
                let now = now()
                publish { $0.mirror.lose(now: now) }
                logger.info("member::watch_ended", metadata: ["reason": "\(error)"])
                guard let refusal = error as? RPCError else { return }
                if Self.isExpulsion(refusal) {
                    publish { $0.mirror.refuse() }
                    return
                }
            }
            try? await Task.sleep(for: policy.rewatch)
        }
    }

    private static func isExpulsion(_ error: RPCError) -> Bool { [.forbidden, .unauthorized].contains(error.code) }

    private func take(_ frame: WatchFrame) throws {
        let now = now()
        switch frame {
        case .snapshot(let changes, let isComplete):
            let limit = policy.largestSnapshot
            let fits = publish { state in
                state.incomingChanges += changes.count
                guard state.incomingChanges <= limit else { return nil }
                for change in changes { state.incoming.apply(change) }
                guard isComplete else { return [] }
                defer { state.beginSnapshot() }
                state.heard += 1
                return state.mirror.replace(state.incoming, now: now)
            }
            guard fits else { throw CoordinatorClientError.malformedAnswer(RPCMethod.watch.rawValue) }
        case .changes(let changes): try apply(changes, now: now)
        case .alive: try apply([], now: now)
        }
    }

    private func apply(_ changes: [RosterChange], now: ContinuousClock.Instant) throws {
        let isInStep = publish { $0.mirror.apply(changes, now: now) }
        guard isInStep else { throw CoordinatorClientError.malformedAnswer(RPCMethod.watch.rawValue) }
    }

    // MARK: Asking

    private func askInRounds() async {
        repeat {
            let now = now()
            for device in state.withLock({ $0.mirror.devicesToAsk(now: now) }) {
                while !state.withLock({ $0.questions.ask(device, isUrgent: false) }) {
                    guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return }
                }
            }
        } while (try? await Task.sleep(for: policy.round)) != nil
    }

    private func answer(_ questions: AsyncStream<NodeID>, through client: CoordinatorClient) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await device in questions {
                if running == policy.concurrentQuestions {
                    await group.next()
                    running -= 1
                }
                running += 1
                group.addTask { await self.ask(device, through: client) }
            }
            group.cancelAll()
        }
    }

    private func ask(_ device: NodeID, through client: CoordinatorClient) async {
        do {
            let answer = try await client.deviceStatus(device)
            let now = now()
            publish { state in
                state.heard += 1
                return state.mirror.answered(device, answer, now: now)
            }
        } catch let refusal as RPCError where Self.isExpulsion(refusal) {
            publish { $0.mirror.refuse() }
        } catch {
            logger.debug("member::no_answer", metadata: ["device": "\(device.short)", "reason": "\(error)"])
        }
        wake(state.withLock { $0.questions.close(device) })
    }

    /// Waits until the question is over or the task is cancelled.
    private func wait(_ id: UInt64, for device: NodeID) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard !Task.isCancelled, state.questions.isOpen(device) else { return true }
                    state.questions.wait(continuation, id: id, for: device)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.questions.leave(id, for: device) }?.resume()
        }
    }

    private func wake(_ waiters: [DeviceQuestions.Waiter]) { for waiter in waiters { waiter.resume() } }

    // MARK: Publishing

    /// Changes the state, then tells every subscriber what came of it.
    ///
    /// - Returns: false when `body` returned nil.
    @discardableResult
    private func publish(_ body: @Sendable (inout State) -> [RosterChange]?) -> Bool {
        let (changes, subscribers) = state.withLock { state in (body(&state), state.subscribers.all) }
        for change in changes ?? [] { for subscriber in subscribers { subscriber.yield(change) } }
        return changes != nil
    }

    deinit {
        for subscriber in state.withLock({ $0.subscribers.all }) { subscriber.finish() }
    }
}
