public import Transport

// How does a device, an agent or an operator call the coordinator? Typed calls over one authenticated connection; those
// about devices and agents are in the files beside this one. It checks what the coordinator must prove (its SRP proof, its
// signature) and hands every refusal on as ``RPCError``. Where things are stored, and what to do next, is the business of
// ../Client and ../Member.

/// Carries one message to the coordinator and its answer back.
protocol RPCExchange: Sendable {
    /// The key that the other side has proven.
    var coordinator: NodeID { get }
    func exchange(_ message: [UInt8]) async throws -> [UInt8]
}

/// What a network says about itself.
public struct NetworkInfo: Sendable, Equatable {
    public let networkID: String
    public let name: String
    /// The coordinator's clock in Unix seconds; nil when it does not tell, as the reference's.
    public let time: Double?
}

/// Calls to the coordinator at the other end of a connection.
public struct CoordinatorClient: Sendable {
    /// The coordinator's node id, proven by the connection.
    public var coordinator: NodeID { exchange.coordinator }

    let exchange: any RPCExchange

    init(exchange: any RPCExchange) { self.exchange = exchange }

    /// Which network this coordinator speaks for.
    public func networkInfo() async throws -> NetworkInfo {
        let result = try await call(.networkInfo, [:])
        return NetworkInfo(
            networkID: try result.answer("network_id"), name: try result.answer("name"),
            time: result["time"]?.number.flatMap { abs($0) <= DeviceCertificate.latestTime ? $0 : nil })
    }

    /// Registers a user with an invitation of the role `user`. The password does not leave this machine.
    ///
    /// - Returns: the handle as the coordinator keeps it.
    /// - Throws: ``RPCError`` with ``RPCErrorCode/invalidInvite`` or ``RPCErrorCode/conflict`` (the handle is taken).
    public func register(invite: String, handle: String, password: Password) async throws -> String {
        let handle = HandleRule.typed(handle)
        let record = SRPRecord(handle: handle, password: password)
        let result = try await call(
            .register, ["invite": .text(invite), "handle": .text(handle), "pake_record": .bytes(record.wire)])
        return try result.answer("handle")
    }

    /// Logs in and gets a certificate for the key of this side of the connection.
    ///
    /// - Parameters:
    ///   - deviceKey: this device's node id; the coordinator refuses any other than the connection's.
    ///   - label: what the device is called in lists.
    ///   - invite: needed when the user has devices already and this is a new one.
    /// - Returns: a certificate with the coordinator's signature. Whether it says what was asked for is checked by
    ///   ``DeviceCertificate/check(now:networkID:peer:)``.
    /// - Throws: ``RPCError``, or ``CoordinatorClientError/wrongServerProof`` when the other side does not know the
    ///   password's verifier.
    public func login(
        handle: String, password: Password, deviceKey: NodeID, label: String? = nil, invite: String? = nil
    ) async throws -> DeviceCertificate {
        let handle = HandleRule.typed(handle)
        let srp = SRPClient()
        let challenge = try await call(.loginInit, ["handle": .text(handle), "ke1": .bytes(srp.publicValue)])
        let proof: SRPClientProof
        do {
            proof = try srp.proof(
                handle: handle, password: password, response: try challenge.answerBytes("response"))
        } catch is SRPError {
            throw CoordinatorClientError.malformedAnswer(RPCMethod.loginInit.rawValue)
        }
        var parameters: CBORMap = [
            "state_id": .text(try challenge.answer("state_id")), "ke3": .bytes(proof.wire),
            "device_pubkey": .bytes(deviceKey.bytes),
        ]
        if let label { _ = parameters.insert("label", .text(label)) }
        if let invite { _ = parameters.insert("invite", .text(invite)) }
        let grant = try await call(.loginFinish, parameters)
        guard proof.isAnswered(by: try grant.answerBytes("m2")) else { throw CoordinatorClientError.wrongServerProof }
        return try DeviceCertificate(wire: try grant.answerBytes("cert"), coordinator: coordinator)
    }

    /// The parameters of somebody who administers the network.
    static func credentials(_ certificate: DeviceCertificate?) -> CBORMap {
        guard let certificate else { return [:] }
        return ["cert": .bytes(certificate.wire)]
    }

    func call(_ method: RPCMethod, _ parameters: CBORMap) async throws -> CBORMap {
        let id = CBORValue.text(Base16.encode(randomBytes(16)))
        let request = RPCRequest(id: id, method: method.rawValue, parameters: parameters)
        let message = try await exchange.exchange(request.encoded)
        let limits = CBORLimits(bytes: RPCFrame.responseLimit, items: 65_536)
        guard let value = try? CBORReader.read(message, limits: limits), let response = RPCResponse(value) else {
            throw CoordinatorClientError.malformedAnswer(method.rawValue)
        }
        switch response {
        case .result(id: id, let result): return result
        case .result: throw CoordinatorClientError.malformedAnswer(method.rawValue)
        case .failure(_, let error): throw error
        }
    }
}

/// Why a call has no usable answer.
public enum CoordinatorClientError: Error, Equatable, CustomStringConvertible {
    /// The method that was called.
    case malformedAnswer(String)
    case wrongServerProof
    case timeout(seconds: Int64)
    case connectionLost(String)

    public var description: String {
        switch self {
        case .malformedAnswer(let method):
            "the coordinator's answer to \(method) cannot be understood: is it up to date?"
        case .wrongServerProof:
            "the coordinator could not prove that it knows this account: do not use the password with it again, "
                + "and ask whoever gave you the ticket"
        case .timeout(let seconds): "the coordinator did not answer within \(seconds) s: try again"
        case .connectionLost(let reason): "the connection to the coordinator was lost (\(reason)): try again"
        }
    }
}

extension CBORMap {
    /// A text of an answer.
    func answer(_ key: String) throws(CoordinatorClientError) -> String {
        guard case .text(let text) = self[key] else { throw .malformedAnswer(key) }
        return text
    }

    func answerBytes(_ key: String) throws(CoordinatorClientError) -> [UInt8] {
        guard case .bytes(let bytes) = self[key] else { throw .malformedAnswer(key) }
        return bytes
    }

    func answerBool(_ key: String) throws(CoordinatorClientError) -> Bool {
        guard case .bool(let bool) = self[key] else { throw .malformedAnswer(key) }
        return bool
    }
}
