import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// A member's roster against a coordinator behind real endpoints on 127.0.0.1.

@Suite(.timeLimit(.minutes(1))) struct MemberRosterTests {
    /// The next change but for ``RosterChange/everything``.
    static func next(_ changes: inout AsyncStream<RosterChange>.Iterator) async -> RosterChange? {
        while let change = await changes.next() { if change != .everything { return change } }
        return nil
    }

    @Test("P-05: what is revoked reaches a member's gateway within 100 ms")
    func revocationsReachAMemberWithin100Milliseconds() async throws {
        try await CoordinatorServer.run { server in
            let coordinator = server.network.coordinator
            _ = try await server.network.addUser("alice", device: SecretKey().nodeID)
            let devices = (0..<21).map { _ in SecretKey().nodeID }
            try await server.network.repository.write { transaction in
                for device in devices {
                    try transaction.insertDevice(DeviceRecord(key: device.bytes, handle: "alice", addedAt: 1))
                }
            }
            try await server.withMember { member throws in
                var changes = member.roster.changes().makeAsyncIterator()
                var times: [Duration] = []
                for device in devices {
                    let start = ContinuousClock.now
                    #expect(try await coordinator.revokeDevice(device, by: .operator) == .revoked)
                    #expect(await Self.next(&changes) == .device(device, handle: "alice", status: .revoked))
                    times.append(ContinuousClock.now - start)
                }
                // The middle one: other processes of this machine make single ones longer.
                let median = times.sorted()[times.count / 2]
                #expect(median < .milliseconds(100), "\(times)")
            }
        }
    }

    @Test func everyChangeReachesAMemberWithoutAsking() async throws {
        try await CoordinatorServer.run { server in
            let coordinator = server.network.coordinator
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: SecretKey().nodeID)
            _ = try await server.network.addUser("bob", device: device)
            try await server.withMember { member in
                let roster = member.roster
                #expect(roster.standing(of: device, handle: "bob") == .active(role: .member))
                var changes = roster.changes().makeAsyncIterator()
                for (act, change, standing) in [
                    (
                        { _ = try await coordinator.setRole(.admin, of: "bob", by: .operator) },
                        .user("bob", role: .admin, status: .active), .active(role: .admin)
                    ),
                    (
                        { _ = try await coordinator.setStatus(.suspended, of: "bob", by: .operator) },
                        .user("bob", role: .admin, status: .suspended), .suspended
                    ),
                    (
                        { _ = try await coordinator.setStatus(.active, of: "bob", by: .operator) },
                        .user("bob", role: .admin, status: .active), .active(role: .admin)
                    ),
                    (
                        { _ = try await coordinator.revokeDevice(device, by: .operator) },
                        .device(device, handle: "bob", status: .revoked), .revoked
                    ),
                    ({ try await coordinator.removeUser("bob", by: .operator) }, .userRemoved("bob"), .unknown),
                ] as [(() async throws -> Void, RosterChange, DeviceStanding)] {
                    try await act()
                    #expect(await Self.next(&changes) == change)
                    #expect(roster.standing(of: device, handle: "bob") == standing)
                }
            }
        }
    }

    @Test func newUsersAndDevicesAreKnownAtOnce() async throws {
        try await CoordinatorServer.run { server in
            try await server.withMember { member in
                let device = SecretKey().nodeID
                _ = try await server.network.addUser("alice", device: device)
                try await eventually { member.roster.standing(of: device, handle: "alice") == .active(role: .admin) }
                #expect(member.roster.agent(member.key.nodeID) == "worker")
                #expect(member.roster.agent(server.network.identity.nodeID) == "homelab")
            }
        }
    }

    @Test func aLostCoordinatorIsTrustedFor30SecondsAndThenNobodyIsLetIn() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: device)
            try await server.withMember { member in
                let roster = member.roster
                var changes = roster.changes().makeAsyncIterator()
                member.line.cut()
                #expect(await changes.next() == .everything)
                #expect(roster.link == .lost)
                #expect(roster.standing(of: device, handle: "alice") == .active(role: .admin))
                member.clock.advance(.milliseconds(29_900))
                #expect(roster.standing(of: device, handle: "alice") == .active(role: .admin))
                member.clock.advance(.milliseconds(100))
                #expect(roster.standing(of: device, handle: "alice") == .unavailable)
                #expect(await changes.next() == .everything, "live connections must end")
                #expect(roster.link == .closed)
                member.line.mend()
                #expect(await changes.next() == .everything)
                #expect(roster.link == .live)
                #expect(roster.standing(of: device, handle: "alice") == .active(role: .admin))
            }
        }
    }

    @Test func whatHappenedMeanwhileIsInTheNextSnapshot() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: device)
            try await server.withMember { member in
                var changes = member.roster.changes().makeAsyncIterator()
                member.line.cut()
                #expect(await changes.next() == .everything)
                _ = try await server.network.coordinator.revokeDevice(device, by: .operator)
                #expect(member.roster.standing(of: device, handle: "alice") == .active(role: .admin))
                member.line.mend()
                #expect(await changes.next() == .everything)
                #expect(member.roster.standing(of: device, handle: "alice") == .revoked)
            }
        }
    }

    @Test func anAgentThatIsRemovedIsToldAndServesNobody() async throws {
        try await CoordinatorServer.run { server in
            let device = SecretKey().nodeID
            _ = try await server.network.addUser("alice", device: device)
            try await server.withMember { member in
                var changes = member.roster.changes().makeAsyncIterator()
                try await server.network.coordinator.removeAgent("worker", by: .operator)
                while let change = await changes.next(), change != .everything {}
                try await eventually("the refusal") { member.roster.link == .refused }
                #expect(member.roster.standing(of: device, handle: "alice") == .unavailable)
                await member.roster.confirm(device)
                #expect(member.roster.standing(of: device, handle: "alice") == .unavailable)
                try await server.network.coordinator.addAgent(
                    handle: "worker", node: member.key.nodeID, label: nil, by: .operator)
                try await eventually("a watch") { member.roster.link == .live }
                #expect(member.roster.standing(of: device, handle: "alice") == .active(role: .admin))
            }
        }
    }

    @Test func aWatchThatFallsSilentIsBegunAnew() async throws {
        try await CoordinatorServer.run(watches: WatchPolicy(heartbeat: .seconds(3_600))) { server in
            var policy = MemberRoster.Policy.fast
            policy.silence = .milliseconds(200)
            try await server.withMember(policy: policy) { member in
                try await eventually("another dial") { member.line.dials >= 3 }
                try await eventually("another watch") { member.roster.link == .live }
            }
        }
    }

    // MARK: Coordinators that cannot be watched

    /// Answers `device_status` and nothing else, as an older coordinator does.
    final class OldCoordinator: Sendable {
        private let state = Mutex(State())
        struct State {
            var standings: [[UInt8]: DeviceStanding] = [:]
            var asked: [[UInt8]: Int] = [:]
            var isMute = false
        }

        subscript(device: NodeID) -> DeviceStanding {
            get { state.withLock { $0.standings[device.bytes] ?? .unknown } }
            set { state.withLock { $0.standings[device.bytes] = newValue } }
        }

        func asked(about device: NodeID) -> Int { state.withLock { $0.asked[device.bytes] ?? 0 } }

        func mute(_ isMute: Bool) { state.withLock { $0.isMute = isMute } }

        func answer(_ request: RPCRequest) async -> RPCReply {
            guard request.method == "device_status", let key = try? request.parameters.key("device_pubkey") else {
                return .message(
                    RPCResponse.failure(id: request.id, RPCError(.unknownMethod, request.method)).encoded)
            }
            state.withLock { $0.asked[key.bytes, default: 0] += 1 }
            while state.withLock(\.isMute), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
            let isActive = if case .active = self[key] { true } else { false }
            return .message(RPCResponse.result(id: request.id, ["active": .bool(isActive)]).encoded)
        }
    }

    @Test func aCoordinatorThatCannotBeWatchedIsAskedAboutEachDevice() async throws {
        let old = OldCoordinator()
        let device = SecretKey().nodeID
        old[device] = .active(role: .member)
        try await StrangeCoordinator.run({ await old.answer($0) }) { coordinator in
            try await TestMember.run(at: coordinator.address) { member in
                let roster = member.roster
                var changes = roster.changes().makeAsyncIterator()
                #expect(roster.standing(of: device, handle: "alice") == .unavailable)
                try await eventually("an answer") {
                    await roster.confirm(device)
                    return roster.standing(of: device, handle: "alice") == .active(role: .member)
                }
                let asked = old.asked(about: device)
                try await eventually("another round") { old.asked(about: device) > asked + 1 }
                old[device] = .revoked
                #expect(await changes.next() == .everything, "the revocation is found by asking")
                #expect(roster.standing(of: device, handle: "alice") == .unknown)
                old[device] = .active(role: .member)
                try await eventually("an answer") {
                    roster.standing(of: device, handle: "alice") == .active(role: .member)
                }
                member.line.cut()
                member.clock.advance(.milliseconds(29_900))
                #expect(roster.standing(of: device, handle: "alice") == .active(role: .member))
                member.clock.advance(.milliseconds(100))
                #expect(roster.standing(of: device, handle: "alice") == .unavailable)
                #expect(await changes.next() == .everything)
            }
        }
    }

    @Test func aRosterThatNeverEndsTakesNoMoreMemoryThanItMay() async throws {
        let sent = Mutex(0)
        var policy = MemberRoster.Policy.fast
        policy.largestSnapshot = 1_000
        try await StrangeCoordinator.run({ request in
            .frames { writer in
                while true {
                    let changes = (0..<100).map { _ in
                        RosterChange.device(SecretKey().nodeID, handle: "alice", status: .active)
                    }
                    let frame = WatchFrame.snapshot(changes, complete: false)
                    try await writer.write(RPCResponse.result(id: request.id, frame.wire).encoded)
                    sent.withLock { $0 += 1 }
                }
            }
        }) { coordinator in
            try await TestMember.run(at: coordinator.address, policy: policy) { member in
                try await eventually("another dial") { member.line.dials > 1 }
                #expect(sent.withLock { $0 } >= 10)
                #expect(member.roster.link == .closed)
            }
        }
    }

    @Test func manyWhoWaitForOneDeviceAskOnce() async throws {
        let old = OldCoordinator()
        let device = SecretKey().nodeID
        old[device] = .active(role: .member)
        old.mute(true)
        var policy = MemberRoster.Policy.fast
        policy.round = .seconds(3_600)
        try await StrangeCoordinator.run({ await old.answer($0) }) { coordinator in
            try await TestMember.run(at: coordinator.address, policy: policy) { member in
                try await eventually("a line") { member.line.dials == 1 }
                try await withThrowingTaskGroup(of: DeviceStanding.self) { group in
                    for _ in 0..<50 {
                        group.addTask {
                            await member.roster.confirm(device)
                            return member.roster.standing(of: device, handle: "alice")
                        }
                    }
                    try await eventually("a question") { old.asked(about: device) == 1 }
                    old.mute(false)
                    for try await standing in group { #expect(standing == .active(role: .member)) }
                }
                #expect(old.asked(about: device) == 1)
            }
        }
    }

    @Test func nobodyWaitsForACoordinatorThatDoesNotAnswer() async throws {
        let old = OldCoordinator()
        old.mute(true)
        var policy = MemberRoster.Policy.fast
        policy.answer = .milliseconds(200)
        try await StrangeCoordinator.run({ await old.answer($0) }) { coordinator in
            try await TestMember.run(at: coordinator.address, policy: policy) { member in
                let start = ContinuousClock.now
                await withDiscardingTaskGroup { group in
                    for _ in 0..<400 { group.addTask { await member.roster.confirm(SecretKey().nodeID) } }
                }
                #expect(ContinuousClock.now - start < .seconds(5))
                #expect(member.roster.standing(of: SecretKey().nodeID, handle: "alice") == .unavailable)
                old.mute(false)
            }
        }
    }

    @Test func nobodyIsAskedWhileTheWatchLives() async throws {
        try await CoordinatorServer.run { server in
            try await server.withMember { member in
                let start = ContinuousClock.now
                for _ in 0..<100 { await member.roster.confirm(SecretKey().nodeID) }
                #expect(ContinuousClock.now - start < .seconds(2))
            }
        }
    }

    @Test func anUnreachableCoordinatorIsNotWaitedFor() async throws {
        let nowhere = NodeAddress(nodeID: SecretKey().nodeID, addresses: [])
        var policy = MemberRoster.Policy.fast
        policy.answer = .seconds(50)
        try await TestMember.run(at: nowhere, policy: policy) { member in
            try await eventually("attempts") { member.line.dials > 3 }
            let start = ContinuousClock.now
            await member.roster.confirm(SecretKey().nodeID)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(member.roster.link == .closed)
        }
    }
}

@Suite struct DeviceQuestionsTests {
    let device = SecretKey().nodeID

    @Test func whatIsAskedIsBoundedAndLeavesRoomForThoseWhoWait() {
        var questions = DeviceQuestions(capacity: 4)
        #expect(questions.ask(device) == false, "there is nobody to ask")
        _ = questions.set(.dialling)
        #expect(questions.ask(SecretKey().nodeID, isUrgent: false) == true)
        #expect(questions.ask(SecretKey().nodeID, isUrgent: false) == true)
        #expect(questions.ask(SecretKey().nodeID, isUrgent: false) == false)
        #expect(questions.ask(device) == true)
        #expect(questions.ask(SecretKey().nodeID) == true)
        #expect(questions.ask(SecretKey().nodeID) == false)
        #expect(questions.ask(device, isUrgent: false) == true, "it is being asked about already")
    }

    @Test func questionsWaitForTheLineAndEndWithIt() async {
        var questions = DeviceQuestions()
        _ = questions.set(.dialling)
        #expect(questions.ask(device) == true)
        let (stream, line) = AsyncStream.makeStream(of: NodeID.self)
        _ = questions.set(.up(line))
        var asked = stream.makeAsyncIterator()
        #expect(await asked.next() == device)
        #expect(questions.isOpen(device))
        _ = questions.set(.down)
        #expect(!questions.isOpen(device))
    }
}
