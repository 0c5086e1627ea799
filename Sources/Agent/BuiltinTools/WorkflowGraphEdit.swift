internal import JSON

// How is a graph changed block by block? As JSON, so that whatever editors keep in it (positions, labels) stays. Whether the result
// makes sense is checked where it is kept.

/// A graph as it is kept, while it is changed.
struct WorkflowGraphEdit {
    private var graph: [String: JSONValue]
    private(set) var nodes: [JSONValue]
    private(set) var edges: [JSONValue]

    /// How far apart new blocks are drawn.
    private static let distance = 160

    /// - Parameter json: an object; what may be left out is filled in.
    init(_ json: JSONValue) throws(ToolRefusal) {
        guard case .object(let graph) = json else { throw ToolRefusal("a graph is an object with nodes and edges") }
        self.graph = graph
        nodes = try Self.list(graph["nodes"], "nodes")
        edges = try Self.list(graph["edges"], "edges")
        for place in nodes.indices { complete(node: place) }
        for place in edges.indices { edges[place] = Self.complete(edge: edges[place], place) }
    }

    init(text: String) throws {
        try self.init(JSONValue(json: text))
    }

    /// As it is kept.
    var text: String {
        var whole = graph
        whole["nodes"] = .array(nodes)
        whole["edges"] = .array(edges)
        whole["variables"] = graph["variables"] ?? [:]
        return JSONValue.object(whole).text
    }

    // MARK: Blocks

    /// - Parameters:
    ///   - id: nil: one that nobody has is made.
    ///   - after: the block from whose first way out an edge leads to the new one.
    /// - Returns: the new block's id.
    mutating func add(
        type: String, config: [String: JSONValue], id: String?, label: String?, after: String?
    ) throws(ToolRefusal) -> String {
        let id = id ?? freeID(type)
        var node: [String: JSONValue] = ["id": .string(id), "type": .string(type), "config": .object(config)]
        if let label { node["label"] = .string(label) }
        nodes.append(.object(node))
        complete(node: nodes.count - 1)
        if let after {
            let source = try self.node(after)
            let handle = nodes[source]["type"]?.string.flatMap(BlockType.named)?.sourceHandles.first ?? "out"
            try connect(after, to: id, sourceHandle: handle, targetHandle: "in")
        }
        return id
    }

    /// - Parameter config: merged into what is there; null takes a value away.
    mutating func update(_ id: String, config: [String: JSONValue]?, label: String?) throws(ToolRefusal) {
        let place = try node(id)
        guard case .object(var fields) = nodes[place] else { return }
        if let config {
            var merged: [String: JSONValue] = [:]
            if case .object(let known)? = fields["config"] { merged = known }
            merged.merge(config) { $1 }
            fields["config"] = .object(merged.filter { $0.value != .null })
        }
        if let label { fields["label"] = .string(label) }
        nodes[place] = .object(fields)
    }

    /// Takes away a block and the edges that touch it.
    mutating func remove(_ id: String) throws(ToolRefusal) {
        nodes.remove(at: try node(id))
        edges.removeAll { $0["source"]?.string == id || $0["target"]?.string == id }
    }

    // MARK: Edges

    mutating func connect(
        _ source: String, to target: String, sourceHandle: String, targetHandle: String
    ) throws(ToolRefusal) {
        _ = try (node(source), node(target))
        let known = Set(edges.compactMap { $0["id"]?.string })
        var number = edges.count + 1
        while known.contains("e\(number)") { number += 1 }
        edges.append([
            "id": .string("e\(number)"), "source": .string(source), "target": .string(target),
            "sourceHandle": .string(sourceHandle), "targetHandle": .string(targetHandle),
        ])
    }

    /// - Parameter sourceHandle: nil: any.
    /// - Returns: how many edges are gone.
    mutating func disconnect(
        _ source: String, from target: String, sourceHandle: String?
    ) throws(ToolRefusal) -> Int {
        let count = edges.count
        edges.removeAll { edge in
            edge["source"]?.string == source && edge["target"]?.string == target
                && (sourceHandle == nil || edge["sourceHandle"]?.string == sourceHandle)
        }
        guard edges.count < count else { throw ToolRefusal("no edge leads from '\(source)' to '\(target)'") }
        return count - edges.count
    }

    // MARK: Parts

    private func node(_ id: String) throws(ToolRefusal) -> Int {
        guard let place = nodes.firstIndex(where: { $0["id"]?.string == id }) else {
            throw ToolRefusal("there is no block '\(id.prefix(128))'")
        }
        return place
    }

    private func freeID(_ type: String) -> String {
        let known = Set(nodes.compactMap { $0["id"]?.string })
        var number = 1
        while known.contains("\(type)-\(number)") { number += 1 }
        return "\(type)-\(number)"
    }

    private mutating func complete(node place: Int) {
        guard case .object(var fields) = nodes[place] else { return }
        if fields["config"] == nil { fields["config"] = [:] }
        if fields["position"] == nil { fields["position"] = ["x": 0, "y": JSONValue(place * Self.distance)] }
        nodes[place] = .object(fields)
    }

    private static func complete(edge: JSONValue, _ place: Int) -> JSONValue {
        guard case .object(var fields) = edge else { return edge }
        if fields["id"] == nil { fields["id"] = .string("e\(place + 1)") }
        if fields["sourceHandle"] == nil { fields["sourceHandle"] = "out" }
        if fields["targetHandle"] == nil { fields["targetHandle"] = "in" }
        return .object(fields)
    }

    private static func list(_ value: JSONValue?, _ name: String) throws(ToolRefusal) -> [JSONValue] {
        switch value {
        case nil: return []
        case .array(let list)?:
            guard list.allSatisfy({ if case .object = $0 { true } else { false } }) else {
                throw ToolRefusal("'\(name)' is a list of objects")
            }
            return list
        default: throw ToolRefusal("'\(name)' is a list of objects")
        }
    }
}
