public import JSON

// What is a workflow made of? Blocks, the edges between them and variables, as they are stored. Whether it makes sense is
// GraphCheck's question.

/// The blocks of a workflow and what leads from one to the next.
public struct WorkflowGraph: Sendable, Equatable, Codable {
    public struct Node: Sendable, Equatable, Codable {
        public var id: String
        /// E.g. `ai-prompt`; see ``BlockType``.
        public var type: String
        public var config: [String: JSONValue]

        public init(id: String, type: String, config: [String: JSONValue] = [:]) {
            self.id = id
            self.type = type
            self.config = config
        }
    }

    public struct Edge: Sendable, Equatable, Codable {
        public var id: String
        /// Ids of nodes.
        public var source: String
        public var target: String
        public var sourceHandle: String
        public var targetHandle: String

        public init(
            id: String, source: String, target: String, sourceHandle: String = "out", targetHandle: String = "in"
        ) {
            self.id = id
            self.source = source
            self.target = target
            self.sourceHandle = sourceHandle
            self.targetHandle = targetHandle
        }
    }

    public var nodes: [Node]
    public var edges: [Edge]
    public var variables: [String: JSONValue]

    public init(nodes: [Node], edges: [Edge] = [], variables: [String: JSONValue] = [:]) {
        self.nodes = nodes
        self.edges = edges
        self.variables = variables
    }

    /// Types of its trigger blocks, in the order in which they come first.
    public var triggerTypes: [String] {
        var seen: Set<String> = []
        return nodes.map(\.type).filter { BlockType.named($0)?.isTrigger == true && seen.insert($0).inserted }
    }
}
