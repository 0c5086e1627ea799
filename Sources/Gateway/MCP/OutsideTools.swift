internal import Foundation
internal import HTTPTypes
internal import JSON

// Which tools does the agent give to other programs, and what does a call of one mean? Each is a request to this gateway's own routes in the
// name of whoever calls: so what a caller may do, how paths are confined and what others hear of a change is decided where it always
// is. Pure: arguments in, a request out.

/// A tool for other programs.
struct OutsideTool: Sendable, Equatable {
    /// A value that a tool takes.
    struct Parameter: Sendable, Equatable {
        enum Kind: Sendable, Equatable {
            case text
            case number(ClosedRange<Int64>)
        }

        var name: String
        var kind: Kind
        var summary: String
        var isRequired: Bool

        static func text(_ name: String, _ summary: String, isRequired: Bool = true) -> Parameter {
            Parameter(name: name, kind: .text, summary: summary, isRequired: isRequired)
        }

        static let limit = Parameter(
            name: "limit", kind: .number(1...100), summary: "At most so many; 20 when absent", isRequired: false)
        static let cursor = text("cursor", "next_cursor of the page before", isRequired: false)
    }

    var name: String
    var summary: String
    var isReadOnly: Bool
    var needsAdmin = false
    var parameters: [Parameter]

    static let all = [
        OutsideTool(
            name: "vault_search", summary: "Search the notes by words; the best hits with a passage of each",
            isReadOnly: true, parameters: [.text("query", "Words"), .limit]),
        OutsideTool(
            name: "vault_read", summary: "Read a note", isReadOnly: true,
            parameters: [.text("path", "Where it is in the vault, e.g. House/Router.md")]),
        OutsideTool(
            name: "vault_write", summary: "Write a note, in the place of the one that is there", isReadOnly: false,
            parameters: [
                .text("path", "Where it is in the vault, e.g. House/Router.md"),
                .text("content", "All of it, Markdown"),
            ]),
        OutsideTool(
            name: "sessions_list", summary: "List your conversations with the agent, the most recent first",
            isReadOnly: true, parameters: [.limit, .cursor]),
        OutsideTool(
            name: "session_read", summary: "Read what was said in one of your conversations", isReadOnly: true,
            parameters: [.text("session_id", "Which"), .limit, .cursor]),
        OutsideTool(
            name: "ask_agent",
            summary: "Say something to the agent and wait for its answer. The turn goes on also when nobody waits.",
            isReadOnly: false,
            parameters: [
                .text("message", "What to say"),
                .text("session_id", "In which conversation; a new one when absent", isRequired: false),
                .text("message_id", "A name of the message: a repeat of it never runs twice", isRequired: false),
            ]),
        OutsideTool(
            name: "schedule_list", summary: "List what the agent does by itself at times", isReadOnly: true,
            needsAdmin: true, parameters: [.limit, .cursor]),
        OutsideTool(
            name: "schedule_describe", summary: "Say when a schedule is due", isReadOnly: true,
            parameters: [
                .text("expression", "Five fields as of cron, @every 1h, or @once 2026-01-02T03:04:05Z"),
                .text("timezone", "A name such as Europe/Berlin; UTC when absent", isRequired: false),
            ]),
        OutsideTool(
            name: "schedule_create", summary: "Let the agent do something at times", isReadOnly: false,
            needsAdmin: true,
            parameters: [
                .text("name", "What it is called"), .text("cron_expression", "When"),
                .text("prompt", "What the agent is told then"),
                .text("timezone", "A name such as Europe/Berlin; UTC when absent", isRequired: false),
            ]),
    ]

    static func all(isAdmin: Bool) -> [OutsideTool] { all.filter { isAdmin || !$0.needsAdmin } }

    /// As `tools/list` shows it.
    var json: JSONValue {
        [
            "name": .string(name), "description": .string(summary), "inputSchema": schema,
            "annotations": ["readOnlyHint": .bool(isReadOnly), "openWorldHint": .bool(name == "ask_agent")],
        ]
    }

    /// A JSON schema of the arguments.
    var schema: JSONValue {
        let properties = parameters.map { parameter -> (String, JSONValue) in
            let summary = JSONValue.string(parameter.summary)
            return switch parameter.kind {
            case .text: (parameter.name, ["type": "string", "description": summary])
            case .number(let range):
                (
                    parameter.name,
                    [
                        "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
                        "description": summary,
                    ]
                )
            }
        }
        return [
            "type": "object", "properties": .object(Dictionary(properties) { first, _ in first }),
            "required": .array(parameters.filter(\.isRequired).map { .string($0.name) }),
            "additionalProperties": false,
        ]
    }
}

/// A request to the gateway's own routes.
struct OutsideRequest: Sendable, Equatable {
    var method: HTTPRequest.Method
    /// With its query.
    var path: String
    var body: JSONValue?
    /// Its events are told as they come.
    var isTurn = false

    /// What a call means.
    ///
    /// - Parameter makeID: names a session or message that the caller gave no name.
    /// - Throws: ``OutsideRefusal`` when the arguments are none of the tool's.
    init(_ tool: OutsideTool, _ arguments: [String: JSONValue], makeID: () -> String) throws(OutsideRefusal) {
        let values = try Self.checked(arguments, for: tool)
        func text(_ name: String) -> String { values[name]?.string ?? "" }
        func query(_ names: String...) -> String {
            let items = names.compactMap { name in values[name].map { "\(Self.own(name))=\(Self.escaped($0.plain))" } }
            return items.isEmpty ? "" : "?" + items.joined(separator: "&")
        }
        switch tool.name {
        case "vault_search": (method, path) = (.get, "/api/vault/search" + query("query", "limit"))
        case "vault_read": (method, path) = (.get, "/api/vault/notes/" + Self.escapedPath(text("path")))
        case "vault_write":
            (method, path) = (.put, "/api/vault/notes/" + Self.escapedPath(text("path")))
            body = ["content": .string(text("content"))]
        case "sessions_list": (method, path) = (.get, "/api/sessions" + query("limit", "cursor"))
        case "session_read":
            path = "/api/sessions/" + Self.escaped(text("session_id")) + "/messages" + query("limit", "cursor")
            method = .get
        case "ask_agent":
            (method, path, isTurn) = (.post, "/api/chat", true)
            body = [
                "message": .string(text("message")),
                "session_id": values["session_id"] ?? .string("mcp-" + makeID()),
                "message_id": values["message_id"] ?? .string("mcp-" + makeID()),
            ]
        case "schedule_list": (method, path) = (.get, "/api/scheduled-tasks" + query("limit", "cursor"))
        case "schedule_describe": (method, path) = (.get, "/api/cron/describe" + query("expression", "timezone"))
        case "schedule_create": (method, path, body) = (.post, "/api/scheduled-tasks", .object(values))
        default: throw OutsideRefusal("There is no such tool.")
        }
    }

    private static func checked(
        _ arguments: [String: JSONValue], for tool: OutsideTool
    ) throws(OutsideRefusal) -> [String: JSONValue] {
        for name in arguments.keys.sorted() where !tool.parameters.contains(where: { $0.name == name }) {
            throw OutsideRefusal("\(tool.name) takes no '\(name.prefix(64))'.")
        }
        var values: [String: JSONValue] = [:]
        for parameter in tool.parameters {
            switch (arguments[parameter.name] ?? .null, parameter.kind) {
            case (.null, _):
                guard !parameter.isRequired else { throw OutsideRefusal("'\(parameter.name)' is missing.") }
            case (.string(let text), .text):
                guard !parameter.isRequired || parameter.name == "content" || !text.isEmpty else {
                    throw OutsideRefusal("'\(parameter.name)' is empty.")
                }
                if !text.isEmpty || parameter.name == "content" { values[parameter.name] = .string(text) }
            case (.integer(let number), .number(let range)) where range.contains(number):
                values[parameter.name] = .integer(number)
            case (_, .number(let range)):
                throw OutsideRefusal(
                    "'\(parameter.name)' is a whole number from \(range.lowerBound) to \(range.upperBound).")
            case (_, .text): throw OutsideRefusal("'\(parameter.name)' is a text.")
            }
        }
        return values
    }

    /// How a route calls what the tool calls so.
    private static func own(_ name: String) -> String { name == "query" ? "q" : name }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: plain) ?? ""
    }

    /// Each part by itself: what a part holds never becomes a divider. `.` and `..` stay what the vault refuses.
    private static func escapedPath(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { escaped(String($0)) }.joined(separator: "/")
    }

    private static let plain = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
}

/// Why a call of a tool came to nothing, in words for the model.
struct OutsideRefusal: Error, Sendable, Equatable {
    var text: String

    init(_ text: String) { self.text = text }
}

extension JSONValue {
    /// A text or number as it stands in a query.
    fileprivate var plain: String {
        switch self {
        case .string(let text): text
        case .integer(let number): "\(number)"
        default: ""
        }
    }
}
