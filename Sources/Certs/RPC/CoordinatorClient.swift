public import Store
public import Transport

// How does a device or an operator call the coordinator? Typed calls over one authenticated connection. It checks what
// the coordinator must prove (its SRP proof, its signature) and hands every refusal on as ``RPCError``. Where things are
// stored, and what to do next, is the business of ../Client.

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
}

/// Calls to the coordinator at the other end of a connection.
public struct CoordinatorClient: Sendable {
    /// The coordinator's node id, proven by the connection.
    public var coordinator: NodeID { exchange.coordinator }

    private let exchange: any RPCExchange

    init(exchange: any RPCExchange) { self.exchange = exchange }

    /// Which network this coordinator speaks for.
    public func networkInfo() async throws -> NetworkInfo {
        let result = try await call(.networkInfo, [:])
        return NetworkInfo(networkID: try result.answer("network_id"), name: try result.answer("name"))
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

    /// Every device of the network, in the order of their keys. For the operator, and for admins with their certificate.
    public func listDevices(certificate: DeviceCertificate? = nil) async throws -> [DeviceRecord] {
        var devices: [DeviceRecord] = []
        while true {
            var parameters = Self.credentials(certificate)
            if let last = devices.last { _ = parameters.insert("after", .bytes(last.key)) }
            let result = try await call(.listDevices, parameters)
            guard case .array(let rows) = result["devices"], case .bool(let more) = result["more"] else {
                throw CoordinatorClientError.malformedAnswer(RPCMethod.listDevices.rawValue)
            }
            for row in rows {
                guard let device = DeviceRecord(wire: row) else {
                    throw CoordinatorClientError.malformedAnswer(RPCMethod.listDevices.rawValue)
                }
                devices.append(device)
            }
            guard more, !rows.isEmpty else { return devices }
        }
    }

    /// Puts a device out of the network. For the operator, and for admins with their certificate.
    ///
    /// - Returns: whether an active device was revoked; false when there is none with this key.
    public func revokeDevice(_ key: NodeID, certificate: DeviceCertificate? = nil) async throws -> Bool {
        var parameters = Self.credentials(certificate)
        _ = parameters.insert("device_pubkey", .bytes(key.bytes))
        let result = try await call(.revokeDevice, parameters)
        guard case .bool(let revoked) = result["ok"] else {
            throw CoordinatorClientError.malformedAnswer(RPCMethod.revokeDevice.rawValue)
        }
        return revoked
    }

    private static func credentials(_ certificate: DeviceCertificate?) -> CBORMap {
        guard let certificate else { return [:] }
        return ["cert": .bytes(certificate.wire)]
    }

    private func call(_ method: RPCMethod, _ parameters: CBORMap) async throws -> CBORMap {
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
    fileprivate func answer(_ key: String) throws(CoordinatorClientError) -> String {
        guard case .text(let text) = self[key] else { throw .malformedAnswer(key) }
        return text
    }

    fileprivate func answerBytes(_ key: String) throws(CoordinatorClientError) -> [UInt8] {
        guard case .bytes(let bytes) = self[key] else { throw .malformedAnswer(key) }
        return bytes
    }
}
