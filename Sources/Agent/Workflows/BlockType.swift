public import JSON

// Which kinds of blocks are there, and what does each want to know? One table: the editor's forms are made from it, graphs are
// checked against it.

/// A kind of block that a workflow can have.
public struct BlockType: Sendable, Equatable {
    public enum Category: String, Sendable { case trigger, ai, tool, flow, data }

    /// One value of a block's configuration.
    public struct Field: Sendable, Equatable {
        public enum Kind: Sendable, Equatable {
            /// A text, in which `{{ … }}` is replaced.
            case text
            /// An expression, with or without braces around it.
            case expression
            /// A ``Schedule``.
            case schedule
            /// A name of the tz database.
            case timeZone
            case integer(ClosedRange<Int>)
            case number(ClosedRange<Double>)
            case choice([String])
            case object
            case any
        }

        public var name: String
        public var kind: Kind
        public var isRequired = false
        public var usual: JSONValue?
        public var summary: String

        init(
            _ name: String, _ kind: Kind, required: Bool = false, usual: JSONValue? = nil, _ summary: String
        ) {
            self.name = name
            self.kind = kind
            isRequired = required
            self.usual = usual
            self.summary = summary
        }
    }

    public let name: String
    public let category: Category
    public let summary: String
    public let fields: [Field]
    public let sourceHandles: [String]
    /// Nothing leads to a trigger.
    public let targetHandles: [String]
    /// What its output holds: name and kind of each value; empty: whatever comes in.
    public let output: [String: String]

    public var isTrigger: Bool { category == .trigger }

    private init(
        _ name: String, _ category: Category, _ summary: String, _ fields: [Field] = [],
        handles: [String] = ["out"], output: [String: String] = [:]
    ) {
        self.name = name
        self.category = category
        self.summary = summary
        self.fields = fields
        sourceHandles = handles
        targetHandles = category == .trigger ? [] : ["in"]
        self.output = output
    }

    public static func named(_ name: String) -> BlockType? { byName[name] }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    private static let onError = Field(
        "on_error", .choice(["halt", "continue", "branch"]), usual: .string("halt"),
        "What a failure does: end the run, go on, or follow the edges of 'error'")

    public static let all: [BlockType] = [
        BlockType(
            "trigger-manual", .trigger, "Starts when somebody asks for it",
            [Field("inputs_schema", .object, "Which inputs a run takes, as a JSON schema")]),
        BlockType(
            "trigger-schedule", .trigger, "Starts at times",
            [
                Field("cron_expression", .schedule, required: true, "When: cron, @every or @once:"),
                Field("timezone", .timeZone, usual: .string("UTC"), "Where the wall clock hangs that cron speaks of"),
            ], output: ["triggered_at": "string"]),
        BlockType(
            "trigger-ai", .trigger, "Starts when the agent decides so",
            [Field("description", .text, required: true, "When the agent should start it")]),
        BlockType("trigger-event", .trigger, "Starts when something happens"),
        BlockType(
            "mcp-tool", .tool, "Calls a tool",
            [
                Field("mcp_name", .text, required: true, "The MCP server"),
                Field("tool_name", .text, required: true, "Its tool"),
                Field("args", .object, usual: .object([:]), "The tool's arguments"), onError,
            ], handles: ["out", "error"], output: ["result": "any"]),
        BlockType(
            "ai-prompt", .ai, "Asks a model",
            [
                Field("prompt", .text, required: true, "What to ask"),
                Field("system", .text, "What the model is told before"),
                Field("model_override", .text, "Another model than the agent's"),
                Field(
                    "session_policy", .choice(["ephemeral", "shared"]), usual: .string("ephemeral"),
                    "Whether blocks of one run share a conversation"), onError,
            ], handles: ["out", "error"], output: ["text": "string", "usage": "object"]),
        BlockType(
            "if", .flow, "Goes one way or the other",
            [Field("expression", .expression, required: true, "What decides")], handles: ["true", "false"]),
        BlockType(
            "loop", .flow, "Runs its body for each item",
            [
                Field("items_expr", .expression, required: true, "The items"),
                Field("max_iterations", .integer(1...10_000), usual: .integer(100), "At most so many"),
                Field("iteration_var", .text, usual: .string("item"), "The item's name among 'vars'"),
            ], handles: ["body", "done"], output: ["results": "array"]),
        BlockType(
            "wait", .flow, "Waits",
            [
                Field("mode", .choice(["duration", "until"]), required: true, "For how long, or until when"),
                Field("seconds", .number(0...2_678_400), "With 'duration'"),
                Field("until_iso", .text, "With 'until': an ISO 8601 time"),
            ], output: ["waited_ms": "number"]),
        BlockType(
            "parallel", .flow, "Goes several ways at once",
            [Field("branches", .integer(1...4), usual: .integer(2), "How many")],
            handles: ["branch_0", "branch_1", "branch_2", "branch_3"]),
        BlockType(
            "merge", .flow, "Brings several ways together",
            [
                Field("strategy", .choice(["all", "first", "last"]), usual: .string("all"), "Which outputs it takes"),
                Field("collect_as", .text, "What it calls them"),
            ], output: ["collected": "array"]),
        BlockType(
            "set-variable", .data, "Keeps a value under a name",
            [
                Field("key", .text, required: true, "The name among 'vars'"),
                Field("value_expr", .any, required: true, "The value, or an expression"),
            ], output: ["key": "string", "value": "any"]),
        BlockType(
            "http-request", .tool, "Asks a web server",
            [
                Field(
                    "method", .choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]), usual: .string("GET"),
                    "How to ask"),
                Field("url", .text, required: true, "Whom to ask"),
                Field("headers", .object, "Header fields"),
                Field("body", .any, "What to send"),
                Field("timeout_s", .number(0.1...600), usual: .integer(30), "How long to wait, in seconds"), onError,
            ], handles: ["out", "error"],
            output: ["status": "integer", "headers": "object", "body": "string", "json": "any"]),
    ]
}
