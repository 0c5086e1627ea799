internal import Foundation
internal import JSON

// What does each kind of block do? Those that only reckon do it here, at once; of those that act in the world the wish is made here, with
// all templates filled in, and somebody else carries it out.

/// Why a block failed, in words.
struct BlockFailure: Error, Equatable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// What a block wants done in the world. It is recorded before it is done.
enum BlockWish: Equatable, Sendable {
    case tool(server: String, tool: String, arguments: [String: JSONValue])
    case prompt(text: String, model: String?, isShared: Bool)
    case request(WorkflowHTTPRequest)
    /// Unix seconds.
    case wait(until: Double)

    /// - Parameter config: filled in.
    init(_ type: String, _ config: [String: JSONValue], now: Double) throws(BlockFailure) {
        switch type {
        case "mcp-tool":
            var arguments: [String: JSONValue] = [:]
            if case .object(let fields)? = config["args"] { arguments = fields }
            self = .tool(
                server: try Self.text(config, "mcp_name"), tool: try Self.text(config, "tool_name"),
                arguments: arguments)
        case "ai-prompt":
            var text = try Self.text(config, "prompt")
            if let system = config["system"]?.string, !system.isEmpty { text = "\(system)\n\n\(text)" }
            let model = config["model_override"]?.string
            self = .prompt(
                text: text, model: model?.isEmpty == true ? nil : model,
                isShared: config["session_policy"]?.string == "shared")
        case "wait": self = .wait(until: try Self.end(config, now: now))
        case "http-request": self = .request(try Self.request(config))
        default: throw BlockFailure("the type \"\(type)\" does nothing in the world")
        }
    }

    static func isWish(_ type: String) -> Bool { ["mcp-tool", "ai-prompt", "wait", "http-request"].contains(type) }

    private static func text(_ config: [String: JSONValue], _ name: String) throws(BlockFailure) -> String {
        let text = config[name].map(TemplateText.shown) ?? ""
        guard !text.isEmpty, config[name] != .null else { throw BlockFailure("config.\(name) is empty") }
        return text
    }

    private static func number(
        _ config: [String: JSONValue], _ name: String, in range: ClosedRange<Double>
    ) throws(BlockFailure) -> Double? {
        guard let value = config[name], value != .null else { return nil }
        let read = TemplateArithmetic.number(value) ?? value.string.flatMap(Double.init)
        guard let read, range.contains(read) else {
            throw BlockFailure("config.\(name) is no number from \(range.lowerBound) to \(range.upperBound)")
        }
        return read
    }

    private static func end(_ config: [String: JSONValue], now: Double) throws(BlockFailure) -> Double {
        if config["mode"]?.string == "until" {
            let text = try text(config, "until_iso")
            guard let time = (try? Schedule("@once:" + text, timeZone: .gmt))?.onlyTime else {
                throw BlockFailure("config.until_iso is no time of ISO 8601: \(text.prefix(64))")
            }
            return time
        }
        guard let seconds = try number(config, "seconds", in: 0...2_678_400) else {
            throw BlockFailure("config.seconds is missing")
        }
        return now + seconds
    }

    private static func request(_ config: [String: JSONValue]) throws(BlockFailure) -> WorkflowHTTPRequest {
        var request = WorkflowHTTPRequest(
            method: config["method"]?.string ?? "GET", url: try text(config, "url"),
            timeLimit: .seconds(try number(config, "timeout_s", in: 0.1...600) ?? 30))
        if case .object(let fields)? = config["headers"] {
            request.headers = fields.mapValues(TemplateText.shown)
        }
        switch config["body"] {
        case nil, .null?: break
        case .string(let text)?: request.body = Array(text.utf8)
        case let value?:
            request.body = Array(TemplateText.json(value).utf8)
            if !request.headers.keys.contains(where: { $0.lowercased() == "content-type" }) {
                request.headers["Content-Type"] = "application/json"
            }
        }
        return request
    }

    /// Whether it may be done again when nobody knows whether it was: of tools somebody else has to say.
    var isHarmless: Bool {
        switch self {
        case .request(let request): ["GET", "HEAD"].contains(request.method)
        case .prompt, .wait: true
        case .tool: false
        }
    }

    var waitsForTime: Bool { if case .wait = self { true } else { false } }
}

/// What a block that only reckons came to.
struct BlockOutcome: Equatable {
    var output: JSONValue
    /// The way that is taken; nil: all.
    var handle: String?
    /// The items of a loop that begins.
    var items: [JSONValue]?
}

enum PureBlocks {
    /// - Parameters:
    ///   - input: what comes in.
    ///   - incoming: the same, one by one.
    static func run(
        _ node: WorkflowPlan.Node, _ input: JSONValue, _ incoming: [JSONValue], at time: Double,
        _ evaluation: inout TemplateEvaluation
    ) throws(TemplateError) -> BlockOutcome {
        switch node.type {
        case "trigger-schedule":
            return BlockOutcome(output: .object(["triggered_at": input["triggered_at"] ?? .string(iso(time))]))
        case "if":
            let value = try expression(node, "expression", &evaluation)
            return BlockOutcome(output: input, handle: TemplateEvaluation.isTrue(value) ? "true" : "false")
        case "loop": return BlockOutcome(output: .null, items: try items(node, &evaluation))
        case "merge": return BlockOutcome(output: try merged(node, incoming, &evaluation))
        case "set-variable":
            let key = TemplateText.shown(try evaluation.fill(node.config["key"] ?? ""))
            guard !key.isEmpty, key.utf8.count <= 256 else {
                throw TemplateError("config.key is no name of 1 to 256 bytes")
            }
            let value = try expression(node, "value_expr", &evaluation)
            return BlockOutcome(output: .object(["key": .string(key), "value": value]))
        // Triggers and 'parallel' hand on what comes in.
        default: return BlockOutcome(output: input)
        }
    }

    static func iso(_ time: Double) -> String { LocalTime.iso(time, in: .gmt) }

    private static func expression(
        _ node: WorkflowPlan.Node, _ name: String, _ evaluation: inout TemplateEvaluation
    ) throws(TemplateError) -> JSONValue {
        do throws(TemplateError) {
            switch node.config[name] {
            case .string(let text)?: return try evaluation.expression(text)
            case let value?: return try evaluation.fill(value)
            case nil: throw TemplateError("it is missing")
            }
        } catch { throw TemplateError("config.\(name): \(error)") }
    }

    private static func items(
        _ node: WorkflowPlan.Node, _ evaluation: inout TemplateEvaluation
    ) throws(TemplateError) -> [JSONValue] {
        guard case .array(let items) = try expression(node, "items_expr", &evaluation) else {
            throw TemplateError("config.items_expr is no list")
        }
        var most: Int64 = 100
        if let value = node.config["max_iterations"], value != .null {
            let filled = try evaluation.fill(value)
            guard case .integer(let number) = filled.string.flatMap(Int64.init).map(JSONValue.integer) ?? filled,
                (1...10_000).contains(number)
            else { throw TemplateError("config.max_iterations is no whole number from 1 to 10000") }
            most = number
        }
        guard items.count <= most else {
            throw TemplateError("there are \(items.count) items, and config.max_iterations is \(most)")
        }
        return items
    }

    private static func merged(
        _ node: WorkflowPlan.Node, _ incoming: [JSONValue], _ evaluation: inout TemplateEvaluation
    ) throws(TemplateError) -> JSONValue {
        let filled = try evaluation.fill(node.config["collect_as"] ?? "")
        let name = filled.string.flatMap { $0.isEmpty ? nil : $0 }
        let value: JSONValue
        switch node.config["strategy"]?.string {
        case "first": value = incoming.first ?? .null
        case "last": value = incoming.last ?? .null
        default: return .object([name ?? "collected": .array(incoming)])
        }
        return name.map { .object([$0: value]) } ?? value
    }
}
