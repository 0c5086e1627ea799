internal import Transport

// What is in a frame? One CBOR map: a request with method and parameters, or an answer with a result or an error
// (network.md §6). The codec of both directions; it knows no method.

/// A call.
struct RPCRequest {
    /// Echoed in the answer.
    var id: CBORValue
    var method: String
    var parameters: RPCParameters

    init(id: CBORValue, method: String, parameters: CBORMap) {
        self.id = id
        self.method = method
        self.parameters = RPCParameters(map: parameters)
    }

    var encoded: [UInt8] {
        CBORValue.map(["id": id, "method": .text(method), "params": .map(parameters.map)]).encoded
    }
}

/// Named parameters or results, read with errors that say which one is wrong.
struct RPCParameters {
    let map: CBORMap

    func text(_ key: String) throws(RPCError) -> String {
        guard let text = try optionalText(key) else { throw RPCError(.badRequest, "\(key) missing") }
        return text
    }

    func bytes(_ key: String) throws(RPCError) -> [UInt8] {
        guard let bytes = try optionalBytes(key) else { throw RPCError(.badRequest, "\(key) missing") }
        return bytes
    }

    func optionalText(_ key: String) throws(RPCError) -> String? {
        switch map[key] {
        case nil, .null: return nil
        case .text(let text): return text
        default: throw RPCError(.badRequest, "\(key) wrong type")
        }
    }

    func optionalBytes(_ key: String) throws(RPCError) -> [UInt8]? {
        switch map[key] {
        case nil, .null: return nil
        case .bytes(let bytes): return bytes
        default: throw RPCError(.badRequest, "\(key) wrong type")
        }
    }

    func optionalNumber(_ key: String) throws(RPCError) -> Double? {
        switch map[key] {
        case nil, .null: return nil
        case let value?:
            guard let number = value.number, number.isFinite else { throw RPCError(.badRequest, "\(key) wrong type") }
            return number
        }
    }

    /// - Parameter limit: more texts are refused.
    func optionalTexts(_ key: String, limit: Int) throws(RPCError) -> [String]? {
        switch map[key] {
        case nil, .null: return nil
        case .array(let items):
            guard items.count <= limit else { throw RPCError(.badRequest, "\(key): at most \(limit)") }
            var texts: [String] = []
            for item in items {
                guard case .text(let text) = item else { throw RPCError(.badRequest, "\(key) wrong type") }
                texts.append(text)
            }
            return texts
        default: throw RPCError(.badRequest, "\(key) wrong type")
        }
    }

    /// A node's key, sent as 32 bytes.
    func key(_ key: String) throws(RPCError) -> NodeID {
        let bytes = try bytes(key)
        guard let node = try? NodeID(bytes: bytes) else {
            throw RPCError(.badRequest, "\(key) must be \(NodeID.length) bytes")
        }
        return node
    }

    /// A node's key, sent as text.
    func node(_ key: String) throws(RPCError) -> NodeID {
        let text = try text(key)
        guard let node = try? NodeID(text) else { throw RPCError(.badRequest, "\(key) must be a node id") }
        return node
    }
}

/// What came of a call.
enum RPCResponse: Equatable {
    case result(id: CBORValue, CBORMap)
    case failure(id: CBORValue, RPCError)

    var encoded: [UInt8] {
        switch self {
        case .result(let id, let result): CBORValue.map(["id": id, "result": .map(result)]).encoded
        case .failure(let id, let error):
            CBORValue.map([
                "id": id, "error": .map(["code": .text(error.code.rawValue), "message": .text(error.message)]),
            ]).encoded
        }
    }

    /// Reads an answer; nil when it is none.
    init?(_ value: CBORValue) {
        guard case .map(let map) = value else { return nil }
        let id = map["id"] ?? .null
        if case .map(let error) = map["error"], case .text(let code) = error["code"] {
            var message = code
            if case .text(let text) = error["message"], !text.isEmpty { message = text }
            self = .failure(id: id, RPCError(RPCErrorCode(rawValue: code), message))
        } else if case .map(let result) = map["result"] {
            self = .result(id: id, result)
        } else {
            return nil
        }
    }
}
