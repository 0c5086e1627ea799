import Testing

@testable import Certs
@testable import Store
@testable import Transport

/// The reference's calls, as its clients send them, against our coordinator in the reference's network.
@Suite struct ReplayTests {
    static let calls = RPCTests.vectors["calls"].list
    static let now = 1_780_000_000.0

    let directory: TemporaryDirectory
    let repository: NetworkRepository
    let coordinator: Coordinator

    init() throws {
        directory = try TemporaryDirectory()
        repository = NetworkRepository(try Database(path: directory.path + "/openagent.db"))
        let identity = try CertificateTests.coordinator()
        try repository.write { transaction in
            try transaction.setNetwork(
                NetworkRecord(
                    role: .coordinator, networkID: CertificateTests.network, name: "homelab",
                    coordinatorKey: identity.nodeID.bytes, createdAt: 1),
                coordinatorNodeID: identity.nodeID.hex)
        }
        coordinator = try Coordinator(repository: repository, identity: identity, now: { Self.now })
    }

    /// - Parameters:
    ///   - index: which of several calls of this method.
    ///   - peer: who calls; the vectors' device unless told otherwise.
    func replay(
        _ method: String, index: Int = 0, from peer: NodeID? = nil, coordinator: Coordinator? = nil
    ) async throws -> (answer: CBORValue, expected: CBORValue) {
        let calls = Self.calls.filter { $0["method"].text == method }
        let call = try #require(calls.indices.contains(index) ? calls[index] : nil)
        let answer = await (coordinator ?? self.coordinator).answer(
            RPCTests.message(call["request_frame"].hex), from: try peer ?? CertificateTests.device().nodeID)
        let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
        return (value, call["response"].cbor)
    }

    func refusal(_ answer: CBORValue) throws -> RPCErrorCode {
        guard case .failure(_, let error)? = RPCResponse(answer) else {
            Issue.record("answered \(answer)")
            return RPCErrorCode(rawValue: "none")
        }
        return error.code
    }

    /// The vectors' agent, whose key nobody has here, and the node of the agent that joins in them.
    static let code = calls.first { $0["method"].text == "agent_login" }?["request"]["params"]["invite"].text ?? ""
    static func worker() throws -> NodeID {
        try NodeID(calls.first { $0["method"].text == "agent_login" }?["request"]["params"]["node_id"].text ?? "")
    }

    /// The same network with alice as its admin, from the vectors' device, after a restart.
    func withAdmin() async throws -> Coordinator {
        let device = try CertificateTests.device().nodeID
        try await repository.write { transaction in
            try transaction.insertUser(UserRecord(handle: "alice", pakeRecord: [1], role: .admin, createdAt: 1))
            try transaction.insertDevice(DeviceRecord(key: device.bytes, handle: "alice", addedAt: 1))
        }
        return try Coordinator(
            repository: repository, identity: CertificateTests.coordinator(), now: { Self.now })
    }

    func invite(_ role: InviteRole) async throws {
        try await repository.write { transaction in
            try transaction.insertInvitation(
                Invitation(
                    code: Self.code, role: role, createdBy: nil, bindTo: nil, usesLeft: 1, expiresAt: Self.now,
                    createdAt: 1))
        }
    }

    func usesLeft() async throws -> Int? { try await repository.read { try $0.invitation(Self.code)?.usesLeft } }

    @Test func networkInfoIsTheReferences() async throws {
        let (answer, expected) = try await replay("network_info")
        #expect(answer.isAtLeast(expected), "\(answer)")
    }

    @Test func aReferenceClientRegistersAndBeginsItsLogin() async throws {
        let call = try #require(Self.calls.first { $0["method"].text == "register" })
        let code = call["request"]["params"]["invite"].text
        try await repository.write { transaction in
            try transaction.insertInvitation(
                Invitation(
                    code: code, role: .user, createdBy: nil, bindTo: nil, usesLeft: 1, expiresAt: Self.now,
                    createdAt: 1))
        }
        let (answer, expected) = try await replay("register")
        #expect(answer == expected)
        let (challenge, _) = try await replay("login_init")
        guard case .result(_, let result)? = RPCResponse(challenge), case .bytes(let response) = result["response"],
            case .text(let state) = result["state_id"]
        else {
            Issue.record("answered \(challenge)")
            return
        }
        let record = call["request"]["params"]["pake_record"]["hex"].hex
        #expect(response.count == record.count && response.prefix(9) == record.prefix(9), "the salt as registered")
        #expect(state.count == 32)
        let (finish, _) = try await replay("login_finish")
        guard case .failure(_, let error)? = RPCResponse(finish) else {
            Issue.record("answered \(finish)")
            return
        }
        #expect(error.code == .expired, "the vector's state is not ours")
    }

    /// The vector's certificate is a member's: the device is known here and the user no admin.
    @Test func aCertificateWithoutTheCapabilityIsForbidden() async throws {
        let device = try CertificateTests.device().nodeID
        let restarted = try await withAdmin()
        let vector = try #require(
            RPCTests.vectors["errors"].list.first { $0.name == "admin_cert_without_capability" })
        let answer = await restarted.answer(RPCTests.message(vector["request_frame"].hex), from: device)
        let value = try CBORReader.read(answer, limits: CBORLimits(bytes: 1_000))
        guard case .failure(_, let error)? = RPCResponse(value) else {
            Issue.record("answered \(value)")
            return
        }
        #expect(error.code.rawValue == vector["error_code"].text)
    }

    @Test func agentsAreListedAsTheReferenceListsThem() async throws {
        let row = try #require(
            Self.calls.first { $0["method"].text == "list_agents" }?["response"]["result"]["agents"].list.first)
        let agent = AgentRecord(
            handle: row["handle"].text, nodeID: row["node_id"].text, label: row["label"].text,
            ownerHandle: row["owner_handle"].text, addedAt: row["added_at"].number)
        try await repository.write { try $0.upsertAgent(agent) }
        let restarted = try await withAdmin()
        let (answer, expected) = try await replay("list_agents", coordinator: restarted)
        #expect(answer.isAtLeast(expected), "\(answer)")
        // Ours tells nobody outside; the reference anybody.
        let (stranger, _) = try await replay("list_agents", from: SecretKey().nodeID, coordinator: restarted)
        #expect(try refusal(stranger) == .unauthorized)
    }

    @Test func anAgentIsAddedByItsOwnInvitation() async throws {
        try await invite(.agent)
        // Ours wants the key proven; the reference takes any.
        #expect(try refusal(try await replay("add_agent").answer) == .unauthorized)
        #expect(try await usesLeft() == 1)
        let (answer, expected) = try await replay("add_agent", from: Self.worker())
        #expect(answer == expected)
        #expect(try await usesLeft() == 0)
    }

    @Test func anAgentIsAddedAndRemovedByAnAdmin() async throws {
        let restarted = try await withAdmin()
        let (added, ok) = try await replay("add_agent", index: 1, coordinator: restarted)
        #expect(added == ok)
        #expect(restarted.roster.agent(try Self.worker()) == "worker-1")
        let (removed, expected) = try await replay("remove_agent", coordinator: restarted)
        #expect(removed == expected)
        #expect(restarted.roster.agent(try Self.worker()) == nil)
        let (again, _) = try await replay("remove_agent", coordinator: restarted)
        guard case .result(_, let result)? = RPCResponse(again) else {
            Issue.record("answered \(again)")
            return
        }
        #expect(result["ok"] == .bool(false))
    }

    @Test func anAgentLogsInByteForByteAsAtTheReference() async throws {
        try await invite(.agent)
        #expect(try refusal(try await replay("agent_login").answer) == .unauthorized)
        #expect(try await usesLeft() == 1, "the key is looked at before the invitation")
        let (answer, expected) = try await replay("agent_login", from: Self.worker())
        #expect(answer == expected)
    }

    @Test func devicesAreRevokedByAnAdmin() async throws {
        let restarted = try await withAdmin()
        let (answer, expected) = try await replay("revoke_device", coordinator: restarted)
        #expect(answer == expected)
    }

    @Test func invitationsHaveTheReferencesShape() async throws {
        let restarted = try await withAdmin()
        let (answer, expected) = try await replay("create_invitation", coordinator: restarted)
        guard case .result(let id, let result)? = RPCResponse(answer),
            case .result(let expectedID, let wanted)? = RPCResponse(expected)
        else {
            Issue.record("answered \(answer)")
            return
        }
        #expect(id == expectedID && Set(result.keys) == Set(wanted.keys))
        for key in ["role", "uses_left"] { #expect(result[key] == wanted[key]) }
        #expect(result["expires_at"]?.number == wanted["expires_at"]?.number)
        guard case .text(let code) = result["code"], case .text(let display) = result["display_code"] else {
            Issue.record("answered \(answer)")
            return
        }
        #expect(code.count == 20 && InviteCode.normalised(display) == code)
        #expect(try await repository.read { try $0.invitation(code)?.bindTo } == "alice")
    }

    @Test func theStandingOfADeviceIsToldToAgents() async throws {
        try await invite(.agent)
        _ = try await replay("agent_login", from: Self.worker())
        let restarted = try await withAdmin()
        let (answer, expected) = try await replay("device_status", from: Self.worker(), coordinator: restarted)
        #expect(answer.isAtLeast(expected), "\(answer)")
        #expect(try refusal(try await replay("device_status", coordinator: restarted).answer) == .forbidden)
    }

    /// Every method of the vectors is answered by a test of this suite.
    @Test func noMethodOfTheVectorsIsUnknown() async throws {
        for call in Self.calls {
            let answer = await coordinator.answer(
                RPCTests.message(call["request_frame"].hex), from: SecretKey().nodeID)
            let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
            if case .failure(_, let error)? = RPCResponse(value) {
                #expect(error.code != .unknownMethod && error.code != .internalError, "\(call["method"].text)")
            }
        }
    }
}
