internal import Store
internal import Transport

// Which calls does the coordinator answer? One message in, one message out (a watch: many), for a peer whose key the
// connection has proven. Parameters are read here and in the files of each subject, rules are applied in ../Coordinator;
// nothing internal ever leaves in an error.

/// Calls that this coordinator knows.
enum RPCMethod: String {
    case networkInfo = "network_info"
    case register
    case loginInit = "login_init"
    case loginFinish = "login_finish"
    case renew
    case listDevices = "list_devices"
    case revokeDevice = "revoke_device"
    case deviceStatus = "device_status"
    case listAgents = "list_agents"
    case addAgent = "add_agent"
    case removeAgent = "remove_agent"
    case agentLogin = "agent_login"
    case createInvitation = "create_invitation"
    case watch
}

extension Coordinator {
    /// Answers one request.
    func reply(to message: [UInt8], from peer: NodeID) async -> RPCReply {
        var id = CBORValue.null
        do {
            let request = try Self.request(message, id: &id)
            if request.method == RPCMethod.watch.rawValue { return try watch(request, peer: peer) }
            return .message(RPCResponse.result(id: id, try await call(request, peer: peer)).encoded)
        } catch let error as RPCError {
            return .refusal(RPCResponse.failure(id: id, error).encoded, error.code)
        } catch let error as AdministrationError {
            let error = RPCError(error)
            return .refusal(RPCResponse.failure(id: id, error).encoded, error.code)
        } catch {
            logger.error("coordinator::call_failed", metadata: ["error": "\(error)", "peer": "\(peer.short)"])
            let error = RPCError(.internalError, "the coordinator failed: see its log")
            return .refusal(RPCResponse.failure(id: id, error).encoded, error.code)
        }
    }

    /// Reads a request, and its id even when the rest is wrong.
    static func request(_ message: [UInt8], id: inout CBORValue) throws(RPCError) -> RPCRequest {
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
        case .renew: return try await renew(parameters, peer: peer)
        case .listDevices: return try await listDevices(parameters, peer: peer)
        case .revokeDevice: return try await revokeDevice(parameters, peer: peer)
        case .deviceStatus: return try deviceStatus(parameters, peer: peer)
        case .listAgents: return try await listAgents(peer: peer)
        case .addAgent: return try await addAgent(parameters, peer: peer)
        case .removeAgent: return try await removeAgent(parameters, peer: peer)
        case .agentLogin: return try await agentLogin(parameters, peer: peer)
        case .createInvitation: return try await createInvitation(parameters, peer: peer)
        case .watch, nil: throw RPCError(.unknownMethod, String(request.method.prefix(64)))
        }
    }

    // MARK: Joining

    private func networkInfo() -> CBORMap {
        [
            "network_id": .text(network.networkID), "name": .text(network.name), "pake_algo": .text("srp6a"),
            "time": .float(now()),
        ]
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
            deviceKey: parameters.key("device_pubkey"), label: parameters.optionalText("label"),
            invite: parameters.optionalText("invite"), peer: peer)
        return ["cert": .bytes(grant.certificate.wire), "m2": .bytes(grant.proof)]
    }

    private func renew(_ parameters: RPCParameters, peer: NodeID) async throws -> CBORMap {
        let fresh = try await renew(
            parameters.bytes("cert"), capability: parameters.optionalText("capability"), peer: peer)
        return ["cert": .bytes(fresh.wire)]
    }
}
