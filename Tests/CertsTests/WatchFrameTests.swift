import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct WatchFrameTests {
    static let node = SecretKey().nodeID
    static let changes: [RosterChange] = [
        .device(node, handle: "alice", status: .active), .device(node, handle: "alice", status: .revoked),
        .user("älice", role: .admin, status: .suspended), .user("bob", role: .member, status: .active),
        .userRemoved("bob"), .agent(node, handle: "home lab"), .agentRemoved(node),
    ]

    @Test func framesComeBackAsTheyWereSent() throws {
        for frame in [
            .alive, .changes(Self.changes), .snapshot(Self.changes, complete: true),
            .snapshot(Self.changes, complete: false),
        ] as [WatchFrame] {
            let bytes = CBORValue.map(frame.wire).encoded
            guard case .map(let map) = try CBORReader.read(bytes, limits: CBORLimits(bytes: bytes.count)) else {
                Issue.record("no map")
                continue
            }
            #expect(WatchFrame(wire: map) == frame)
        }
    }

    @Test func theLongestFrameFitsIntoWhatAClientReads() throws {
        let name = String(repeating: "x", count: HandleRule.maximumLength)
        let changes = (0..<WatchFrame.changesPerFrame).map { _ in
            RosterChange.device(SecretKey().nodeID, handle: name, status: .revoked)
        }
        let bytes = RPCResponse.result(
            id: .text(String(repeating: "i", count: 128)), WatchFrame.snapshot(changes, complete: false).wire
        ).encoded
        #expect(bytes.count < RPCFrame.responseLimit / 4)
        #expect(throws: Never.self) {
            try CBORReader.read(bytes, limits: CBORLimits(bytes: RPCFrame.responseLimit, items: 65_536))
        }
    }

    @Test func whatIsNotUnderstoodIsNotPassedOver() {
        let device = RosterChange.device(Self.node, handle: "a", status: .active).wire ?? [:]
        var bad: [CBORMap] = [
            [:], ["change": .text("device_paused"), "handle": .text("a")], ["change": .unsigned(1)],
            ["change": .text("device"), "device_pubkey": .bytes([1]), "handle": .text("a"), "status": .text("active")],
            ["change": .text("user"), "handle": .text("a"), "role": .text("root"), "status": .text("active")],
            ["change": .text("user_removed"), "handle": .text(String(repeating: "a", count: 257))],
            ["change": .text("agent_removed"), "node_id": .text("00")],
        ]
        for key in device.keys {
            var missing = CBORMap()
            for other in device.keys where other != key { _ = missing.insert(other, device[other] ?? .null) }
            bad.append(missing)
        }
        for change in bad {
            #expect(RosterChange(wire: .map(change)) == nil, "\(change)")
            #expect(WatchFrame(wire: ["changes": .array([.map(change)])]) == nil)
        }
        let many = Array(repeating: CBORValue.map(device), count: WatchFrame.changesPerFrame + 1)
        #expect(WatchFrame(wire: ["changes": .array(many)]) == nil)
        #expect(WatchFrame(wire: ["changes": .array([]), "complete": .unsigned(1)]) == nil)
        #expect(WatchFrame(wire: ["alive": .bool(false)]) == nil)
        #expect(RosterChange.everything.wire == nil)
    }

    @Test func framesThatFollowOneAnotherMayArriveInAnyPieces() throws {
        let messages: [[UInt8]] = [[], [1], Array(repeating: 7, count: 300), [2, 3]]
        let bytes = messages.flatMap(RPCFrame.encode)
        for size in 1...bytes.count {
            var reader = RPCFrameSequence(limit: 300)
            var read: [[UInt8]] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                read += try reader.consume(bytes[start..<min(start + size, bytes.count)])
            }
            #expect(read == messages, "pieces of \(size)")
        }
        var past = RPCFrameSequence(limit: 300)
        #expect(throws: RPCFrameReader.Failure.tooLarge) { try past.consume([0, 0, 1, 45]) }
    }
}

@Suite struct WatchBacklogTests {
    let agent = SecretKey().nodeID
    static func change(_ number: Int) -> RosterChange { .userRemoved("u\(number)") }

    @Test func whatWaitsGoesOutTogetherAndInOrder() {
        var backlog = WatchBacklog(watcher: agent, limit: 2_000)
        #expect(backlog.take() == .nothing)
        let changes = (0..<1_200).map(Self.change)
        for change in changes { backlog.add(change) }
        backlog.beatIsDue()
        #expect(
            backlog.take()
                == .frames([
                    .changes(Array(changes[..<500])), .changes(Array(changes[500..<1_000])),
                    .changes(Array(changes[1_000...])),
                ]), "changes are a sign of life themselves")
        #expect(backlog.take() == .nothing)
        backlog.beatIsDue()
        backlog.beatIsDue()
        #expect(backlog.take() == .frames([.alive]))
        #expect(backlog.take() == .nothing)
    }

    @Test func theBacklogIsBoundedAtItsLimit() {
        var backlog = WatchBacklog(watcher: agent, limit: 3)
        for number in 0..<3 { backlog.add(Self.change(number)) }
        #expect(backlog.take() == .frames([.changes((0..<3).map(Self.change))]))
        for number in 0..<4 { backlog.add(Self.change(number)) }
        #expect(backlog.take() == .cutOff)
        backlog.add(Self.change(9))
        #expect(backlog.take() == .cutOff, "it does not recover")
    }

    @Test func itsOwnRemovalEndsAWatchAndAnothersDoesNot() {
        var backlog = WatchBacklog(watcher: agent, limit: 10)
        let other = RosterChange.agentRemoved(SecretKey().nodeID)
        backlog.add(other)
        backlog.add(.agentRemoved(agent))
        backlog.add(Self.change(1))
        guard case .refuse(let frames, let error) = backlog.take() else {
            Issue.record("the watch goes on")
            return
        }
        #expect(frames == [.changes([other])])
        #expect(error.code == .forbidden)
    }

    @Test func theFirstReasonToEndCounts() {
        var backlog = WatchBacklog(watcher: agent, limit: 10)
        backlog.refuse(RPCError(.conflict, "a"))
        backlog.refuse(RPCError(.forbidden, "b"))
        #expect(backlog.take() == .refuse([], RPCError(.conflict, "a")))
    }

    @Test func whatCannotBeToldOneByOneNeedsAFreshSnapshot() {
        var backlog = WatchBacklog(watcher: agent, limit: 10)
        backlog.add(.everything)
        #expect(backlog.take() == .cutOff)
    }
}
