internal import JSON

// How does an MCP server answer? Versions, the list of tools, and which call of which tool is meant. Pure: it says what to answer or what
// to call, and calls nothing itself. It keeps nothing between two messages either: whoever asks proves anew who they are.

/// The rules of the conversation.
enum MCPConversation {
    /// Revisions that this server speaks, the newest first.
    static let versions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]

    /// What is to be done about a message.
    enum Step: Sendable, Equatable {
        case answer(JSONValue)
        case call(id: MCPRequestID, tool: String, arguments: [String: JSONValue], progress: JSONValue?)
        case cancel(MCPRequestID)
        /// There is nothing to say.
        case accepted
    }

    /// - Parameters:
    ///   - tools: those that whoever asks may call.
    ///   - server: how the agent calls itself.
    static func step(
        _ message: MCPMessage, tools: [OutsideOffer], server: (name: String, version: String)
    ) throws(MCPFault) -> Step {
        switch message {
        case .answer: return .accepted
        case .notification("notifications/cancelled", let parameters):
            guard let id = parameters["requestId"].flatMap({ try? MCPRequestID($0) }) else { return .accepted }
            return .cancel(id)
        case .notification: return .accepted
        case .request(let id, "initialize", let parameters):
            return .answer(MCPReply.result(greeting(parameters["protocolVersion"]?.string, server), to: id))
        case .request(let id, "ping", _): return .answer(MCPReply.result([:], to: id))
        case .request(let id, "tools/list", _):
            // All of them are one page.
            return .answer(MCPReply.result(["tools": .array(tools.map(\.json))], to: id))
        case .request(let id, "tools/call", let parameters):
            guard let name = parameters["name"]?.string else {
                throw MCPFault(.badParameters, "'name' is missing: which tool?", id: id)
            }
            guard let tool = tools.first(where: { $0.name == name }) else {
                throw MCPFault(.badParameters, "There is no such tool for you.", id: id)
            }
            let arguments: [String: JSONValue]
            switch parameters["arguments"] {
            case .object(let fields)?: arguments = fields
            case nil, .null?: arguments = [:]
            default: throw MCPFault(.badParameters, "'arguments' is an object.", id: id)
            }
            return .call(
                id: id, tool: tool.name, arguments: arguments,
                progress: parameters["_meta"]?["progressToken"].flatMap(token))
        case .request(let id, _, _): throw MCPFault(.unknownMethod, "There is no such method here.", id: id)
        }
    }

    /// Whether a version that a request's head names is one of ours; older clients name none.
    static func check(version: String?) throws(MCPFault) {
        guard let version, !versions.contains(version) else { return }
        throw MCPFault(
            .unsupportedVersion, "This version of the protocol is not spoken here.",
            data: ["supported": .array(versions.map(JSONValue.string))])
    }

    private static func greeting(_ version: String?, _ server: (name: String, version: String)) -> JSONValue {
        [
            "protocolVersion": .string(version.flatMap { versions.contains($0) ? $0 : nil } ?? versions[0]),
            "capabilities": ["tools": ["listChanged": false]],
            "serverInfo": ["name": "openagent", "title": .string(server.name), "version": .string(server.version)],
            "instructions": .string(
                "Notes, conversations and schedule of the agent '\(server.name)', and what else its owner grants. Notes are Markdown files; ask_agent "
                    + "starts a turn that goes on also when nobody waits for it."),
        ]
    }

    private static func token(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .integer: value
        case .string(let text) where text.utf8.count <= 256: value
        default: nil
        }
    }
}
