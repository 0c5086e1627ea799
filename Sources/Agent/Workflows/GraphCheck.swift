public import JSON

// Does a graph make sense? Everything that can be said before it runs is said at once, block by block: what is missing, what is
// unknown, what leads nowhere or in a circle. It takes time in proportion to the graph's size.

/// What is wrong with a graph.
public struct GraphProblem: Sendable, Equatable, CustomStringConvertible {
    /// The block; nil when it is about none.
    public var node: String?
    public var text: String

    public var description: String { node.map { "node \"\($0.prefix(128))\": \(text)" } ?? text }
}

/// Looks for all problems of a graph.
public struct GraphCheck: Sendable {
    public static let mostNodes = 1_000
    public static let mostEdges = 4_000
    /// Unicode scalars of the id of a node or edge.
    static let longestID = 128

    /// What is wrong with a tool and its arguments; nil: nothing, or nobody knows.
    public typealias ToolCheck =
        @Sendable (
            _ server: String, _ tool: String, _ arguments: [String: JSONValue]
        ) -> String?

    private let graph: WorkflowGraph
    private let tools: ToolCheck
    private var problems: [GraphProblem] = []
    private var places: [String: Int] = [:]
    private let ids: Set<String>
    /// What is wrong with a text; nil: nothing.
    private var looked: [String: String?] = [:]

    /// - Returns: every problem, in the order of the graph; empty: it makes sense.
    public static func problems(of graph: WorkflowGraph, tools: @escaping ToolCheck = { _, _, _ in nil })
        -> [GraphProblem]
    {
        var check = GraphCheck(graph, tools)
        check.run()
        return check.problems
    }

    private init(_ graph: WorkflowGraph, _ tools: @escaping ToolCheck) {
        self.graph = graph
        self.tools = tools
        ids = Set(graph.nodes.map(\.id))
    }

    private mutating func run() {
        // Of a graph that is too large nothing else is looked at.
        guard graph.nodes.count <= Self.mostNodes else {
            return note(nil, "there are \(graph.nodes.count) nodes instead of up to \(Self.mostNodes)")
        }
        guard graph.edges.count <= Self.mostEdges else {
            return note(nil, "there are \(graph.edges.count) edges instead of up to \(Self.mostEdges)")
        }
        for (place, node) in graph.nodes.enumerated() { look(at: node, place) }
        var ids: Set<String> = []
        var edges: [(source: Int, target: Int)] = []
        for edge in graph.edges {
            if !ids.insert(edge.id).inserted { note(edge.source, "there are two edges with the id \"\(edge.id)\"") }
            if let ends = look(at: edge) { edges.append(ends) }
        }
        let known = problems.count
        lookForCycle(edges)
        // Of a graph with circles or edges that lead nowhere nobody can say what its loops run.
        if known == problems.count { problems += WorkflowPlan.problems(of: graph) }
    }

    private mutating func note(_ node: String?, _ text: String) {
        problems.append(GraphProblem(node: node, text: text))
    }

    // MARK: Nodes

    private mutating func look(at node: WorkflowGraph.Node, _ place: Int) {
        if node.id.isEmpty || node.id.unicodeScalars.count > Self.longestID
            || node.id.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        {
            note(node.id, "an id has 1 to \(Self.longestID) characters, and no control characters")
        }
        if places.updateValue(place, forKey: node.id) != nil { note(node.id, "there are two nodes with this id") }
        guard let type = BlockType.named(node.type) else {
            return note(node.id, "the type \"\(node.type.prefix(64))\" is unknown")
        }
        for field in type.fields { look(at: field, of: node) }
        if type.name == "set-variable" { lookAtExpression("value_expr", of: node) }
        // Also in what no block type names: nothing is replaced half.
        for (name, value) in node.config.sorted(by: { $0.key < $1.key }) { lookForTemplates(value, name, node.id) }
        if type.name == "wait" { lookAtWait(node) }
        if type.name == "mcp-tool", case .string(let server)? = node.config["mcp_name"],
            case .string(let tool)? = node.config["tool_name"]
        {
            var arguments: [String: JSONValue] = [:]
            if case .object(let fields)? = node.config["args"] { arguments = fields }
            if let problem = tools(server, tool, arguments) { note(node.id, problem) }
        }
    }

    private mutating func look(at field: BlockType.Field, of node: WorkflowGraph.Node) {
        guard let value = node.config[field.name], value != .null, !field.isRequired || value != .string("") else {
            if field.isRequired { note(node.id, "config.\(field.name) is missing") }
            return
        }
        if let problem = Self.problem(of: value, as: field.kind) { note(node.id, "config.\(field.name) \(problem)") }
        if field.kind == .expression { lookAtExpression(field.name, of: node) }
    }

    /// An expression without braces; with them it is a text as others are.
    private mutating func lookAtExpression(_ name: String, of node: WorkflowGraph.Node) {
        guard case .string(let text)? = node.config[name], !text.isEmpty, !text.contains("{{"),
            let problem = problem(of: text, isExpression: true)
        else { return }
        note(node.id, "config.\(name) is no expression: \(problem)")
    }

    /// The same texts come again and again.
    private mutating func problem(of text: String, isExpression: Bool = false) -> String? {
        guard isExpression || text.contains("{{") else { return nil }
        if let known = looked[text] { return known }
        let problem = TemplateCheck.problem(of: text, isExpression: isExpression, isNode: ids.contains)
        looked[text] = problem
        return problem
    }

    private static func problem(of value: JSONValue, as kind: BlockType.Field.Kind) -> String? {
        // What a template becomes is known when it runs.
        if case .string(let text) = value, text.contains("{{") {
            switch kind {
            case .integer, .number, .object: return nil
            default: break
            }
        }
        switch (kind, value) {
        case (.any, _), (.text, .string), (.object, .object): return nil
        case (.text, _): return "is no text"
        case (.object, _): return "is no object"
        // What is in it is looked at with all other texts.
        case (.expression, .string), (.expression, .bool), (.expression, .array): return nil
        case (.expression, _): return "is no expression"
        case (.schedule, .string(let text)):
            do throws(ScheduleError) {
                _ = try Schedule(text)
                return nil
            } catch { return "is no schedule: \(error)" }
        case (.schedule, _): return "is no schedule"
        case (.timeZone, .string(let text)): return (try? Schedule.timeZone(text)) == nil ? "is no time zone" : nil
        case (.timeZone, _): return "is no time zone"
        case (.choice(let texts), .string(let text)) where texts.contains(text): return nil
        case (.choice(let texts), _): return "is none of: \(texts.joined(separator: ", "))"
        case (.integer(let range), .integer(let number)) where range.contains(Int(number)): return nil
        case (.integer(let range), _): return "is no whole number from \(range.lowerBound) to \(range.upperBound)"
        case (.number(let range), .integer(let number)) where range.contains(Double(number)): return nil
        case (.number(let range), .number(let number)) where range.contains(number): return nil
        case (.number(let range), _): return "is no number from \(range.lowerBound) to \(range.upperBound)"
        }
    }

    private mutating func lookAtWait(_ node: WorkflowGraph.Node) {
        let needed: String? =
            switch node.config["mode"] {
            case .string("duration"): "seconds"
            case .string("until"): "until_iso"
            default: nil
            }
        guard let needed else { return }
        if [nil, .null, .string("")].contains(node.config[needed]) { note(node.id, "config.\(needed) is missing") }
    }

    private mutating func lookForTemplates(_ value: JSONValue, _ name: String, _ node: String) {
        switch value {
        case .string(let text):
            if let problem = problem(of: text) { note(node, "config.\(name): \(problem)") }
        case .array(let list): for item in list { lookForTemplates(item, name, node) }
        case .object(let fields):
            for (key, item) in fields.sorted(by: { $0.key < $1.key }) {
                lookForTemplates(item, "\(name).\(key.prefix(64))", node)
            }
        default: break
        }
    }

    // MARK: Edges

    /// - Returns: the places of the two nodes that it connects.
    private mutating func look(at edge: WorkflowGraph.Edge) -> (source: Int, target: Int)? {
        let ends = (places[edge.source], places[edge.target])
        if ends.0 == nil {
            note(edge.source, "the edge \"\(edge.id.prefix(128))\" begins at it, and there is no such node")
        } else if let type = places[edge.source].flatMap({ BlockType.named(graph.nodes[$0].type) }),
            !type.sourceHandles.contains(edge.sourceHandle)
        {
            note(
                edge.source,
                "it has no handle \"\(edge.sourceHandle.prefix(64))\", but \(type.sourceHandles.joined(separator: ", "))"
            )
        }
        if ends.1 == nil {
            note(edge.target, "the edge \"\(edge.id.prefix(128))\" leads to it, and there is no such node")
        } else if let type = places[edge.target].flatMap({ BlockType.named(graph.nodes[$0].type) }),
            !type.targetHandles.contains(edge.targetHandle)
        {
            note(
                edge.target,
                type.isTrigger
                    ? "no edge leads to a trigger" : "it has no handle \"\(edge.targetHandle.prefix(64))\" to lead to")
        }
        guard let source = ends.0, let target = ends.1 else { return nil }
        return (source, target)
    }

    /// Takes away nodes to which nothing leads, again and again; what is left has a circle.
    private mutating func lookForCycle(_ edges: [(source: Int, target: Int)]) {
        var following = Array(repeating: [Int](), count: graph.nodes.count)
        var leading = Array(repeating: 0, count: graph.nodes.count)
        for edge in edges {
            following[edge.source].append(edge.target)
            leading[edge.target] += 1
        }
        var free = leading.indices.filter { leading[$0] == 0 }
        while let node = free.popLast() {
            for next in following[node] {
                leading[next] -= 1
                if leading[next] == 0 { free.append(next) }
            }
        }
        let left = leading.indices.filter { leading[$0] > 0 }
        guard !left.isEmpty else { return }
        // Each node that is left has one before it that is left, too: going back ends in the circle.
        var before = Array(repeating: -1, count: graph.nodes.count)
        for edge in edges where leading[edge.source] > 0 && leading[edge.target] > 0 {
            before[edge.target] = edge.source
        }
        var node = left[0]
        var seen: Set<Int> = []
        while seen.insert(node).inserted { node = before[node] }
        var circle = [node]
        var previous = before[node]
        while previous != node {
            circle.append(previous)
            previous = before[previous]
        }
        var names = (circle + [node]).reversed().map { graph.nodes[$0].id }
        if names.count > 12 { names.replaceSubrange(6..<names.count - 5, with: ["…"]) }
        note(graph.nodes[node].id, "it leads back to itself: \(names.joined(separator: " → "))")
    }
}
