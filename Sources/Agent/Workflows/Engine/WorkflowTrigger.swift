internal import JSON

// Why does a run begin, and at which blocks? Each way to start a workflow has its own kind of trigger block, and a workflow without it
// is not started that way. By hand everything can be run.

/// What starts a run.
public struct WorkflowTrigger: Sendable, Equatable {
    public enum Kind: String, Sendable { case manual, schedule, ai, event }

    public var kind: Kind
    /// The trigger block; nil: every block of its type.
    public var node: String?

    public init(_ kind: Kind, node: String? = nil) {
        self.kind = kind
        self.node = node
    }

    public static let manual = WorkflowTrigger(.manual)
    /// The agent decided so.
    public static let ai = WorkflowTrigger(.ai)
    /// Something happened, e.g. a webhook was called; the inputs are what it brought.
    public static let event = WorkflowTrigger(.event)
    /// A time has come.
    public static func schedule(node: String) -> WorkflowTrigger { WorkflowTrigger(.schedule, node: node) }

    /// The blocks that a run begins with; nil: all that nothing leads to.
    ///
    /// - Throws: ``PlanError``
    func starts(in plan: WorkflowPlan, named name: String) throws(PlanError) -> [Int]? {
        let type = "trigger-\(kind.rawValue)"
        if let node {
            guard let place = plan.place(of: node), plan.nodes[place].type == type else {
                throw .conflict("the workflow '\(name)' has no block \"\(node.prefix(128))\" of type \(type)")
            }
            return [place]
        }
        let own = plan.triggers(type)
        if !own.isEmpty { return own }
        guard kind == .manual else { throw .conflict("the workflow '\(name)' has no block of type \(type)") }
        let first = plan.nodes.indices.first { BlockType.named(plan.nodes[$0].type)?.isTrigger == true }
        return first.map { [$0] }
    }
}

/// Whether inputs are what a block asks for. Of JSON schema it knows `type`, `required`, `properties`, `additionalProperties`, `enum`,
/// `items`, `default`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems` and `maxItems`; other words mean nothing.
enum InputSchema {
    private static let deepest = 32

    /// The inputs with what the schema has for those that are absent.
    ///
    /// - Throws: ``PlanError/invalid(_:)``, the first problem, by the name of the input.
    static func filled(_ inputs: JSONValue, by schema: JSONValue?) throws(PlanError) -> JSONValue {
        guard case .object(var fields) = inputs else { throw .invalid("'inputs' is no object") }
        guard let schema, case .object = schema else { return inputs }
        if case .object(let properties)? = schema["properties"] {
            for (name, property) in properties where fields[name] == nil {
                if let usual = property["default"] { fields[name] = usual }
            }
        }
        if let problem = problem(of: .object(fields), by: schema, "inputs", 0) { throw .invalid(problem) }
        return .object(fields)
    }

    private static func problem(of value: JSONValue, by schema: JSONValue, _ name: String, _ depth: Int) -> String? {
        guard depth < deepest, case .object(let words) = schema else { return nil }
        if let types = words["type"] {
            var names: [String] = []
            switch types {
            case .string(let type): names = [type]
            case .array(let list): names = list.compactMap(\.string)
            default: break
            }
            if !names.isEmpty, !names.contains(where: { isOf(value, $0) }) {
                return "'\(name)' is not of type \(names.joined(separator: " or "))"
            }
        }
        if case .array(let choices)? = words["enum"], !choices.contains(value) {
            let shown = choices.prefix(20).map { TemplateText.json($0) }.joined(separator: ", ")
            return "'\(name)' is none of: \(shown)"
        }
        switch value {
        case .object(let fields): return problem(of: fields, by: words, name, depth)
        case .array(let items):
            if let problem = problem(ofCount: items.count, words["minItems"], words["maxItems"], name, "elements") {
                return problem
            }
            guard let each = words["items"] else { return nil }
            for (place, item) in items.enumerated() {
                if let problem = problem(of: item, by: each, "\(name)[\(place)]", depth + 1) { return problem }
            }
            return nil
        case .string(let text):
            return problem(
                ofCount: text.unicodeScalars.count, words["minLength"], words["maxLength"], name, "characters")
        case .integer, .number:
            guard let number = TemplateArithmetic.number(value) else { return nil }
            if let least = words["minimum"].flatMap(TemplateArithmetic.number), number < least {
                return "'\(name)' is less than \(least)"
            }
            if let most = words["maximum"].flatMap(TemplateArithmetic.number), number > most {
                return "'\(name)' is more than \(most)"
            }
            return nil
        default: return nil
        }
    }

    private static func problem(
        of fields: [String: JSONValue], by words: [String: JSONValue], _ name: String, _ depth: Int
    ) -> String? {
        if case .array(let required)? = words["required"] {
            for case .string(let key) in required where fields[key] == nil { return "'\(name).\(key)' is missing" }
        }
        var properties: [String: JSONValue] = [:]
        if case .object(let known)? = words["properties"] { properties = known }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            if let property = properties[key] {
                if let problem = problem(of: value, by: property, "\(name).\(key)", depth + 1) { return problem }
            } else if words["additionalProperties"] == .bool(false) {
                return "'\(name)' has no '\(key.prefix(64))'"
            }
        }
        return nil
    }

    private static func problem(
        ofCount count: Int, _ least: JSONValue?, _ most: JSONValue?, _ name: String, _ what: String
    ) -> String? {
        if case .integer(let least)? = least, count < least { return "'\(name)' has fewer than \(least) \(what)" }
        if case .integer(let most)? = most, count > most { return "'\(name)' has more than \(most) \(what)" }
        return nil
    }

    private static func isOf(_ value: JSONValue, _ type: String) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .integer), ("number", .number),
            ("string", .string), ("array", .array), ("object", .object):
            true
        case ("integer", .number(let number)): number == number.rounded()
        default: false
        }
    }
}
