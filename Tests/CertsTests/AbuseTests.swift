import Dispatch
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

/// What a flood of logins may cost, and whom it may not hold up.
@Suite(.serialized, .timeLimit(.minutes(1))) struct AbuseTests {
    /// Keeps the queue's one worker busy until it is opened.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        private let entered = Atomic(false)
        /// Whether the worker stands before it.
        var isReached: Bool { entered.load(ordering: .acquiring) }
        func wait() {
            entered.store(true, ordering: .releasing)
            semaphore.wait()
        }
        func open() { semaphore.signal() }
    }

    /// What was computed, in order.
    private final class Notes: Sendable {
        private let lanes = Mutex<[ComputationQueue.Lane]>([])
        var all: [ComputationQueue.Lane] { lanes.withLock { $0 } }
        func add(_ lane: ComputationQueue.Lane) { lanes.withLock { $0.append(lane) } }
    }

    private static func until(_ condition: @escaping @Sendable () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while !condition() {
            guard ContinuousClock.now < deadline else { throw CancellationError() }
            await Task.yield()
        }
    }

    // MARK: Queue

    @Test func whoBelongsHereGoesFirstAndWhoHasBegunGoesBeforeWhoBegins() async throws {
        let queue = ComputationQueue()
        let gate = Gate()
        let notes = Notes()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await queue.withPlace(in: .known) { try await $0.run { gate.wait() } } }
            try await Self.until { gate.isReached }
            for lane in [ComputationQueue.Lane.beginning, .finishing, .known] {
                group.addTask {
                    try await queue.withPlace(in: lane) { place in
                        try await place.run { notes.add(lane) }
                    }
                }
            }
            try await Self.until {
                queue.waiting(in: .beginning) == 1 && queue.waiting(in: .finishing) == 1
                    && queue.waiting(in: .known) == 1
            }
            gate.open()
            try await group.waitForAll()
        }
        #expect(notes.all == [.known, .finishing, .beginning])
    }

    @Test(arguments: ComputationQueue.Lane.allCases)
    func aFullLaneTurnsAwayAtOnceAndNoOther(_ lane: ComputationQueue.Lane) async throws {
        let queue = ComputationQueue()
        let gate = Gate()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<lane.capacity {
                group.addTask { try await queue.withPlace(in: lane) { try await $0.run { gate.wait() } } }
            }
            try await Self.until { queue.waiting(in: lane) == lane.capacity - 1 }
            await #expect(throws: ComputationQueue.Busy.self) { try await queue.withPlace(in: lane) { _ in } }
            for other in ComputationQueue.Lane.allCases where other != lane {
                try await queue.withPlace(in: other) { _ in }
            }
            for _ in 0..<lane.capacity { gate.open() }
            try await group.waitForAll()
        }
        try await queue.withPlace(in: lane) { _ in }
    }

    @Test func whoGivesUpIsNotComputedFor() async throws {
        let queue = ComputationQueue()
        let gate = Gate()
        let notes = Notes()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await queue.withPlace(in: .known) { try await $0.run { gate.wait() } } }
            try await Self.until { gate.isReached }
            let impatient = Task {
                try await queue.withPlace(in: .known) { try await $0.run { notes.add(.known) } }
            }
            try await Self.until { queue.waiting(in: .known) == 1 }
            impatient.cancel()
            await #expect(throws: CancellationError.self) { try await impatient.value }
            gate.open()
            try await group.waitForAll()
        }
        #expect(notes.all.isEmpty)
    }

    @Test func strangersGetAQuarterOfTheTimeAndOthersAllOfIt() async throws {
        let queue = ComputationQueue()
        @Sendable func work() {
            let end = ContinuousClock.now + .milliseconds(10)
            while ContinuousClock.now < end {}
        }
        func time(in lane: ComputationQueue.Lane) async throws -> Duration {
            let started = ContinuousClock.now
            for _ in 0..<6 { try await queue.withPlace(in: lane) { try await $0.run(work) } }
            return ContinuousClock.now - started
        }
        // Six times the work, and five rests of three times its length between.
        #expect(try await time(in: .beginning) >= .milliseconds(210))
        // The shortest of some: other programs can only make it longer.
        var shortest = Duration.seconds(60)
        for _ in 0..<10 where shortest >= .milliseconds(210) { shortest = min(shortest, try await time(in: .known)) }
        #expect(shortest < .milliseconds(210))
    }

    // MARK: Coordinator

    @Test func aFloodOfLoginsIsTurnedAwayAndTheUsersOwnDeviceGetsIn() async throws {
        let network = try TestNetwork()
        let device = SecretKey().nodeID
        _ = try await network.addUser("alice", device: device)
        let value = SRPClient().publicValue
        let outcomes = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<400 {
                group.addTask {
                    do {
                        _ = try await network.coordinator.beginLogin(
                            handle: "nobody-\(number)", clientPublic: value, peer: SecretKey().nodeID)
                        return "computed"
                    } catch let error as RPCError {
                        #expect(error.code == .rateLimited)
                        return error.message
                    }
                }
            }
            try await Self.until { network.coordinator.computations.waiting(in: .beginning) > 16 }
            let certificate = try await network.client(as: device).login(
                handle: "alice", password: Password("hunter2"), deviceKey: device)
            #expect(certificate.handle == "alice")
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(outcomes.keys.sorted() == ["computed", "too many others are logging in: try again in a few seconds"])
        #expect(outcomes["computed", default: 0] >= ComputationQueue.Lane.beginning.capacity)
    }

    @Test func halfDoneLoginsAreForgottenWithTheConnectionsThatBeganThem() async throws {
        try await CoordinatorServer.run { server in
            let key = SecretKey()
            let coordinator = server.network.coordinator
            try await server.withConnection(as: key) { connection in
                _ = try await coordinator.beginLogin(
                    handle: "nobody", clientPublic: SRPClient().publicValue, peer: key.nodeID)
                _ = try await CoordinatorClient(connection: connection).networkInfo()
                #expect(coordinator.logins.withLock { $0.states.count } == 1)
                server.network.clock.advance(31)
            }
            try await Self.until { coordinator.logins.withLock { $0.states.count } == 0 }
        }
    }

    @Test func whoIsHeldUpWaitsForTheRefusal() async throws {
        try await CoordinatorServer.run { server in
            let key = SecretKey()
            try await server.withClient(as: key) { client in
                let guess = {
                    try await client.login(handle: "alice", password: Password("guess"), deviceKey: key.nodeID)
                }
                for _ in 0..<5 { await expectRefusal(.unauthorized) { try await guess() } }
                let started = ContinuousClock.now
                await expectRefusal(.rateLimited) { try await guess() }
                #expect(ContinuousClock.now - started >= .seconds(Coordinator.refusalTime.lowerBound))
            }
        }
    }

    @Test func aThousandStatesCostNoMoreThanOneEach() throws {
        var states = LoginStates(capacity: 16, capacityPerNode: 8)
        let state = try LoginStatesTests.state(SecretKey().nodeID)
        let other = SecretKey().nodeID
        // Taken states leave no trace behind, however many there are while an old one lives.
        states.insert(try LoginStatesTests.state(other), id: "old", now: 0)
        for number in 0..<1_000 {
            states.insert(state, id: "\(number)", now: 1)
            #expect(states.take("\(number)", peer: state.peer, now: 1) != nil)
        }
        #expect(states.count == 1)
        #expect(states.take("old", peer: other, now: 29) != nil)
        #expect(states.count == 0)
    }
}
