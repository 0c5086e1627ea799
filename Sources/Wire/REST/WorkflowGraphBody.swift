public import JSON

// How is the graph of a workflow written? Everything that an editor keeps in it, positions and labels included. What may be left
// out is filled in when it is read.

/// Blocks, the edges between them, and variables.
public struct WorkflowGraphBody: Codable, Sendable, Equatable {
    public struct Position: Codable, Sendable, Equatable {
        public var x: Double
        public var y: Double

        public init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    public struct Node: Codable, Sendable, Equatable {
        public var id: String
        public var type: String
        public var label: String?
        public var position: Position
        public var config: [String: JSONValue]

        public init(
            id: String, type: String, label: String? = nil, position: Position = Position(x: 0, y: 0),
            config: [String: JSONValue] = [:]
        ) {
            self.id = id
            self.type = type
            self.label = label
            self.position = position
            self.config = config
        }

        private enum CodingKeys: CodingKey { case id, type, label, position, config }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            id = try fields.decode(String.self, forKey: .id)
            type = try fields.decode(String.self, forKey: .type)
            label = try fields.decodeIfPresent(String.self, forKey: .label)
            position = try fields.decodeIfPresent(Position.self, forKey: .position) ?? Position(x: 0, y: 0)
            config = try fields.decodeIfPresent([String: JSONValue].self, forKey: .config) ?? [:]
        }
    }

    public struct Edge: Codable, Sendable, Equatable {
        /// Nil: it is given one.
        public var id: String?
        /// Ids of nodes.
        public var source: String
        public var target: String
        public var sourceHandle: String
        public var targetHandle: String
        public var label: String?

        public init(
            id: String? = nil, source: String, target: String, sourceHandle: String = "out",
            targetHandle: String = "in", label: String? = nil
        ) {
            self.id = id
            self.source = source
            self.target = target
            self.sourceHandle = sourceHandle
            self.targetHandle = targetHandle
            self.label = label
        }

        private enum CodingKeys: CodingKey { case id, source, target, sourceHandle, targetHandle, label }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            id = try fields.decodeIfPresent(String.self, forKey: .id)
            source = try fields.decode(String.self, forKey: .source)
            target = try fields.decode(String.self, forKey: .target)
            sourceHandle = try fields.decodeIfPresent(String.self, forKey: .sourceHandle) ?? "out"
            targetHandle = try fields.decodeIfPresent(String.self, forKey: .targetHandle) ?? "in"
            label = try fields.decodeIfPresent(String.self, forKey: .label)
        }
    }

    public var version: Int
    public var nodes: [Node]
    public var edges: [Edge]
    public var variables: [String: JSONValue]

    public init(nodes: [Node] = [], edges: [Edge] = [], variables: [String: JSONValue] = [:]) {
        version = 1
        self.nodes = nodes
        self.edges = edges
        self.variables = variables
    }

    /// The same with an id for each edge.
    public var complete: WorkflowGraphBody {
        var complete = self
        var taken = Set(edges.compactMap(\.id))
        var number = 0
        for place in edges.indices where edges[place].id == nil {
            var id = ""
            repeat {
                number += 1
                id = "edge-\(number)"
            } while !taken.insert(id).inserted
            complete.edges[place].id = id
        }
        return complete
    }
}

/// `GET /api/workflow-block-types`
public struct BlockTypesBody: Codable, Sendable, Equatable {
    public struct BlockType: Codable, Sendable, Equatable {
        public var type: String
        public var category: String
        public var description: String
        /// A JSON schema.
        public var configSchema: JSONValue
        public var sourceHandles: [String]
        public var targetHandles: [String]
        /// What the block's output holds, by name.
        public var outputShape: [String: String]

        public init(
            type: String, category: String, description: String, configSchema: JSONValue, sourceHandles: [String],
            targetHandles: [String], outputShape: [String: String]
        ) {
            self.type = type
            self.category = category
            self.description = description
            self.configSchema = configSchema
            self.sourceHandles = sourceHandles
            self.targetHandles = targetHandles
            self.outputShape = outputShape
        }

        private enum CodingKeys: String, CodingKey {
            case type, category, description
            case configSchema = "config_schema"
            case sourceHandles = "source_handles"
            case targetHandles = "target_handles"
            case outputShape = "output_shape"
        }
    }

    public var blockTypes: [BlockType]

    public init(blockTypes: [BlockType]) { self.blockTypes = blockTypes }

    private enum CodingKeys: String, CodingKey { case blockTypes = "block_types" }
}
