public import JSON

// What is said over REST about workflows. Times are Unix seconds; each has a twin in ISO 8601.

/// A workflow.
public struct WorkflowBody: Codable, Sendable, Equatable {
    public struct Schedule: Codable, Sendable, Equatable {
        public var id: String
        public var workflowID: String
        public var nodeID: String
        public var cronExpression: String
        public var timezone: String
        public var nextRunAt: Double?
        public var lastRunAt: Double?
        public var enabled: Bool
        public var createdAt: Double
        public var updatedAt: Double
        public var nextRunAtISO: String?
        public var lastRunAtISO: String?
        public var createdAtISO: String
        public var updatedAtISO: String

        public init(
            id: String, workflowID: String, nodeID: String, cronExpression: String, timezone: String,
            nextRunAt: Double?, lastRunAt: Double?, enabled: Bool, createdAt: Double, updatedAt: Double,
            iso: (Double) -> String
        ) {
            self.id = id
            self.workflowID = workflowID
            self.nodeID = nodeID
            self.cronExpression = cronExpression
            self.timezone = timezone
            self.nextRunAt = nextRunAt
            self.lastRunAt = lastRunAt
            self.enabled = enabled
            self.createdAt = createdAt
            self.updatedAt = updatedAt
            nextRunAtISO = nextRunAt.map(iso)
            lastRunAtISO = lastRunAt.map(iso)
            createdAtISO = iso(createdAt)
            updatedAtISO = iso(updatedAt)
        }

        private enum CodingKeys: String, CodingKey {
            case id, timezone, enabled
            case workflowID = "workflow_id"
            case nodeID = "node_id"
            case cronExpression = "cron_expression"
            case nextRunAt = "next_run_at"
            case lastRunAt = "last_run_at"
            case createdAt = "created_at"
            case updatedAt = "updated_at"
            case nextRunAtISO = "next_run_at_iso"
            case lastRunAtISO = "last_run_at_iso"
            case createdAtISO = "created_at_iso"
            case updatedAtISO = "updated_at_iso"
        }
    }

    public var id: String
    public var name: String
    public var description: String?
    public var graph: WorkflowGraphBody
    public var enabled: Bool
    /// Nil: one.
    public var maxConcurrentRuns: Int?
    /// Who made it.
    public var owner: String
    public var lastRunAt: Double?
    public var createdAt: Double
    public var updatedAt: Double
    public var lastRunAtISO: String?
    public var createdAtISO: String
    public var updatedAtISO: String
    /// Types of its trigger blocks.
    public var triggerTypes: [String]
    /// One for each block that starts it at times.
    public var schedules: [Schedule]

    public init(
        id: String, name: String, description: String?, graph: WorkflowGraphBody, enabled: Bool,
        maxConcurrentRuns: Int?, owner: String, lastRunAt: Double?, createdAt: Double, updatedAt: Double,
        triggerTypes: [String], schedules: [Schedule], iso: (Double) -> String
    ) {
        self.id = id
        self.name = name
        self.description = description
        self.graph = graph
        self.enabled = enabled
        self.maxConcurrentRuns = maxConcurrentRuns
        self.owner = owner
        self.lastRunAt = lastRunAt
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        lastRunAtISO = lastRunAt.map(iso)
        createdAtISO = iso(createdAt)
        updatedAtISO = iso(updatedAt)
        self.triggerTypes = triggerTypes
        self.schedules = schedules
    }

    private enum CodingKeys: String, CodingKey {
        case id, name, description, graph, enabled, owner, schedules
        case maxConcurrentRuns = "max_concurrent_runs"
        case lastRunAt = "last_run_at"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case lastRunAtISO = "last_run_at_iso"
        case createdAtISO = "created_at_iso"
        case updatedAtISO = "updated_at_iso"
        case triggerTypes = "trigger_types"
    }
}

/// `GET /api/workflows`
public struct WorkflowsBody: Codable, Sendable, Equatable {
    public var workflows: [WorkflowBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(workflows: [WorkflowBody], nextCursor: String?) {
        self.workflows = workflows
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case workflows
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/workflows`.
public struct NewWorkflow: Codable, Sendable, Equatable {
    public var name: String
    public var description: String?
    public var nodes: [WorkflowGraphBody.Node]?
    public var edges: [WorkflowGraphBody.Edge]?
    public var variables: [String: JSONValue]?
    /// Nil: yes.
    public var enabled: Bool?
    public var maxConcurrentRuns: Int?

    private enum CodingKeys: String, CodingKey {
        case name, description, nodes, edges, variables, enabled
        case maxConcurrentRuns = "max_concurrent_runs"
    }
}

/// The body of `PATCH` and `PUT /api/workflows/{id}`: what is absent stays, what is there replaces.
public struct WorkflowPatch: Codable, Sendable, Equatable {
    public var name: String?
    /// `.some(nil)`, in JSON null: none.
    public var description: String??
    public var nodes: [WorkflowGraphBody.Node]?
    public var edges: [WorkflowGraphBody.Edge]?
    public var variables: [String: JSONValue]?
    public var enabled: Bool?
    public var maxConcurrentRuns: Int??

    public init() {}

    private enum CodingKeys: String, CodingKey {
        case name, description, nodes, edges, variables, enabled
        case maxConcurrentRuns = "max_concurrent_runs"
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        name = try fields.decodeIfPresent(String.self, forKey: .name)
        if fields.contains(.description) {
            description = .some(try fields.decodeIfPresent(String.self, forKey: .description))
        }
        nodes = try fields.decodeIfPresent([WorkflowGraphBody.Node].self, forKey: .nodes)
        edges = try fields.decodeIfPresent([WorkflowGraphBody.Edge].self, forKey: .edges)
        variables = try fields.decodeIfPresent([String: JSONValue].self, forKey: .variables)
        enabled = try fields.decodeIfPresent(Bool.self, forKey: .enabled)
        if fields.contains(.maxConcurrentRuns) {
            maxConcurrentRuns = .some(try fields.decodeIfPresent(Int.self, forKey: .maxConcurrentRuns))
        }
    }
}

/// The body of `POST /api/workflows/validate`: that of a new workflow, of which only the graph counts.
public struct GraphToCheck: Codable, Sendable, Equatable {
    public var nodes: [WorkflowGraphBody.Node]?
    public var edges: [WorkflowGraphBody.Edge]?
    public var variables: [String: JSONValue]?
}

/// The answer to `POST /api/workflows/validate`.
public struct GraphVerdict: Codable, Sendable, Equatable {
    public struct Problem: Codable, Sendable, Equatable {
        /// The block's id.
        public var node: String?
        public var problem: String

        public init(node: String?, problem: String) {
            self.node = node
            self.problem = problem
        }
    }

    public var valid: Bool
    public var problems: [Problem]

    public init(problems: [Problem]) {
        valid = problems.isEmpty
        self.problems = problems
    }
}
