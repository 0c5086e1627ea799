internal import Foundation
internal import JSON

// What does a program say that uses this gateway as an MCP server? One JSON-RPC 2.0 message at a time (Model Context Protocol,
// revision 2025-11-25, "Base protocol"). Pure: bytes in, a message or a fault out.

/// A message from an MCP client.
enum MCPMessage: Sendable, Equatable {
    case request(id: MCPRequestID, method: String, parameters: [String: JSONValue])
    case notification(method: String, parameters: [String: JSONValue])
    /// An answer to a question. This server puts none.
    case answer

    /// - Throws: ``MCPFault``, with the id of the request when it could be read.
    init(_ bytes: [UInt8]) throws(MCPFault) {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
            throw MCPFault(.unreadable, "This is no JSON.")
        }
        guard case .object(let fields) = value else {
            throw MCPFault(.notARequest, "A message is one object; batches are not understood.")
        }
        let id = try fields["id"].flatMap { $0 == .null ? nil : $0 }.map(MCPRequestID.init)
        guard fields["jsonrpc"] == "2.0" else { throw MCPFault(.notARequest, "'jsonrpc' is \"2.0\".", id: id) }
        guard let method = fields["method"] else {
            guard fields["result"] != nil || fields["error"] != nil else {
                throw MCPFault(.notARequest, "'method' is missing.", id: id)
            }
            self = .answer
            return
        }
        guard case .string(let method) = method, (1...128).contains(method.utf8.count) else {
            throw MCPFault(.notARequest, "'method' is a name.", id: id)
        }
        let parameters: [String: JSONValue]
        switch fields["params"] {
        case .object(let fields)?: parameters = fields
        case nil, .null?: parameters = [:]
        default: throw MCPFault(.badParameters, "'params' is an object.", id: id)
        }
        if let id {
            self = .request(id: id, method: method, parameters: parameters)
        } else {
            self = .notification(method: method, parameters: parameters)
        }
    }
}

/// By what a request and its answer belong together.
enum MCPRequestID: Sendable, Hashable {
    case number(Int64)
    case text(String)

    init(_ value: JSONValue) throws(MCPFault) {
        switch value {
        case .integer(let number): self = .number(number)
        case .string(let text) where text.utf8.count <= 256: self = .text(text)
        default: throw MCPFault(.notARequest, "'id' is a whole number or a text of up to 256 bytes.")
        }
    }

    var json: JSONValue {
        switch self {
        case .number(let number): .integer(number)
        case .text(let text): .string(text)
        }
    }
}

/// Why a request is answered with an error of the protocol.
struct MCPFault: Error, Sendable, Equatable {
    /// JSON-RPC 2.0, section 5.1, and the one that MCP adds for versions.
    enum Code: Int64, Sendable {
        case unreadable = -32700
        case notARequest = -32600
        case unknownMethod = -32601
        case badParameters = -32602
        case failed = -32603
        case cancelled = -32800
        case unsupportedVersion = -32022
    }

    var code: Code
    var message: String
    var id: MCPRequestID?
    var data: JSONValue?

    init(_ code: Code, _ message: String, id: MCPRequestID? = nil, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.id = id
        self.data = data
    }

    /// As it is answered.
    var json: JSONValue {
        var error: [String: JSONValue] = ["code": .integer(code.rawValue), "message": .string(message)]
        if let data { error["data"] = data }
        return ["jsonrpc": "2.0", "id": id?.json ?? .null, "error": .object(error)]
    }
}

/// What this server says.
enum MCPReply {
    static func result(_ result: JSONValue, to id: MCPRequestID) -> JSONValue {
        ["jsonrpc": "2.0", "id": id.json, "result": result]
    }

    /// How far a call is, in words.
    static func progress(_ number: Int64, _ text: String, of token: JSONValue) -> JSONValue {
        [
            "jsonrpc": "2.0", "method": "notifications/progress",
            "params": ["progressToken": token, "progress": .integer(number), "message": .string(text)],
        ]
    }

    /// What came of a call: its failure is told to the model, which may try otherwise.
    static func content(_ text: String, isError: Bool) -> JSONValue {
        ["content": [["type": "text", "text": .string(text)]], "isError": .bool(isError)]
    }
}
