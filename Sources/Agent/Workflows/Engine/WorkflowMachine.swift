internal import JSON

// What can run next? A graph and the journal of what has happened so far decide it alone: no clock, no network, no task. A node is
// ready when every edge that leads to it is decided and at least one is taken; when none is, it is skipped and so are the edges behind
// it. A loop's body is decided anew for each item. The same entries give the same state, whoever reads them and when.
//
//     entries ──▶ apply ──▶ decide edges ──▶ ready, skipped ──▶ next() ──▶ whoever runs it ──▶ entries

/// The state of a run.
struct WorkflowMachine {
    enum Action: Equatable {
        case run(WorkflowStep)
        /// All items of a loop are done; its output.
        case close(WorkflowStep, JSONValue)
    }

    /// The nodes of the graph, or of a loop's body, for one item.
    private struct Scope {
        /// How many edges to a node are not decided.
        var undecided: [Int: Int] = [:]
        var reached: Set<Int> = []
        /// Nodes that have neither ended nor been skipped.
        var open = 0
        /// Nodes behind which nothing came, in the order in which they ended.
        var leaves: [Int] = []
    }

    private struct Loop {
        var items: [JSONValue]
        var index = 0
        var results: [JSONValue] = []
    }

    let plan: WorkflowPlan
    private(set) var variables: [String: JSONValue]
    /// What nodes left; of those within a loop, for the item that it is at.
    private(set) var outputs: [Int: JSONValue] = [:]
    /// The node and why, when the run cannot go on.
    private(set) var failure: (node: Int, error: String)?
    /// What began and has not ended, with its entries.
    private(set) var begun: [WorkflowStep: WorkflowEntry] = [:]
    private(set) var calling: Set<WorkflowStep> = []

    private var scopes: [Int?: Scope] = [:]
    private var loops: [Int: Loop] = [:]
    private var taken: Set<Int> = []
    private var ready: [Action] = []
    private var position = 0
    /// Made ready, and neither ended nor opened.
    private var waiting: Set<WorkflowStep> = []
    private let inputs: JSONValue

    /// - Parameter starts: the nodes that it begins with; nil: all that nothing leads to.
    init(_ plan: WorkflowPlan, inputs: JSONValue, startingAt starts: [Int]?) {
        self.plan = plan
        self.inputs = inputs
        variables = plan.variables
        open(nil)
        let roots = plan.bodies[nil, default: []].filter { plan.nodes[$0].incoming.isEmpty }
        var skipped: [Int] = []
        for node in roots {
            if starts?.contains(node) ?? true { makeReady(node) } else { skipped.append(node) }
        }
        for node in skipped { skip(node) }
    }

    /// Nothing runs any more, and nothing will.
    var isOver: Bool { failure != nil || scopes[nil].map { $0.open == 0 } ?? true }

    /// Takes what can run now, once.
    mutating func next() -> Action? {
        guard failure == nil else { return nil }
        while position < ready.count {
            let action = ready[position]
            position += 1
            if position > 1_024, position * 2 > ready.count {
                ready.removeFirst(position)
                position = 0
            }
            let step =
                switch action {
                case .run(let step), .close(let step, _): step
                }
            // What an earlier process opened runs its items, and is not opened again.
            if case .run = action, begun[step]?.kind == .opened { continue }
            if waiting.contains(step) { return action }
        }
        return nil
    }

    // MARK: Entries

    mutating func apply(_ entry: WorkflowEntry) {
        let step = entry.step
        guard plan.nodes.indices.contains(entry.node), failure == nil else { return }
        switch entry.kind {
        case .begun: begun[step] = entry
        case .calling: calling.insert(step)
        case .opened:
            guard loops[entry.node] == nil, waiting.remove(step) != nil, case .array(let items)? = entry.value else {
                return
            }
            begun[step] = entry
            loops[entry.node] = Loop(items: items)
            goOn(entry.node, step)
        case .finished:
            guard ended(step) else { return }
            let output = entry.value ?? .null
            if plan.nodes[entry.node].type == "set-variable", let key = output["key"]?.string {
                variables[key] = output["value"] ?? .null
            }
            leave(entry.node, output, by: entry.handle)
        case .failed:
            guard ended(step) else { return }
            let error = entry.error ?? "it failed"
            switch plan.nodes[entry.node].onError {
            case "continue": leave(entry.node, .object(["error": .string(error)]), by: nil)
            case "branch": leave(entry.node, .object(["error": .string(error)]), by: "error")
            default: failure = (entry.node, error)
            }
        }
    }

    private mutating func ended(_ step: WorkflowStep) -> Bool {
        begun[step] = nil
        calling.remove(step)
        return waiting.remove(step) != nil
    }

    // MARK: Edges

    private mutating func open(_ loop: Int?) {
        var scope = Scope()
        for node in plan.bodies[loop, default: []] {
            scope.undecided[node] = plan.nodes[node].incoming.count
            scope.open += 1
            outputs[node] = nil
            loops[node] = nil
            for edge in plan.nodes[node].incoming { taken.remove(edge) }
        }
        scopes[loop] = scope
    }

    /// The numbers of the iterations around a node.
    private func path(of node: Int) -> [Int] {
        var path: [Int] = []
        var loop = plan.nodes[node].loop
        while let around = loop {
            path.append(loops[around]?.index ?? 0)
            loop = plan.nodes[around].loop
        }
        return path.reversed()
    }

    private mutating func makeReady(_ node: Int) {
        let step = WorkflowStep(node: node, path: path(of: node))
        waiting.insert(step)
        ready.append(.run(step))
    }

    /// - Parameter handle: the way that is taken; nil: all but `error`.
    private mutating func leave(_ node: Int, _ output: JSONValue, by handle: String?) {
        outputs[node] = output
        var isLeaf = true
        for edge in plan.nodes[node].outgoing {
            let name = plan.edges[edge].handle
            if plan.nodes[node].type == "loop", name == "body" { continue }
            let isTaken = Self.takes(name, handle, plan.nodes[node])
            if isTaken { isLeaf = false }
            decide(edge, isTaken)
        }
        let loop = plan.nodes[node].loop
        if isLeaf { scopes[loop]?.leaves.append(node) }
        close(node)
    }

    private static func takes(_ name: String, _ handle: String?, _ node: WorkflowPlan.Node) -> Bool {
        if let handle { return name == handle }
        guard node.type == "parallel" else { return name != "error" }
        guard case .integer(let branches)? = node.config["branches"] else {
            return name == "branch_0" || name == "branch_1"
        }
        return (0..<min(4, max(0, branches))).contains { name == "branch_\($0)" }
    }

    private mutating func decide(_ edge: Int, _ isTaken: Bool) {
        let target = plan.edges[edge].target
        let loop = plan.nodes[target].loop
        guard let left = scopes[loop]?.undecided[target], left > 0 else { return }
        scopes[loop]?.undecided[target] = left - 1
        if isTaken {
            taken.insert(edge)
            scopes[loop]?.reached.insert(target)
        }
        guard left == 1 else { return }
        if scopes[loop]?.reached.contains(target) == true { makeReady(target) } else { skip(target) }
    }

    private mutating func skip(_ first: Int) {
        // Not by calling itself: graphs can be long.
        var skipped = [first]
        while let node = skipped.popLast() {
            for edge in plan.nodes[node].outgoing {
                if plan.nodes[node].type == "loop", plan.edges[edge].handle == "body" { continue }
                let target = plan.edges[edge].target
                let loop = plan.nodes[target].loop
                guard let left = scopes[loop]?.undecided[target], left > 0 else { continue }
                scopes[loop]?.undecided[target] = left - 1
                guard left == 1 else { continue }
                if scopes[loop]?.reached.contains(target) == true { makeReady(target) } else { skipped.append(target) }
            }
            close(node)
        }
    }

    /// A node has ended or was skipped.
    private mutating func close(_ node: Int) {
        let loop = plan.nodes[node].loop
        scopes[loop]?.open -= 1
        guard let loop, scopes[loop]?.open == 0, loops[loop] != nil else { return }
        let step = WorkflowStep(node: loop, path: path(of: loop))
        let result = result(of: loop)
        loops[loop]?.results.append(result)
        loops[loop]?.index += 1
        goOn(loop, step)
    }

    // MARK: Loops

    /// Begins with the item that a loop is at, or closes it.
    private mutating func goOn(_ loop: Int, _ step: WorkflowStep) {
        let hasBody = !plan.bodies[loop, default: []].isEmpty
        guard let state = loops[loop], state.index < state.items.count, hasBody else {
            let items = loops[loop]?.items ?? []
            let results = hasBody ? loops[loop]?.results ?? [] : items.map { _ in .null }
            waiting.insert(step)
            ready.append(.close(step, .object(["results": .array(results)])))
            return
        }
        open(loop)
        for edge in plan.nodes[loop].outgoing where plan.edges[edge].handle == "body" { decide(edge, true) }
    }

    /// What one item came to.
    private func result(of loop: Int) -> JSONValue {
        let leaves = scopes[loop]?.leaves ?? []
        if leaves.count == 1 { return outputs[leaves[0]] ?? .null }
        guard !leaves.isEmpty else { return .null }
        return .object(Dictionary(leaves.map { (plan.nodes[$0].id, outputs[$0] ?? .null) }) { $1 })
    }

    // MARK: What blocks see

    /// The variables, with those of the loops around a node.
    func variables(at node: Int) -> [String: JSONValue] {
        var around: [Int] = []
        var loop = plan.nodes[node].loop
        while let next = loop {
            around.append(next)
            loop = plan.nodes[next].loop
        }
        var all = variables
        for loop in around.reversed() {
            guard let state = loops[loop], state.index < state.items.count else { continue }
            all[plan.nodes[loop].config["iteration_var"]?.string ?? "item"] = state.items[state.index]
            all["_iteration_index"] = .integer(Int64(state.index))
        }
        return all
    }

    /// What the edges that were taken bring, in the order of the graph.
    func incoming(_ node: Int) -> [(id: String, value: JSONValue)] {
        plan.nodes[node].incoming.filter(taken.contains).map { edge in
            let source = plan.edges[edge].source
            if let state = loops[source], plan.edges[edge].handle == "body", state.index < state.items.count {
                return (plan.nodes[source].id, state.items[state.index])
            }
            return (plan.nodes[source].id, outputs[source] ?? .null)
        }
    }

    /// What comes in, as one value.
    func input(_ node: Int) -> JSONValue {
        let values = incoming(node)
        if plan.nodes[node].incoming.isEmpty { return inputs }
        if values.count == 1 { return values[0].value }
        return .object(Dictionary(values.map { ($0.id, $0.value) }) { $1 })
    }

    /// What the run comes to: of one last node its output, of several a map.
    var result: JSONValue {
        let leaves = scopes[nil]?.leaves ?? []
        if leaves.count == 1 {
            return .object(["value": outputs[leaves[0]] ?? .null, "terminal_node": .string(plan.nodes[leaves[0]].id)])
        }
        return .object(Dictionary(leaves.map { (plan.nodes[$0].id, outputs[$0] ?? .null) }) { $1 })
    }
}
