import Synchronization
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// What a change of rights ends, how soon, and what it leaves alone.

@Suite struct RevocationTests {
    private final class Flag: Sendable {
        private let state = Mutex(false)
        var isSet: Bool { state.withLock { $0 } }
        func set() { state.withLock { $0 = true } }
    }

    @Test("P-05: a revocation over the API counts at the next request and for one device only")
    func revocationCountsAtTheNextRequest() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let phone = try await gateway.join("ana")
            let laptop = try await gateway.join("ana")
            let admin = try await running.stream(try await gateway.join("root", role: .admin))
            let isRevoked = Flag()
            let (polls, polled) = AsyncStream.makeStream(of: TestDevice.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let stream = try await running.stream(phone)
                    while true {
                        let mustFail = isRevoked.isSet
                        // Refused, or the connection is gone already.
                        guard let answer = try? await stream.tryAsk("GET", "/api/whoami") else { return }
                        if answer.status == 200 { #expect(!mustFail, "a request after the revocation was served") }
                        guard answer.status == 200 else {
                            #expect(answer.status == 401 && answer.body == "device revoked")
                            return
                        }
                        polled.yield(phone)
                    }
                }
                group.addTask {
                    let stream = try await running.stream(laptop)
                    var after = 0
                    while after < 20 {
                        if isRevoked.isSet { after += 1 }
                        #expect(try await stream.ask("GET", "/api/whoami").status == 200)
                        polled.yield(laptop)
                    }
                }
                // Both are at it.
                var seen: Set<NodeID> = []
                for await device in polls {
                    seen.insert(device.nodeID)
                    if seen.count == 2 { break }
                }
                let answer: RevocationBody = try await admin.ask(
                    "DELETE", "/api/network/devices/\(phone.nodeID.hex)"
                ).decode()
                isRevoked.set()
                #expect(answer.revoked && answer.connectionsClosed == 1)
                try await group.waitForAll()
            }
            let again = try await running.stream(phone)
            #expect(try await again.ask("GET", "/api/whoami").body == "device revoked")
        }
    }

    @Test("P-07: a revocation over the API ends a streamed turn within a second, and nobody else's")
    func revocationEndsAStreamedTurn() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let phone = try await gateway.join("ana")
            let (laptop, bob) = (try await gateway.join("ana"), try await gateway.join("bob"))
            let connection = try await running.connection(of: phone.nodeID)
            let socket = try await running.webSocket(phone, on: connection)
            try await socket.say("hello")
            let run = try await gateway.agent.nextRun()
            run.delta("one")
            #expect(try await socket.message().body == .delta("one"))
            let others = [try await running.webSocket(laptop), try await running.webSocket(bob)]
            let host = try await running.operatorStream()
            let start = ContinuousClock.now
            #expect(try await host.ask("DELETE", "/api/network/devices/\(phone.nodeID.hex)").status == 200)
            #expect(try await socket.next() == .close(code: 4003, reason: "device authorization changed"))
            #expect(try await connection.closed.code() == 4003)
            #expect(ContinuousClock.now - start < .seconds(1))
            for (other, session) in zip(others, ["s", "t"]) {
                try await other.say("still there?", session: session)
                try await gateway.agent.nextRun().answer("yes")
                let messages = try await other.messages { $0.isTurnEnd }
                #expect(messages.contains { $0.responseText == "yes" })
            }
            // What it had begun to do is not done any more.
            #expect(try await run.wasCancelled())
        }
    }

    @Test func whileNobodyKnowsTheMembersOnlyTheOperatorIsServed() async throws {
        let gateway = try TestGateway(place: .member)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            let connection = try await running.connection(of: ana.nodeID)
            let socket = try await running.webSocket(ana, on: connection)
            gateway.membership.set(.unavailable, for: ana.nodeID)
            gateway.membership.announce(.everything)
            #expect(try await socket.next() == .close(code: 1013, reason: "device membership unavailable"))
            #expect(try await connection.closed.code() == 1013)
            let refused = try await running.stream(ana).ask("GET", "/api/whoami")
            #expect(refused.status == 503 && refused.body == "device membership unavailable")
            #expect(try await running.operatorStream().ask("GET", "/api/whoami").status == 200)
            gateway.membership.set(.active(role: .member), for: ana.nodeID)
            #expect(try await running.stream(ana).ask("GET", "/api/whoami").status == 200)
        }
    }

    @Test func onlyWhatTakesSomethingAwayLooksAtConnections() {
        let (device, agent) = (SecretKey().nodeID, SecretKey().nodeID)
        let table: [(RosterChange, Affected?)] = [
            (.device(device, handle: "ana", status: .active), nil),
            (.device(device, handle: "ana", status: .revoked), .device(device)),
            (.user("ana", role: .admin, status: .active), nil), (.user("ana", role: .member, status: .active), nil),
            (.user("ana", role: .admin, status: .suspended), .user("ana")),
            (.user("ana", role: .member, status: .suspended), .user("ana")), (.userRemoved("ana"), .user("ana")),
            (.agent(agent, handle: "work"), nil), (.agentRemoved(agent), .device(agent)), (.everything, .everybody),
        ]
        for (change, affected) in table { #expect(Affected(change) == affected, "\(change)") }
    }

    @Test func aChangeIsLookedUpForThoseWhomItConcernsOnly() {
        /// Counts how often it is asked.
        final class Asked: Membership {
            let devices = Mutex<[NodeID]>([])
            func standing(of device: NodeID, handle: String) -> DeviceStanding {
                devices.withLock { $0.append(device) }
                return .revoked
            }
            func isKnown(_ node: NodeID) -> Bool { false }
            func changes() -> AsyncStream<RosterChange> { AsyncStream { $0.finish() } }
        }
        let coordinator = SecretKey()
        let live = LiveConnections()
        let peers = (0..<1_000).map { index in
            let device = SecretKey().nodeID
            let peer = PeerConnection(id: UInt64(index), node: device, remote: { "" }, close: { _, _ in })
            let certificate = DeviceCertificate.issue(
                handle: "user\(index % 10)", deviceKey: device, networkID: "n", issuedAt: 0, signedBy: coordinator)
            _ = try? peer.certificate(certificate.wire, coordinator: coordinator.nodeID)
            live.add(peer)
            return peer
        }
        let one = Asked()
        #expect(live.closeSockets(of: .device(peers[7].node), notIn: one).map(\.peer.id) == [7])
        #expect(one.devices.withLock { $0 } == [peers[7].node])
        let hundred = Asked()
        #expect(live.closeSockets(of: .user("user3"), notIn: hundred).count == 100)
        #expect(hundred.devices.withLock { Set($0) } == Set(peers.filter { $0.id % 10 == 3 }.map(\.node)))
        #expect(live.closeSockets(of: .everybody, notIn: Asked()).count == 1_000)
        #expect(live.count(of: peers[0].node) == 1 && live.counts().count == 1_000)
        for peer in peers { live.remove(peer) }
        #expect(live.counts().isEmpty && live.closeSockets(of: .everybody, notIn: Asked()).isEmpty)
    }

    @Test func anOperatorsSocketHasNoEndOfItsOwnAndNoRosterEndsIt() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let socket = try await NetworkRoutesTests.operatorSocket(running)
            let ana = try await running.webSocket(try await gateway.join("ana"))
            let network = try #require(gateway.network)
            try await network.removeUser("ana", by: .operator)
            guard case .close(4003, _) = try await ana.next() else { throw Timeout(what: "the other's end") }
            network.roster.apply(.everything)
            // The change is through when somebody who came after it is let go by it.
            let bob = try await running.webSocket(try await gateway.join("bob"))
            try await network.removeUser("bob", by: .operator)
            guard case .close(4003, _) = try await bob.next() else { throw Timeout(what: "the other's end") }
            gateway.clock.advance(by: 10 * 365 * 24 * 3600)
            try await socket.say("who am I")
            let run = try await gateway.agent.nextRun()
            #expect(run.request.handle == "operator")
            run.answer("the operator")
            #expect(try await socket.messages { $0.isTurnEnd }.contains { $0.responseText == "the operator" })
        }
    }
}
