internal import JSON

// What does a workflow look like? Three that can be kept as they are, for a model that makes its own.

struct WorkflowExample: Sendable {
    var name: String
    var description: String
    var graph: JSONValue

    static let all = [
        WorkflowExample(
            name: "morning-note",
            description: "Every weekday morning: searches the notes, lets a model sum up, writes a note",
            graph: [
                "nodes": [
                    [
                        "id": "morning", "type": "trigger-schedule",
                        "config": ["cron_expression": "0 7 * * mon-fri", "timezone": "Europe/Berlin"],
                    ],
                    [
                        "id": "find", "type": "mcp-tool",
                        "config": [
                            "mcp_name": "vault", "tool_name": "search_notes", "args": ["query": "today appointment"],
                        ],
                    ],
                    [
                        "id": "sum", "type": "ai-prompt",
                        "config": ["prompt": "Sum up in five lines what is up today:\n{{ nodes.find.output.result }}"],
                    ],
                    [
                        "id": "write", "type": "mcp-tool",
                        "config": [
                            "mcp_name": "vault", "tool_name": "write_note",
                            "args": [
                                "path": "Today.md", "mode": "append", "content": "{{ nodes.sum.output.text }}",
                            ],
                        ],
                    ],
                ],
                "edges": [
                    edge("e1", "morning", "find"), edge("e2", "find", "sum"), edge("e3", "sum", "write"),
                ],
                "variables": [:],
            ]),
        WorkflowExample(
            name: "watch-page",
            description: "Every hour: asks a web server, and writes a note when it does not answer well",
            graph: [
                "nodes": [
                    ["id": "hourly", "type": "trigger-schedule", "config": ["cron_expression": "@hourly"]],
                    [
                        "id": "ask", "type": "http-request",
                        "config": ["url": "https://example.com/", "timeout_s": 20, "on_error": "branch"],
                    ],
                    ["id": "bad", "type": "if", "config": ["expression": "nodes.ask.output.status >= 400"]],
                    [
                        "id": "note", "type": "mcp-tool",
                        "config": [
                            "mcp_name": "vault", "tool_name": "write_note",
                            "args": [
                                "path": "Alerts.md", "mode": "append", "content": "{{ now }}: the page is not well",
                            ],
                        ],
                    ],
                ],
                "edges": [
                    edge("e1", "hourly", "ask"), edge("e2", "ask", "bad"), edge("e3", "bad", "note", "true"),
                    edge("e4", "ask", "note", "error"),
                ],
                "variables": [:],
            ]),
        WorkflowExample(
            name: "each-topic", description: "On request: goes through a list of topics and asks a model about each",
            graph: [
                "nodes": [
                    [
                        "id": "start", "type": "trigger-manual",
                        "config": [
                            "inputs_schema": [
                                "type": "object", "required": ["topics"],
                                "properties": ["topics": ["type": "array", "items": ["type": "string"]]],
                            ]
                        ],
                    ],
                    [
                        "id": "each", "type": "loop",
                        "config": ["items_expr": "inputs.topics", "max_iterations": 20, "iteration_var": "topic"],
                    ],
                    [
                        "id": "ask", "type": "ai-prompt",
                        "config": ["prompt": "Explain in a sentence: {{ vars.topic }}"],
                    ],
                    [
                        "id": "keep", "type": "set-variable",
                        "config": ["key": "answers", "value_expr": "nodes.each.output.results"],
                    ],
                ],
                "edges": [
                    edge("e1", "start", "each"), edge("e2", "each", "ask", "body"),
                    edge("e3", "each", "keep", "done"),
                ],
                "variables": [:],
            ]),
    ]

    private static func edge(_ id: String, _ source: String, _ target: String, _ handle: String = "out") -> JSONValue {
        [
            "id": .string(id), "source": .string(source), "target": .string(target), "sourceHandle": .string(handle),
            "targetHandle": "in",
        ]
    }
}
