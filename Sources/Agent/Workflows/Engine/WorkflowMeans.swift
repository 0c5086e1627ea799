// With what do blocks act? Tools, turns and requests of the agent, each behind what bounds it. A run knows no other way to the world.

/// What blocks act with. Each is asked for when a block needs it, so that what is not there yet is no obstacle to the others.
public struct WorkflowMeans: Sendable {
    /// The door to the tools; nil: there are none.
    public var toolbox: @Sendable () -> (any Toolbox)?
    /// Who runs turns; nil: nobody does.
    public var turns: @Sendable () -> (any UnattendedTurns)?
    /// The guarded way to the web; nil: blocks cannot go there.
    public var http: @Sendable () -> (any WorkflowHTTP)?
    /// Whether a user is an administrator of the network now.
    public var isAdmin: @Sendable (_ handle: String) async -> Bool

    public init(
        toolbox: @escaping @Sendable () -> (any Toolbox)? = { nil },
        turns: @escaping @Sendable () -> (any UnattendedTurns)? = { nil },
        http: @escaping @Sendable () -> (any WorkflowHTTP)? = { nil },
        isAdmin: @escaping @Sendable (_ handle: String) async -> Bool = { _ in false }
    ) {
        self.toolbox = toolbox
        self.turns = turns
        self.http = http
        self.isAdmin = isAdmin
    }
}

/// Asks web servers for workflows. It lets nobody reach what only this machine or its network may.
public protocol WorkflowHTTP: Sendable {
    /// Sends a request and reads its answer, also one with a status of failure.
    ///
    /// - Throws: why there is no answer, in words that hold no secret; `CancellationError`.
    func send(_ request: WorkflowHTTPRequest) async throws -> WorkflowHTTPAnswer
}

public struct WorkflowHTTPRequest: Sendable, Equatable {
    public var method: String
    /// Not checked yet.
    public var url: String
    public var headers: [String: String]
    public var body: [UInt8]
    /// For all of it.
    public var timeLimit: Duration
    /// Bytes of the answer's body.
    public var answerLimit: Int

    public init(
        method: String, url: String, headers: [String: String] = [:], body: [UInt8] = [],
        timeLimit: Duration = .seconds(30), answerLimit: Int = 1 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeLimit = timeLimit
        self.answerLimit = answerLimit
    }
}

public struct WorkflowHTTPAnswer: Sendable, Equatable {
    public var status: Int
    /// Names in lower case; of several fields of a name the values with commas between them.
    public var headers: [String: String]
    public var body: [UInt8]

    public init(status: Int, headers: [String: String] = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// How much runs may take.
public struct WorkflowLimits: Sendable {
    /// Blocks of one run that act at the same time.
    public var blocksPerRun = 16
    /// Blocks of all runs that act at the same time. Those that wait for a time do not count.
    public var blocks = 32
    /// Runs of one workflow that have not ended, with those that wait for their turn.
    public var runsPerWorkflow = 100
    /// Runs of all workflows that have not ended.
    public var runs = 500
    /// Runs of one workflow that are kept when they are over.
    public var keptRuns = 100
    /// From the start of a run to its end: longer than the longest wait.
    public var runTime = Duration.seconds(32 * 86_400)
    /// UTF-8 bytes of one output, as JSON.
    public var outputSize = 1 << 20
    /// UTF-8 bytes of a run's journal.
    public var journalSize = 64 << 20
    /// Lines of a run's journal.
    public var journalLength = 200_000
    /// UTF-8 bytes of the trace that is kept.
    public var traceSize = 1 << 20
    /// UTF-8 bytes of what a run is given.
    public var inputSize = 256 << 10

    public init() {}
}
