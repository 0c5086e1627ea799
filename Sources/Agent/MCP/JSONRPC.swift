internal import Foundation
internal import JSON

// How do an MCP server and its client put their words? As messages of JSON-RPC 2.0. This file turns bytes into messages and back; it knows
// no method and no order of messages.

/// A message of JSON-RPC 2.0.
enum JSONRPCMessage: Sendable, Equatable {
    /// The other side waits for an answer with the same id, a text or a number.
    case request(id: JSONValue, method: String, parameters: JSONValue?)
    case notification(method: String, parameters: JSONValue?)
    case response(id: JSONValue, result: JSONValue)
    /// - `id`: null when the other side could not read whose answer it is.
    case failure(id: JSONValue, code: Int64, message: String)

    static let methodNotFound: Int64 = -32_601

    /// Reads a message, or several of them in a list.
    ///
    /// - Parameter bytes: bounded by whoever read them.
    /// - Returns: nil when that is no JSON; what is JSON and no message is left out.
    static func read(_ bytes: [UInt8]) -> [JSONRPCMessage]? {
        guard let value = JSONReader.read(bytes) else { return nil }
        // The revision of March 2025 has lists of messages.
        if case .array(let values) = value { return values.compactMap(JSONRPCMessage.init) }
        return JSONRPCMessage(value).map { [$0] } ?? []
    }

    private init?(_ value: JSONValue) {
        guard case .object(let fields) = value, fields["jsonrpc"]?.string == "2.0" else { return nil }
        if let method = fields["method"]?.string {
            switch fields["id"] {
            case nil: self = .notification(method: method, parameters: fields["params"])
            case let id? where id.isIdentifier: self = .request(id: id, method: method, parameters: fields["params"])
            default: return nil
            }
        } else if let error = fields["error"] {
            let code: Int64 = if case .integer(let code)? = error["code"] { code } else { 0 }
            self = .failure(id: fields["id"] ?? .null, code: code, message: error["message"]?.string ?? "")
        } else if let result = fields["result"], let id = fields["id"], id.isIdentifier {
            self = .response(id: id, result: result)
        } else {
            return nil
        }
    }

    /// On one line, without its end.
    var bytes: [UInt8] {
        var fields: [String: JSONValue] = ["jsonrpc": "2.0"]
        switch self {
        case .request(let id, let method, let parameters):
            fields["id"] = id
            fields["method"] = .string(method)
            if let parameters { fields["params"] = parameters }
        case .notification(let method, let parameters):
            fields["method"] = .string(method)
            if let parameters { fields["params"] = parameters }
        case .response(let id, let result):
            fields["id"] = id
            fields["result"] = result
        case .failure(let id, let code, let message):
            fields["id"] = id
            fields["error"] = ["code": .integer(code), "message": .string(message)]
        }
        return JSONValue.object(fields).encoded
    }
}

extension JSONValue {
    /// As JSON, on one line.
    var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        // Only numbers that are none can't be encoded, and no message has one: JSON can't say them.
        return (try? encoder.encode(self)).map(Array.init) ?? []
    }

    /// Whether a request may be called that.
    fileprivate var isIdentifier: Bool {
        switch self {
        case .string(let text): text.utf8.count <= 1024
        case .integer, .number: true
        default: false
        }
    }
}
