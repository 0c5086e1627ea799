internal import Store
internal import Transport

// Which calls does the coordinator answer? One message in, one message out, for a peer whose key the connection has
// proven. Parameters are read here, rules are applied in ../Coordinator; nothing internal ever leaves in an error.

/// Calls that this coordinator knows.
enum RPCMethod: String {
    case networkInfo = "network_info"
    case register
    case loginInit = "login_init"
    case loginFinish = "login_finish"
    case listDevices = "list_devices"
    case revokeDevice = "revoke_device"
}

extension Coordinator {
    /// Devices in one answer of `list_devices`.
    static let devicesPerPage = 500

    /// Answers one request.
    func answer(_ message: [UInt8], from peer: NodeID) async -> [UInt8] {
        await respond(to: message, from: peer).encoded
    }

    func respond(to message: [UInt8], from peer: NodeID) async -> RPCResponse {
        var id = CBORValue.null
        do {
            let request = try Self.request(message, id: &id)
            return RPCResponse.result(id: id, try await call(request, peer: peer))
        } catch let error as RPCError {
            return RPCResponse.failure(id: id, error)
        } catch {
            logger.error("call failed", metadata: ["error": "\(error)", "peer": "\(peer.short)"])
            return RPCResponse.failure(id: id, RPCError(.internalError, "the coordinator failed: see its log"))
        }
    }

    /// Reads a request, and its id even when the rest is wrong.
    private static func request(_ message: [UInt8], id: inout CBORValue) throws(RPCError) -> RPCRequest {
        guard let value = try? CBORReader.read(message, limits: CBORLimits(bytes: RPCFrame.requestLimit)),
            case .map(let map) = value
        else { throw RPCError(.badRequest, "the request is not a map") }
        switch map["id"] {
        case .text(let text)? where text.utf8.count <= 128: id = .text(text)
        case .unsigned(let number)?: id = .unsigned(number)
        default: id = .null
        }
        guard case .text(let method) = map["method"] else { throw RPCError(.badRequest, "method missing") }
        switch map["params"] {
        case nil, .null: return RPCRequest(id: id, method: method, parameters: [:])
        case .map(let parameters): return RPCRequest(id: id, method: method, parameters: parameters)
        default: throw RPCError(.badRequest, "params is not a map")
        }
    }

    private func call(_ request: RPCRequest, peer: NodeID) async throws -> CBORMap {
        let parameters = request.parameters
        switch RPCMethod(rawValue: request.method) {
        case .networkInfo: return networkInfo()
        case .register: return try await register(parameters, peer: peer)
        case .loginInit: return try await loginInit(parameters, peer: peer)
        case .loginFinish: return try await loginFinish(parameters, peer: peer)
        case .listDevices: return try await listDevices(parameters, peer: peer)
        case .revokeDevice: return try await revokeDevice(parameters, peer: peer)
        case nil: throw RPCError(.unknownMethod, String(request.method.prefix(64)))
        }
    }

    private func networkInfo() -> CBORMap {
        ["network_id": .text(network.networkID), "name": .text(network.name), "pake_algo": .text("srp6a")]
    }

    private func register(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let handle = try await register(
            invite: parameters.text("invite"), handle: parameters.text("handle"),
            record: parameters.bytes("pake_record"), peer: peer)
        return ["ok": .bool(true), "handle": .text(handle)]
    }

    private func loginInit(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let challenge = try await beginLogin(
            handle: parameters.text("handle"), clientPublic: parameters.bytes("ke1"), peer: peer)
        return ["state_id": .text(challenge.stateID), "response": .bytes(challenge.response)]
    }

    private func loginFinish(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let grant = try await finishLogin(
            stateID: parameters.text("state_id"), proof: parameters.bytes("ke3"),
            deviceKey: Self.deviceKey(parameters), label: parameters.optionalText("label"),
            invite: parameters.optionalText("invite"), peer: peer)
        return ["cert": .bytes(grant.certificate.wire), "m2": .bytes(grant.proof)]
    }

    private func listDevices(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        _ = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        let after = try parameters.optionalBytes("after")
        let limit = Self.devicesPerPage
        let rows = try await repository.read { try $0.devices(after: after, limit: limit + 1) }
        return [
            "devices": .array(rows.prefix(limit).map { .map($0.wire) }), "more": .bool(rows.count > limit),
        ]
    }

    private func revokeDevice(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let caller = try administrator(peer: peer, certificate: parameters.optionalBytes("cert"))
        let result = try await revokeDevice(Self.deviceKey(parameters), by: caller)
        return ["ok": .bool(result == .revoked), "revoked_by": .text(caller.auditName)]
    }

    private static func deviceKey(_ parameters: RPCParameters) throws(RPCError) -> NodeID {
        let bytes = try parameters.bytes("device_pubkey")
        guard let key = try? NodeID(bytes: bytes) else {
            throw RPCError(.badRequest, "device_pubkey must be 32 bytes")
        }
        return key
    }
}

extension DeviceRecord {
    /// The row as `list_devices` sends it.
    var wire: CBORMap {
        [
            "device_pubkey": .bytes(key), "handle": .text(handle), "label": label.map { .text($0) } ?? .null,
            "status": .text(status.rawValue), "added_at": .float(addedAt),
            "last_seen": lastSeen.map { .float($0) } ?? .null,
        ]
    }

    /// Reads such a row; nil when it is malformed.
    init?(wire: CBORValue) {
        guard case .map(let map) = wire, case .bytes(let key) = map["device_pubkey"], key.count == NodeID.length,
            case .text(let handle) = map["handle"], case .text(let statusText) = map["status"],
            let status = DeviceStatus(rawValue: statusText), let addedAt = map["added_at"]?.number
        else { return nil }
        var label: String?
        if case .text(let text) = map["label"] { label = text }
        self.init(
            key: key, handle: handle, label: label, status: status, addedAt: addedAt, lastSeen: map["last_seen"]?.number
        )
    }
}
