internal import Foundation
internal import JSON

// How is a tool call shown to people while it runs? As the text of a `status`: a JSON object whose fields clients know (reference:
// websocket.md §3). It is bounded, and what looks like a secret stays hidden, because everybody who watches the session reads it.

/// What a `status` says of a tool call.
enum ToolStatus {
    /// Characters of one text within the arguments, and of a result.
    private static let longestText = 500
    private static let longestResult = 2_000
    /// Bytes of arguments that are shown.
    private static let mostArguments = 4_096
    private static let deepest = 8

    /// The call begins.
    static func running(_ name: String, id: String, _ arguments: [String: JSONValue]) -> String {
        text(["tool_name": .string(name), "tool_call_id": .string(id), "tool_args": shown(arguments)])
    }

    /// It is over.
    static func ended(_ name: String, id: String, _ arguments: [String: JSONValue], _ result: ToolResult) -> String {
        var fields: [String: JSONValue] = [
            "tool_name": .string(name), "tool_call_id": .string(id), "tool_args": shown(arguments),
            "result": .string(cut(result.text, longestResult)),
        ]
        if result.isError { fields["tool_call_error"] = true }
        return text(fields)
    }

    private static func text(_ fields: [String: JSONValue]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    // MARK: What is shown

    private static func shown(_ arguments: [String: JSONValue]) -> JSONValue {
        let shown = JSONValue.object(arguments.mapValuesWithKeys { hidden($1, under: $0, depth: 0) })
        guard let size = try? JSONEncoder().encode(shown).count, size <= mostArguments else {
            return .object(["…": "too long to show"])
        }
        return shown
    }

    private static func hidden(_ value: JSONValue, under key: String, depth: Int) -> JSONValue {
        if isSecret(key) { return "***" }
        switch value {
        case .string(let text): return .string(cut(text, longestText))
        case .array(let items) where depth < deepest:
            return .array(items.map { hidden($0, under: "", depth: depth + 1) })
        case .object(let fields) where depth < deepest:
            return .object(fields.mapValuesWithKeys { hidden($1, under: $0, depth: depth + 1) })
        case .array, .object: return "…"
        default: return value
        }
    }

    private static let secrets = [
        "password", "passwd", "secret", "token", "apikey", "authorization", "credential", "privatekey", "cookie",
    ]

    private static func isSecret(_ key: String) -> Bool {
        let plain = key.lowercased().filter { $0.isLetter || $0.isNumber }
        return secrets.contains(where: plain.contains)
    }

    private static func cut(_ text: String, _ length: Int) -> String {
        text.count > length ? text.prefix(length) + "…" : text
    }
}

extension Dictionary where Key == String {
    fileprivate func mapValuesWithKeys(_ transform: (String, Value) -> Value) -> Self {
        Dictionary(uniqueKeysWithValues: map { ($0, transform($0, $1)) })
    }
}
