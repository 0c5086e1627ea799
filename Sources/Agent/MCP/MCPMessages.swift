internal import JSON

// What do the messages of MCP say? Which fields go into a request, and what is taken out of an answer, bounded: what a server says of its
// tools is read by models and shown to people.

/// The messages of the Model Context Protocol that a client of tools needs (modelcontextprotocol.io/specification).
enum MCPMessages {
    /// What is offered to a server; it may answer with an older or a newer one.
    static let offeredVersion = "2025-06-18"
    /// What can be spoken. In the one of November 2025 nothing differs that a client of tools uses.
    static let spokenVersions: Set = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]

    /// Tools of one server.
    static let mostTools = 1_000
    static let mostPages = 100
    /// Bytes of a tool's name and description, and about those of its schema.
    static let longestName = 128
    static let longestDescription = 16_384
    static let largestSchema = 65_536
    /// Bytes of what a server says about an error or its progress.
    static let longestRemark = 4_096

    // MARK: Requests

    static func initialize(version: String) -> JSONValue {
        [
            "protocolVersion": .string(offeredVersion), "capabilities": .object([:]),
            "clientInfo": ["name": "openagent", "version": .string(version)],
        ]
    }

    static func call(_ tool: String, _ arguments: [String: JSONValue], progress: Int64) -> JSONValue {
        [
            "name": .string(tool), "arguments": .object(arguments),
            "_meta": ["progressToken": .integer(progress)],
        ]
    }

    static func cancelled(_ id: Int64, _ reason: String) -> JSONRPCMessage {
        .notification(
            method: "notifications/cancelled", parameters: ["requestId": .integer(id), "reason": .string(reason)])
    }

    // MARK: Answers

    /// A page of tools. One that can't be called is left out.
    static func tools(_ page: JSONValue) -> (tools: [ToolDefinition], next: String?) {
        var tools: [ToolDefinition] = []
        if case .array(let values)? = page["tools"] { tools = values.prefix(mostTools).compactMap(tool) }
        let next = page["nextCursor"]?.string
        return (tools, next?.isEmpty == false ? next : nil)
    }

    private static func tool(_ value: JSONValue) -> ToolDefinition? {
        guard let name = value["name"]?.string, (1...longestName).contains(name.utf8.count),
            name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let schema = value["inputSchema"],
            case .object = schema, schema.weight <= largestSchema
        else { return nil }
        let text = value["description"]?.string ?? value["title"]?.string ?? ""
        let readsOnly = value["annotations"]?["readOnlyHint"] == .bool(true)
        return ToolDefinition(
            name: name, description: cut(text, to: longestDescription), parameters: schema,
            effect: readsOnly ? .query : .action)
    }

    /// What a call came to.
    ///
    /// - Parameter limit: bytes of the text.
    static func result(_ value: JSONValue, limit: Int) -> ToolResult {
        var parts: [String] = []
        if case .array(let blocks)? = value["content"] { parts = blocks.prefix(1_000).map(text) }
        if parts.isEmpty, let structured = value["structuredContent"] {
            parts = [String(decoding: structured.encoded, as: UTF8.self)]
        }
        let whole = parts.joined(separator: "\n")
        let text = cut(whole, to: limit)
        let note = text.utf8.count < whole.utf8.count ? "\n[cut: the answer has \(whole.utf8.count) bytes]" : ""
        return ToolResult(text + note, isError: value["isError"] == .bool(true))
    }

    private static func text(_ block: JSONValue) -> String {
        let name = block["mimeType"]?.string ?? "data"
        switch block["type"]?.string {
        case "text": return block["text"]?.string ?? ""
        case "image", "audio":
            let size = (block["data"]?.string?.utf8.count ?? 0) * 3 / 4
            return "[\(block["type"]?.string ?? ""): \(name), \(size) bytes]"
        case "resource_link": return "[\(block["name"]?.string ?? "resource")](\(block["uri"]?.string ?? ""))"
        case "resource":
            return block["resource"]?["text"]?.string ?? "[resource: \(block["resource"]?["uri"]?.string ?? name)]"
        default: return "[\(block["type"]?.string ?? "nothing")]"
        }
    }

    /// What a server says of its progress.
    static func progress(_ parameters: JSONValue?) -> (id: Int64, text: String)? {
        guard case .integer(let id)? = parameters?["progressToken"] else { return nil }
        if let message = parameters?["message"]?.string { return (id, remark(message)) }
        let done = parameters?["progress"]?.plainNumber ?? "?"
        return (id, parameters?["total"]?.plainNumber.map { "\(done) of \($0)" } ?? done)
    }

    /// Words of a server within a sentence of ours.
    static func remark(_ text: String) -> String { cut(text, to: longestRemark) }

    static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var bytes = Array(text.utf8.prefix(limit))
        // Not in the midst of a character.
        while let last = bytes.last, last & 0xC0 == 0x80 { bytes.removeLast() }
        if let last = bytes.last, last >= 0xC0 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension JSONValue {
    /// A number as people write it.
    fileprivate var plainNumber: String? {
        switch self {
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        default: nil
        }
    }

    /// About how many bytes it takes as JSON.
    fileprivate var weight: Int {
        switch self {
        case .null, .bool, .integer, .number: 8
        case .string(let text): text.utf8.count + 2
        case .array(let values): values.reduce(2) { $0 + 1 + $1.weight }
        case .object(let fields): fields.reduce(2) { $0 + $1.key.utf8.count + 4 + $1.value.weight }
        }
    }
}
