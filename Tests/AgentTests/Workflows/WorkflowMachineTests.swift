import Foundation
import JSON
import Store
import Testing

@testable import Agent

// What becomes of a graph? Shapes and blocks, run to their end.

@Suite struct WorkflowMachineTests {
    private static let start = Flow.node("start", "trigger-manual")

    struct Shape: Sendable, CustomTestStringConvertible {
        var name: String
        var nodes: [WorkflowGraph.Node]
        var edges: String
        var inputs: JSONValue = [:]
        var outputs: JSONValue?
        var error: String?
        /// Nodes by what the trace says of them.
        var trace: [String: String] = [:]
        var testDescription: String { name }
    }

    private static let decide = Flow.node("decide", "if", ["expression": "inputs.n > 3"])
    private static let merge = Flow.node("merge", "merge", ["strategy": "all"])

    static let shapes: [Shape] = [
        Shape(
            name: "one trigger alone hands on what came in", nodes: [start], edges: "", inputs: ["a": 1],
            outputs: ["value": ["a": 1], "terminal_node": "start"]),
        Shape(
            name: "a chain sees what came before",
            nodes: [start, Flow.set("a", "inputs.n + 1"), Flow.set("b", "vars.a * 2")],
            edges: "start>a a>b", inputs: ["n": 4],
            outputs: ["value": ["key": "b", "value": 10], "terminal_node": "b"], trace: ["a": "success"]),
        Shape(
            name: "if goes one way, and the other is skipped to its end",
            nodes: [start, decide, Flow.set("yes", "1"), Flow.set("no", "2"), Flow.set("after", "3")],
            edges: "start>decide decide:true>yes decide:false>no no>after", inputs: ["n": 5],
            outputs: ["value": ["key": "yes", "value": 1], "terminal_node": "yes"],
            trace: ["yes": "success", "no": "skipped", "after": "skipped"]),
        Shape(
            name: "a node runs when one of the ways to it was taken",
            nodes: [start, decide, Flow.set("yes", "1"), Flow.set("no", "2"), merge],
            edges: "start>decide decide:true>yes decide:false>no yes>merge no>merge", inputs: ["n": 1],
            outputs: ["value": ["collected": [["key": "no", "value": 2]]], "terminal_node": "merge"]),
        Shape(
            name: "several last nodes come to a map",
            nodes: [
                start, Flow.node("split", "parallel", ["branches": 3]), Flow.set("a", "1"), Flow.set("b", "2"),
                Flow.set("c", "3"), Flow.set("d", "4"),
            ],
            edges: "start>split split:branch_0>a split:branch_1>b split:branch_2>c split:branch_3>d",
            outputs: [
                "a": ["key": "a", "value": 1], "b": ["key": "b", "value": 2], "c": ["key": "c", "value": 3],
            ], trace: ["d": "skipped"]),
        Shape(
            name: "merge takes the first or the last in the graph's order",
            nodes: [
                start, Flow.set("a", "1"), Flow.set("b", "2"), Flow.node("f", "merge", ["strategy": "first"]),
                Flow.node("l", "merge", ["strategy": "last", "collect_as": "it"]),
            ],
            edges: "start>a start>b a>f b>f a>l b>l",
            outputs: ["f": ["key": "a", "value": 1], "l": ["it": ["key": "b", "value": 2]]]),
        Shape(
            name: "a loop runs its body for each item and collects",
            nodes: [
                start, Flow.node("each", "loop", ["items_expr": "inputs.items", "iteration_var": "word"]),
                Flow.node("text", "merge", ["strategy": "first"]),
                Flow.set("r", "vars._iteration_index ~ vars.word ~ nodes.text.output"),
                Flow.set("sum", "nodes.each.output.results | map('value') | join('-')"),
            ],
            edges: "start>each each:body>text text>r each:done>sum", inputs: ["items": ["a", "b", "c"]],
            outputs: ["value": ["key": "sum", "value": "0aa-1bb-2cc"], "terminal_node": "sum"]),
        Shape(
            name: "a loop over nothing is done at once",
            nodes: [start, Flow.node("each", "loop", ["items_expr": "[]"]), Flow.set("x", "vars.item")],
            edges: "start>each each:body>x", outputs: ["value": ["results": []], "terminal_node": "each"]),
        Shape(
            name: "loops stand within loops, and what was decided for one item is decided anew for the next",
            nodes: [
                start, Flow.node("outer", "loop", ["items_expr": "[[1, 2], [3]]", "iteration_var": "row"]),
                Flow.node("inner", "loop", ["items_expr": "vars.row", "iteration_var": "n"]),
                Flow.node("odd", "if", ["expression": "vars.n % 2 == 1"]), Flow.set("o", "'odd' ~ vars.n"),
                Flow.set("e", "'even' ~ vars.n"),
            ],
            edges: "start>outer outer:body>inner inner:body>odd odd:true>o odd:false>e",
            outputs: [
                "value": [
                    "results": [
                        [
                            "results": [["key": "o", "value": "odd1"], ["key": "e", "value": "even2"]]
                        ], ["results": [["key": "o", "value": "odd3"]]],
                    ]
                ], "terminal_node": "outer",
            ]),
        Shape(
            name: "more items than allowed fail and name the block",
            nodes: [start, Flow.node("each", "loop", ["items_expr": "[1, 2, 3]", "max_iterations": 2])],
            edges: "start>each", error: #"node "each": there are 3 items, and config.max_iterations is 2"#),
        Shape(
            name: "a failure halts the run and names the block",
            nodes: [start, Flow.tool("t", "fail"), Flow.set("after", "1")], edges: "start>t t>after",
            error: #"node "t": it broke"#, trace: ["t": "failed"]),
        Shape(
            name: "a failure goes on where it is to",
            nodes: [
                start, Flow.tool("t", "fail", onError: "continue"), Flow.set("after", "nodes.t.output.error"),
                Flow.set("handler", "1"),
            ],
            edges: "start>t t>after t:error>handler",
            outputs: ["value": ["key": "after", "value": "it broke"], "terminal_node": "after"],
            trace: ["t": "failed", "handler": "skipped"]),
        Shape(
            name: "a failure takes the way of errors where it is to",
            nodes: [
                start, Flow.tool("t", "fail", onError: "branch"), Flow.set("after", "1"),
                Flow.set("handler", "nodes.t.output.error | upper"),
            ],
            edges: "start>t t>after t:error>handler",
            outputs: ["value": ["key": "handler", "value": "IT BROKE"], "terminal_node": "handler"],
            trace: ["after": "skipped"]),
        Shape(
            name: "a name that is not there fails and names the block",
            nodes: [start, Flow.set("a", "inputs.gone")], edges: "start>a",
            error: #"node "a": config.value_expr: there is no "gone" in "inputs""#),
        Shape(
            name: "a tool gets its arguments with their kinds, under its bare name",
            nodes: [
                start, Flow.tool("t", "act", ["what": "{{ inputs.list }}", "and": "n={{ inputs.list | length }}"]),
            ],
            edges: "start>t", inputs: ["list": [1, "b"]],
            outputs: [
                "value": ["result": ["did": ["what": [1, "b"], "and": "n=2"]]], "terminal_node": "t",
            ]),
        Shape(
            name: "a prompt is asked",
            nodes: [
                start, Flow.node("ask", "ai-prompt", ["prompt": "Hello {{ inputs.who }}", "system": "Be brief"]),
            ], edges: "start>ask", inputs: ["who": "you"],
            outputs: [
                "value": [
                    "text": "answer to Be brief\n\nHello you", "model": "fake",
                    "usage": ["input_tokens": 2, "output_tokens": 3, "cost": 0],
                ], "terminal_node": "ask",
            ]),
        Shape(
            name: "a prompt that fails says why", nodes: [start, Flow.node("ask", "ai-prompt", ["prompt": "fail"])],
            edges: "start>ask", error: #"node "ask": no model"#),
        Shape(
            name: "a web server is asked",
            nodes: [
                start,
                Flow.node(
                    "get", "http-request", ["url": "https://example.org/{{ 1 + 1 }}", "headers": ["X-Key": "s3cret"]]),
            ],
            edges: "start>get",
            outputs: [
                "value": [
                    "status": 200, "headers": ["content-type": "application/json"], "body": #"{"ok":true}"#,
                    "json": ["ok": true],
                ], "terminal_node": "get",
            ]),
        Shape(
            name: "an address that the guard refuses fails",
            nodes: [start, Flow.node("get", "http-request", ["url": "http://127.0.0.1/"])], edges: "start>get",
            error: #"node "get": the address is private"#),
        Shape(
            name: "without a trigger every root starts", nodes: [Flow.set("a", "1"), Flow.set("b", "2")], edges: "",
            outputs: ["a": ["key": "a", "value": 1], "b": ["key": "b", "value": 2]]),
        Shape(
            name: "with a trigger nothing else starts by itself",
            nodes: [
                start, Flow.set("a", "1"), Flow.set("b", "2"), Flow.node("ai", "trigger-ai", ["description": "d"]),
            ],
            edges: "start>a ai>b", outputs: ["value": ["key": "a", "value": 1], "terminal_node": "a"],
            trace: ["b": "skipped", "ai": "skipped"]),
    ]

    @Test("a run comes to what its graph says", arguments: shapes)
    func shape(_ shape: Shape) async throws {
        let world = try WorkflowWorld()
        defer { world.remove() }
        try await world.make("flow", shape.nodes, Flow.edges(shape.edges))
        let run = try await world.run("flow", shape.inputs)
        #expect(run.error == shape.error)
        #expect(run.status == (shape.error == nil ? .success : .failed))
        if let outputs = shape.outputs { #expect(try WorkflowWorld.value(run.outputs) == outputs, "\(run.outputs)") }
        guard case .array(let lines) = try WorkflowWorld.value(run.trace) else {
            Issue.record("no trace")
            return
        }
        for (node, status) in shape.trace {
            #expect(
                lines.contains { $0["node_id"] == .string(node) && $0["status"] == .string(status) },
                "\(node): \(run.trace)")
        }
        for line in lines {
            #expect(line["finished_at"] != .null && line["started_at"] != nil && line["type"]?.string != nil)
        }
        #expect(!run.trace.contains("s3cret"), "headers may be secret")
        #expect(try await world.repository.entries(of: run.id).isEmpty, "the journal goes with the run's end")
    }

    @Test("what leads into a loop's body from elsewhere is refused, and names the block")
    func bodies() throws {
        let nodes = [Self.start, Flow.node("l", "loop", ["items_expr": "[1]"]), Flow.set("x", "1")]
        for edges in ["start>l l:body>x l:done>x", "start>l l:body>x start>x"] {
            let problems = GraphCheck.problems(of: WorkflowGraph(nodes: nodes, edges: Flow.edges(edges)))
            #expect(
                problems.count == 1 && problems[0].node == "x" && problems[0].text.contains("body of \"l\""),
                "\(problems)")
        }
        let good = Flow.edges("start>l l:body>x")
        #expect(GraphCheck.problems(of: WorkflowGraph(nodes: nodes, edges: good)).isEmpty)
        let unknown = GraphCheck.problems(
            of: WorkflowGraph(nodes: [
                Flow.set("a", "nodes.gone.output"), Flow.set("b", "hello world"), Flow.set("c", "foo"),
            ]))
        #expect(
            unknown.map(\.description) == [
                #"node "a": config.value_expr is no expression: there is no node "gone""#,
                #"node "b": config.value_expr is no expression: "world" is not expected where it stands in "{{ }}""#,
                #"node "c": config.value_expr is no expression: there is no "foo", but inputs, nodes, now, run_id, vars"#,
            ])
    }

    @Test("a tool that is not offered, or lacks an argument, is named with its block; of a silent server nobody knows")
    func tools() {
        func problems(_ config: [String: JSONValue]) -> [String] {
            GraphCheck.problems(
                of: WorkflowGraph(nodes: [Flow.node("t", "mcp-tool", config)]),
                tools: GraphCheck.tools(of: FakeToolbox.offered)
            ).map(\.description)
        }
        let bare: [String: JSONValue] = ["mcp_name": "my_kit", "tool_name": "act", "args": ["what": "{{ 1 }}"]]
        #expect(problems(bare) == [])
        #expect(problems(bare.merging(["mcp_name": "my-kit", "tool_name": "my_kit_act"]) { $1 }) == [])
        #expect(
            problems(bare.merging(["args": [:]]) { $1 }) == [
                #"node "t": the tool "my_kit_act" needs the argument "what""#
            ])
        #expect(problems(bare.merging(["tool_name": "gone"]) { $1 }) == [#"node "t": "my_kit" offers no tool "gone""#])
        #expect(problems(bare.merging(["mcp_name": "down"]) { $1 }) == [])
    }

    @Test("places go to those who came first, and whoever is cancelled takes none")
    func slots() async throws {
        let slots = BlockSlots(1)
        try await slots.with {
            let waiting = Task { try await slots.with { true } }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
        #expect(try await slots.with { true })
        await #expect(throws: NeverSo.self) { try await slots.with { throw NeverSo(what: "x") } }
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<50 {
                group.addTask {
                    try await slots.with {
                        await Task.yield(); return number
                    }
                }
            }
            return try await group.reduce(0) { count, _ in count + 1 }
        }
        #expect(count == 50)
    }

    @Test("the same entries give the same state, cut anywhere")
    func replay() {
        let graph = WorkflowGraph(
            nodes: [Self.start, Flow.node("l", "loop", ["items_expr": "[1]"]), Flow.set("x", "1"), Flow.set("y", "1")],
            edges: Flow.edges("start>l l:body>x l:done>y"))
        let plan = WorkflowPlan(graph)
        func step(_ node: Int, _ path: Int...) -> WorkflowStep { WorkflowStep(node: node, path: path) }
        let entries = [
            WorkflowEntry(.finished, step(0), at: 1, value: [:]),
            WorkflowEntry(.opened, step(1), at: 1, value: ["a", "b"]),
            WorkflowEntry(.finished, step(2, 0), at: 1, value: ["key": "x", "value": 1]),
            WorkflowEntry(.finished, step(2, 1), at: 1, value: ["key": "x", "value": 2]),
            WorkflowEntry(.finished, step(1), at: 1, value: ["results": [1, 2]]),
            WorkflowEntry(.finished, step(3), at: 1, value: 9),
        ]
        let next: [WorkflowMachine.Action?] = [
            .run(step(0)), .run(step(1)), .run(step(2, 0)), .run(step(2, 1)),
            .close(step(1), ["results": [["key": "x", "value": 1], ["key": "x", "value": 2]]]), .run(step(3)), nil,
        ]
        for count in 0...entries.count {
            var machine = WorkflowMachine(plan, inputs: [:], startingAt: [0])
            for entry in entries.prefix(count) { machine.apply(entry) }
            let action = machine.next()
            #expect(action == next[count], "after \(count)")
            let isOver = machine.isOver
            #expect(isOver == (count == entries.count))
            // What is told twice, or of nobody, changes nothing.
            for entry in entries.prefix(count) { machine.apply(entry) }
            machine.apply(WorkflowEntry(.finished, step(99), at: 1, value: 1))
            let again = machine.next()
            #expect(again == nil)
        }
    }
}
