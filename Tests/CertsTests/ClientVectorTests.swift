import Synchronization
import Testing

@testable import Certs
@testable import Store
@testable import Transport

/// What our client sends, next to what the reference's clients send; and the reference's answers, read by our client.
@Suite struct ClientVectorTests {
    /// Answers a call as the reference did, and keeps what was sent.
    final class ReferenceExchange: RPCExchange {
        let vector: Vector
        let coordinator: NodeID
        let sent = Mutex<CBORMap?>(nil)

        init(_ method: String, index: Int = 0) throws {
            let calls = RPCTests.vectors["calls"].list.filter { $0["method"].text == method }
            vector = try #require(calls.indices.contains(index) ? calls[index] : nil)
            coordinator = try CertificateTests.coordinator().nodeID
        }

        func exchange(_ message: [UInt8]) async throws -> [UInt8] {
            let value = try CBORReader.read(message, limits: CBORLimits(bytes: RPCFrame.requestLimit))
            guard case .map(let request) = value, case .map(let response) = vector["response"].cbor,
                case .map(let result) = response["result"]
            else { throw RPCFrameReader.Failure.endOfStream }
            sent.withLock { $0 = request }
            return RPCResponse.result(id: request["id"] ?? .null, result).encoded
        }

        var client: CoordinatorClient { CoordinatorClient(exchange: self) }

        /// Expects the vector's request but for its id.
        func expectVector(sourceLocation: SourceLocation = #_sourceLocation) {
            guard case .map(let expected) = vector["request"].cbor, let sent = sent.withLock({ $0 }) else {
                Issue.record("nothing was sent", sourceLocation: sourceLocation)
                return
            }
            #expect(Set(sent.keys) == ["id", "method", "params"], sourceLocation: sourceLocation)
            #expect(sent["method"] == expected["method"], sourceLocation: sourceLocation)
            #expect(
                RPCTests.plain(sent["params"] ?? .null) == RPCTests.plain(expected["params"] ?? .null),
                sourceLocation: sourceLocation)
        }
    }

    static let code = "aaaqeayeaudaocajbifq"
    let device: NodeID
    let worker: NodeID

    init() throws {
        device = try CertificateTests.device().nodeID
        worker = try ReplayTests.worker()
    }

    /// The admin's certificate of the vectors.
    func admin(_ exchange: ReferenceExchange) throws -> DeviceCertificate {
        try DeviceCertificate(
            wire: exchange.vector["request"]["params"]["cert"]["hex"].hex, coordinator: exchange.coordinator)
    }

    @Test func networkInfo() async throws {
        let exchange = try ReferenceExchange("network_info")
        let info = try await exchange.client.networkInfo()
        #expect(info.name == "homelab" && info.time == nil, "the reference tells no time")
        exchange.expectVector()
    }

    /// What depends on random numbers is compared by its name, type and length.
    @Test func registerAndLogin() async throws {
        let register = try ReferenceExchange("register")
        _ = try await register.client.register(invite: Self.code, handle: "alice", password: Password("x"))
        let finish = try ReferenceExchange("login_finish")
        final class Login: RPCExchange {
            let begin: ReferenceExchange
            let finish: ReferenceExchange
            let calls = Mutex(0)
            var coordinator: NodeID { begin.coordinator }
            init(_ begin: ReferenceExchange, _ finish: ReferenceExchange) {
                (self.begin, self.finish) = (begin, finish)
            }
            func exchange(_ message: [UInt8]) async throws -> [UInt8] {
                let call = calls.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return try await (call == 0 ? begin : finish).exchange(message)
            }
        }
        let begin = try ReferenceExchange("login_init")
        await #expect(throws: CoordinatorClientError.wrongServerProof) {
            try await CoordinatorClient(exchange: Login(begin, finish)).login(
                handle: "alice", password: Password("x"), deviceKey: device, label: "laptop", invite: Self.code)
        }
        for (exchange, random) in [(register, "pake_record"), (begin, "ke1"), (finish, "ke3")] {
            guard case .map(let sent)? = exchange.sent.withLock({ $0?["params"] }),
                case .map(let expected) = exchange.vector["request"]["params"].cbor,
                case .bytes(let ours) = sent[random], case .bytes(let theirs) = expected[random]
            else {
                Issue.record("\(random) was not sent")
                continue
            }
            #expect(Set(sent.keys) == Set(expected.keys))
            #expect(random == "pake_record" || ours.count == theirs.count)
            for key in sent.keys where key != random { #expect(sent[key] == expected[key], "\(key)") }
        }
    }

    @Test func listAgents() async throws {
        let exchange = try ReferenceExchange("list_agents")
        let agents = try await exchange.client.listAgents()
        #expect(agents.map(\.handle) == ["my-agent"] && agents[0].addresses.isEmpty && agents[0].lastSeen == nil)
        exchange.expectVector()
    }

    /// The other form, with an invitation, is never sent: an agent logs in with it.
    @Test func addAgent() async throws {
        let exchange = try ReferenceExchange("add_agent", index: 1)
        try await exchange.client.addAgent(handle: "worker-1", node: worker, certificate: admin(exchange))
        exchange.expectVector()
    }

    @Test func agentLogin() async throws {
        let exchange = try ReferenceExchange("agent_login")
        let login = try await exchange.client.agentLogin(
            invite: Self.code, handle: "Worker-1 ", node: worker, label: "gpu box")
        #expect(login.networkName == "homelab" && login.certificate.capabilities == ["agent"])
        exchange.expectVector()
        await #expect(throws: CoordinatorClientError.malformedAnswer("agent_login")) {
            try await exchange.client.agentLogin(invite: Self.code, handle: "worker-2", node: worker)
        }
    }

    @Test func removeAgent() async throws {
        let exchange = try ReferenceExchange("remove_agent")
        #expect(try await exchange.client.removeAgent("worker-1", certificate: admin(exchange)))
        exchange.expectVector()
    }

    @Test func revokeDevice() async throws {
        let exchange = try ReferenceExchange("revoke_device")
        #expect(try await exchange.client.revokeDevice(device, certificate: admin(exchange)))
        exchange.expectVector()
    }

    @Test func createInvitation() async throws {
        let exchange = try ReferenceExchange("create_invitation")
        let invitation = try await exchange.client.createInvitation(
            role: .device, handle: "alice", uses: 3, lifetime: 86_400, certificate: admin(exchange))
        #expect(
            invitation
                == IssuedInvitation(code: Self.code, role: .device, expiresAt: 1_780_086_400, usesLeft: 3))
        exchange.expectVector()
    }

    /// The reference tells no more than whether the device is active: a plain member's rights then.
    @Test func deviceStatus() async throws {
        let exchange = try ReferenceExchange("device_status")
        let answer = try await exchange.client.deviceStatus(device)
        #expect(answer == DeviceAnswer(standing: .active(role: .member), handle: nil))
        exchange.expectVector()
    }
}
