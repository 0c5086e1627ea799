import Foundation
import JSON
import Testing

@testable import Agent

// What is said about a graph before it is kept?

@Suite struct GraphCheckTests {
    private typealias Node = WorkflowGraph.Node
    private typealias Edge = WorkflowGraph.Edge

    private static func problems(_ nodes: [WorkflowGraph.Node], _ edges: [WorkflowGraph.Edge] = []) -> [String] {
        GraphCheck.problems(of: WorkflowGraph(nodes: nodes, edges: edges)).map(\.description)
    }

    private static let start = Node(id: "start", type: "trigger-manual")

    @Test func everyBlockTypeIsAcceptedWithWhatItRequires() {
        let configs: [String: [String: JSONValue]] = [
            "trigger-schedule": ["cron_expression": .string("0 9 * * *"), "timezone": .string("Europe/Berlin")],
            "trigger-ai": ["description": .string("when it rains")],
            "mcp-tool": [
                "mcp_name": .string("vault"), "tool_name": .string("read"), "args": .object(["a": .integer(1)]),
            ],
            "ai-prompt": ["prompt": .string("Say {{ inputs.word }}"), "on_error": .string("branch")],
            "if": ["expression": .string("inputs.count > 3")],
            "loop": ["items_expr": .string("{{ nodes.a.output }}"), "max_iterations": .string("{{ vars.n }}")],
            "wait": ["mode": .string("duration"), "seconds": .number(0.5)],
            "set-variable": ["key": .string("x"), "value_expr": .integer(5)],
            "http-request": ["url": .string("https://example.com"), "headers": .object(["A": .string("b")])],
        ]
        #expect(BlockType.all.count == 13)
        for type in BlockType.all {
            let node = Node(id: "a", type: type.name, config: configs[type.name] ?? [:])
            #expect(Self.problems([node]) == [], "\(type.name)")
            // Without what it requires, each is named.
            let missing = Self.problems([Node(id: "a", type: type.name)])
            let required = type.fields.filter(\.isRequired).map { "node \"a\": config.\($0.name) is missing" }
            #expect(missing == required, "\(type.name)")
        }
    }

    @Test func allProblemsAreSaidAtOnceAndEachNamesItsBlock() {
        let nodes = [
            Self.start, Self.start, Node(id: "x", type: "teleport"), Node(id: "p", type: "ai-prompt"),
            Node(
                id: "h", type: "http-request",
                config: ["url": .string("{{ vars.url "), "method": .string("BREW"), "on_error": .string("cry")]),
            Node(id: "s", type: "trigger-schedule", config: ["cron_expression": .string("0 0 30 2 *")]),
            Node(id: "w", type: "wait", config: ["mode": .string("until")]),
            Node(id: "q", type: "parallel", config: ["branches": .integer(9)]), Node(id: "", type: "merge"),
            Node(id: "a\nb", type: "merge"),
        ]
        let edges = [
            Edge(id: "1", source: "start", target: "nowhere"), Edge(id: "1", source: "gone", target: "h"),
            Edge(id: "2", source: "h", target: "start"), Edge(id: "3", source: "h", target: "p", sourceHandle: "left"),
            Edge(id: "4", source: "h", target: "p", targetHandle: "back"),
        ]
        let problems = Self.problems(nodes, edges)
        for expected in [
            #"node "start": there are two nodes with this id"#, #"node "x": the type "teleport" is unknown"#,
            #"node "p": config.prompt is missing"#, #"node "h": config.url: "{{" is not closed"#,
            #"node "h": config.method is none of: GET, POST, PUT, PATCH, DELETE, HEAD"#,
            #"node "h": config.on_error is none of: halt, continue, branch"#,
            #"node "s": config.cron_expression is no schedule: there is no such date in any year"#,
            #"node "w": config.until_iso is missing"#,
            #"node "q": config.branches is no whole number from 1 to 4"#,
            #"node "nowhere": the edge "1" leads to it, and there is no such node"#,
            #"node "gone": the edge "1" begins at it, and there is no such node"#,
            #"node "gone": there are two edges with the id "1""#, #"node "start": no edge leads to a trigger"#,
            #"node "h": it has no handle "left", but out, error"#,
            #"node "p": it has no handle "back" to lead to"#,
        ] { #expect(problems.contains(expected), "\(expected) is not among \(problems)") }
        #expect(problems.count { $0.contains("an id has 1 to 128 characters") } == 2)
    }

    @Test func circlesAreFoundWhereverTheyAre() {
        let merge = ["a", "b", "c", "d"].map { Node(id: $0, type: "merge") }
        func edge(_ source: String, _ target: String) -> WorkflowGraph.Edge {
            Edge(id: source + target, source: source, target: target)
        }
        #expect(Self.problems(merge, [edge("a", "b"), edge("b", "c"), edge("a", "c"), edge("c", "d")]) == [])
        #expect(Self.problems(merge, [edge("a", "a")]) == [#"node "a": it leads back to itself: a → a"#])
        let problems = Self.problems(merge, [edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d")])
        #expect(problems.count == 1 && problems[0].contains("leads back to itself"), "\(problems)")
        #expect(problems[0].contains("b → c → b") || problems[0].contains("c → b → c"), "\(problems)")
        // A loop's body does not lead back either.
        let loop = Node(id: "l", type: "loop", config: ["items_expr": .string("inputs.items")])
        let body = [
            Edge(id: "1", source: "l", target: "a", sourceHandle: "body"), Edge(id: "2", source: "a", target: "l"),
        ]
        #expect(Self.problems([loop] + merge, body).count == 1)
    }

    @Test(arguments: [
        ("no template", nil), ("{{ inputs.a }} and {{ vars['}}'] }}", nil), (#"{"json":{"x":1}}"#, nil),
        ("}} alone", nil),
        ("{{ {'a': {'b': 1}} }}", nil), ("{{ \"a\\\"}}\" }}", nil), ("{{", "is not closed"),
        ("{{ a } }", "do not match"),
        ("{{ a", "is not closed"), ("{{ (a }}", "do not match"), ("{{ a) }}", "do not match"), ("{{ 'a }}", "quote"),
        ("{{ }}", "is empty"), ("{{ a }} {{ [b }}", "do not match"), ("{{ 'a\\", "quote"),
    ])
    func templatesAreWhole(_ text: String, _ problem: String?) {
        let found = TemplateCheck.problem(of: text)
        #expect((found == nil) == (problem == nil), "\(text): \(found ?? "nothing")")
        if let problem { #expect(found?.contains(problem) == true, "\(text): \(found ?? "nothing")") }
        let deep = Node(id: "a", type: "merge", config: ["other": .array([.object(["k": .string(text)])])])
        #expect(Self.problems([deep]).isEmpty == (problem == nil))
    }

    @Test func whoeverKnowsToolsMaySayWhatIsWrongWithACall() {
        let node = Node(id: "t", type: "mcp-tool", config: ["mcp_name": .string("m"), "tool_name": .string("x")])
        let problems = GraphCheck.problems(of: WorkflowGraph(nodes: [node])) { server, tool, arguments in
            #expect(arguments.isEmpty)
            return "\(server) has no tool \(tool)"
        }
        #expect(problems.map(\.description) == [#"node "t": m has no tool x"#])
    }

    @Test func sizeIsBounded() {
        let nodes = (0...GraphCheck.mostNodes).map { Node(id: "\($0)", type: "merge") }
        #expect(Self.problems(nodes) == ["there are 1001 nodes instead of up to 1000"])
        let edges = (0...GraphCheck.mostEdges).map { Edge(id: "\($0)", source: "0", target: "1") }
        #expect(Self.problems(Array(nodes.prefix(2)), edges) == ["there are 4001 edges instead of up to 4000"])
    }

    @Test func theLargestGraphIsCheckedWithinFiftyMilliseconds() {
        let nodes = (0..<1_000).map {
            Node(
                id: "node-\($0)", type: "ai-prompt",
                config: [
                    "prompt": .string("Sum up {{ inputs.text }} for {{ vars.who }}"), "on_error": .string("branch"),
                ])
        }
        let edges = (0..<4_000).map { number in
            let source = number % 999
            return Edge(
                id: "\(number)", source: "node-\(source)", target: "node-\(min(999, source + 1 + number / 999))")
        }
        let graph = WorkflowGraph(nodes: nodes, edges: edges)
        // The best of several: others use the machine as well.
        let clock = ContinuousClock()
        var times: [Duration] = []
        for _ in 0..<10 {
            times.append(clock.measure { #expect(GraphCheck.problems(of: graph).isEmpty) })
        }
        #expect((times.min() ?? .seconds(1)) < .milliseconds(50), "\(times)")
    }
}
