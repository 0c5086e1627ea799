public import JSON

// What is said over REST about the runs of workflows. Times are Unix seconds; each has a twin in ISO 8601.

/// One time that a workflow ran.
public struct WorkflowRunBody: Codable, Sendable, Equatable {
    public var id: String
    public var workflowID: String
    /// `manual`, `schedule`, `ai` or `event`.
    public var trigger: String
    /// `running`, `success`, `failed` or `cancelled`.
    public var status: String
    public var startedAt: Double
    public var finishedAt: Double?
    public var inputs: JSONValue
    public var outputs: JSONValue
    public var error: String?
    /// What each block did.
    public var trace: JSONValue
    public var startedAtISO: String
    public var finishedAtISO: String?

    public init(
        id: String, workflowID: String, trigger: String, status: String, startedAt: Double, finishedAt: Double?,
        inputs: JSONValue, outputs: JSONValue, error: String?, trace: JSONValue, iso: (Double) -> String
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
        startedAtISO = iso(startedAt)
        finishedAtISO = finishedAt.map(iso)
    }

    private enum CodingKeys: String, CodingKey {
        case id, trigger, status, inputs, outputs, error, trace
        case workflowID = "workflow_id"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case startedAtISO = "started_at_iso"
        case finishedAtISO = "finished_at_iso"
    }
}

/// `GET /api/workflows/{id}/runs`
public struct WorkflowRunsBody: Codable, Sendable, Equatable {
    /// Newest first.
    public var runs: [WorkflowRunBody]
    public var nextCursor: String?

    public init(runs: [WorkflowRunBody], nextCursor: String?) {
        self.runs = runs
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case runs
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/workflows/{id}/run`.
public struct WorkflowRunRequest: Codable, Sendable, Equatable {
    public var inputs: [String: JSONValue]?
    /// Whether the answer comes when the run has ended. Nil: yes.
    public var wait: Bool?
    /// Seconds; nil: 300.
    public var timeout: Double?

    public init(inputs: [String: JSONValue]? = nil, wait: Bool? = nil, timeout: Double? = nil) {
        self.inputs = inputs
        self.wait = wait
        self.timeout = timeout
    }

    private enum CodingKeys: String, CodingKey {
        case inputs, wait
        case timeout = "timeout_s"
    }
}

/// The answer to `POST /api/workflows/{id}/run` that waits for nothing.
public struct WorkflowRunStarted: Codable, Sendable, Equatable {
    public var runID: String
    /// `running`
    public var status: String

    public init(runID: String, status: String) {
        self.runID = runID
        self.status = status
    }

    private enum CodingKeys: String, CodingKey {
        case status
        case runID = "run_id"
    }
}

/// `GET /api/workflows/{id}/stats`
public struct WorkflowStatsBody: Codable, Sendable, Equatable {
    public struct Run: Codable, Sendable, Equatable {
        public var id: String
        public var status: String
        public var startedAt: Double
        public var finishedAt: Double?
        /// In seconds.
        public var duration: Double?
        public var startedAtISO: String
        public var finishedAtISO: String?

        public init(id: String, status: String, startedAt: Double, finishedAt: Double?, iso: (Double) -> String) {
            self.id = id
            self.status = status
            self.startedAt = startedAt
            self.finishedAt = finishedAt
            duration = finishedAt.map { $0 - startedAt }
            startedAtISO = iso(startedAt)
            finishedAtISO = finishedAt.map(iso)
        }

        private enum CodingKeys: String, CodingKey {
            case id, status
            case startedAt = "started_at"
            case finishedAt = "finished_at"
            case duration = "duration_s"
            case startedAtISO = "started_at_iso"
            case finishedAtISO = "finished_at_iso"
        }
    }

    public var totalRuns: Int
    public var successCount: Int
    public var failedCount: Int
    public var cancelledCount: Int
    public var runningCount: Int
    /// From 0 to 1, of those that succeeded or failed.
    public var successRate: Double
    /// In seconds; nil: none has finished.
    public var averageDuration: Double?
    /// Newest first.
    public var last: [Run]

    public init(
        success: Int, failed: Int, cancelled: Int, running: Int, averageDuration: Double?, last: [Run]
    ) {
        totalRuns = success + failed + cancelled + running
        successCount = success
        failedCount = failed
        cancelledCount = cancelled
        runningCount = running
        successRate = success + failed == 0 ? 0 : Double(success) / Double(success + failed)
        self.averageDuration = averageDuration
        self.last = last
    }

    private enum CodingKeys: String, CodingKey {
        case last
        case totalRuns = "total_runs"
        case successCount = "success_count"
        case failedCount = "failed_count"
        case cancelledCount = "cancelled_count"
        case runningCount = "running_count"
        case successRate = "success_rate"
        case averageDuration = "avg_duration_s"
    }
}
