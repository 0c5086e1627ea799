// What is kept of workflows, in domain terms? Graphs, inputs, outputs and traces are JSON text here: what is in them is the
// agent's business.

/// A graph of blocks that the agent runs.
public struct WorkflowRecord: Sendable, Equatable {
    public var id: String
    public var name: String
    public var description: String?
    /// JSON.
    public var graph: String
    /// Types of its trigger blocks, without repeats.
    public var triggerTypes: [String]
    public var isEnabled: Bool
    /// Nil: one.
    public var maxConcurrentRuns: Int?
    /// The handle of the user who made it, or the operator's.
    public var owner: String
    /// Unix seconds, as all times here.
    public var lastRunAt: Double?
    public var createdAt: Double
    public var updatedAt: Double
    /// In the order of their nodes' ids.
    public var schedules: [WorkflowScheduleRecord]

    public init(
        id: String, name: String, description: String? = nil, graph: String, triggerTypes: [String] = [],
        isEnabled: Bool = true, maxConcurrentRuns: Int? = nil, owner: String, lastRunAt: Double? = nil,
        createdAt: Double, updatedAt: Double, schedules: [WorkflowScheduleRecord] = []
    ) {
        self.id = id
        self.name = name
        self.description = description
        self.graph = graph
        self.triggerTypes = triggerTypes
        self.isEnabled = isEnabled
        self.maxConcurrentRuns = maxConcurrentRuns
        self.owner = owner
        self.lastRunAt = lastRunAt
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.schedules = schedules
    }
}

/// A time at which a workflow starts by itself, as one of its blocks asks for it.
public struct WorkflowScheduleRecord: Sendable, Equatable {
    public var id: String
    public var workflowID: String
    public var nodeID: String
    public var schedule: String
    public var timeZone: String
    /// Nil: it does not fire by itself.
    public var nextRunAt: Double?
    public var lastRunAt: Double?
    public var isEnabled: Bool
    public var createdAt: Double
    public var updatedAt: Double

    public init(
        id: String, workflowID: String, nodeID: String, schedule: String, timeZone: String = "UTC",
        nextRunAt: Double? = nil, lastRunAt: Double? = nil, isEnabled: Bool = true, createdAt: Double,
        updatedAt: Double
    ) {
        self.id = id
        self.workflowID = workflowID
        self.nodeID = nodeID
        self.schedule = schedule
        self.timeZone = timeZone
        self.nextRunAt = nextRunAt
        self.lastRunAt = lastRunAt
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// One time that a workflow ran.
public struct WorkflowRunRecord: Sendable, Equatable {
    public enum Status: String, Sendable, CaseIterable { case running, success, failed, cancelled }

    public var id: String
    public var workflowID: String
    /// `manual`, `schedule`, `ai` or `event`.
    public var trigger: String
    public var status: Status
    public var startedAt: Double
    public var finishedAt: Double?
    /// JSON objects.
    public var inputs: String
    public var outputs: String
    public var error: String?
    /// A JSON list.
    public var trace: String

    public init(
        id: String, workflowID: String, trigger: String, status: Status, startedAt: Double, finishedAt: Double? = nil,
        inputs: String = "{}", outputs: String = "{}", error: String? = nil, trace: String = "[]"
    ) {
        self.id = id
        self.workflowID = workflowID
        self.trigger = trigger
        self.status = status
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.inputs = inputs
        self.outputs = outputs
        self.error = error
        self.trace = trace
    }
}

/// How a workflow's runs went.
public struct WorkflowStatistics: Sendable, Equatable {
    /// How many runs there are of each status.
    public var counts: [WorkflowRunRecord.Status: Int]
    /// Seconds, of those that finished; nil: none has.
    public var averageDuration: Double?
    /// Newest first, without what went in and came out.
    public var last: [WorkflowRunRecord]
}
