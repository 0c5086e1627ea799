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

    func replay(_ method: String) async throws -> (answer: CBORValue, expected: CBORValue) {
        let call = try #require(Self.calls.first { $0["method"].text == method })
        let answer = await coordinator.answer(
            RPCTests.message(call["request_frame"].hex), from: try CertificateTests.device().nodeID)
        let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
        return (value, call["response"].cbor)
    }

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
        try await repository.write { transaction in
            try transaction.insertUser(
                UserRecord(handle: "alice", pakeRecord: [1], role: .admin, createdAt: 1))
            try transaction.insertDevice(DeviceRecord(key: device.bytes, handle: "alice", addedAt: 1))
        }
        let restarted = try Coordinator(
            repository: repository, identity: CertificateTests.coordinator(), now: { Self.now })
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
}
