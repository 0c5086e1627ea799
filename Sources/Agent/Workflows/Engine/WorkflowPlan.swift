internal import JSON

// In which order can a graph run? Nodes and edges by number, what leads to each, and in the body of which loop it stands. Made once
// for a run; nothing here changes.

/// A graph as it runs.
struct WorkflowPlan: Sendable {
    struct Node: Sendable {
        var id: String
        var type: String
        var config: [String: JSONValue]
        /// Numbers of edges.
        var incoming: [Int] = []
        var outgoing: [Int] = []
        /// The innermost loop in whose body it stands.
        var loop: Int?

        /// What a failure does: `halt`, `continue` or `branch`.
        var onError: String { config["on_error"]?.string ?? "halt" }
    }

    struct Edge: Sendable {
        var source: Int
        var target: Int
        var handle: String
    }

    private(set) var nodes: [Node]
    private(set) var edges: [Edge] = []
    let variables: [String: JSONValue]
    /// Nodes by the loop in whose body they stand, the others under nil.
    private(set) var bodies: [Int?: [Int]] = [:]
    private let places: [String: Int]

    /// - Parameter graph: one in which ``GraphCheck`` finds no problem. Of another one what makes no sense is left out.
    init(_ graph: WorkflowGraph) {
        nodes = graph.nodes.map { Node(id: $0.id, type: $0.type, config: $0.config) }
        variables = graph.variables
        places = Dictionary(graph.nodes.enumerated().map { ($1.id, $0) }) { first, _ in first }
        for edge in graph.edges {
            guard let source = places[edge.source], let target = places[edge.target] else { continue }
            nodes[source].outgoing.append(edges.count)
            nodes[target].incoming.append(edges.count)
            edges.append(Edge(source: source, target: target, handle: edge.sourceHandle))
        }
        for (node, loop) in Self.scopes(nodes, edges).loops.enumerated() { nodes[node].loop = loop }
        for node in nodes.indices { bodies[nodes[node].loop, default: []].append(node) }
    }

    func place(of id: String) -> Int? { places[id] }

    /// Nodes of a type that nothing leads to.
    func triggers(_ type: String) -> [Int] { nodes.indices.filter { nodes[$0].type == type } }

    /// The loop that an edge leads into the body of, or in whose body it stays.
    func loop(of edge: Int) -> Int? { Self.loop(of: edges[edge], nodes.map(\.loop), nodes) }

    private static func loop(of edge: Edge, _ loops: [Int?], _ nodes: [Node]) -> Int? {
        nodes[edge.source].type == "loop" && edge.handle == "body" ? edge.source : loops[edge.source]
    }

    /// Goes through the nodes in an order in which each comes behind those that lead to it.
    private static func scopes(
        _ nodes: [Node], _ edges: [Edge]
    ) -> (loops: [Int?], crossing: [(edge: Int, loop: Int?)]) {
        var loops = [Int?](repeating: nil, count: nodes.count)
        var known = [Bool](repeating: false, count: nodes.count)
        var leading = nodes.map(\.incoming.count)
        var crossing: [(edge: Int, loop: Int?)] = []
        var free = nodes.indices.filter { leading[$0] == 0 }
        while let node = free.popLast() {
            for edge in nodes[node].outgoing {
                let target = edges[edge].target
                let loop = loop(of: edges[edge], loops, nodes)
                if !known[target] {
                    known[target] = true
                    loops[target] = loop
                } else if loops[target] != loop {
                    crossing.append((edge, loop))
                }
                leading[target] -= 1
                if leading[target] == 0 { free.append(target) }
            }
        }
        return (loops, crossing)
    }

    /// Where something leads into a loop's body from elsewhere: it would run once and as often as the loop at the same time.
    static func problems(of graph: WorkflowGraph) -> [GraphProblem] {
        guard graph.nodes.contains(where: { $0.type == "loop" }) else { return [] }
        let plan = WorkflowPlan(graph)
        return scopes(plan.nodes, plan.edges).crossing.sorted { $0.edge < $1.edge }.map { crossing in
            let edge = plan.edges[crossing.edge]
            func place(_ loop: Int?) -> String { loop.map { "the body of \"\(plan.nodes[$0].id)\"" } ?? "no loop" }
            return GraphProblem(
                node: plan.nodes[edge.target].id,
                text: "edges lead to it from \(place(crossing.loop)) and from \(place(plan.nodes[edge.target].loop)): "
                    + "what a loop's body leads to belongs to the body")
        }
    }
}
