internal import Foundation
public import JSON
public import Logging
public import Store
internal import Synchronization

// Who runs workflows? The runner takes wishes, records each as a run before it answers, lets the runs of a workflow go one after the
// other (or as many at once as it says), takes up after a start what an earlier process left, and stops what is to be stopped. What a
// single run does is the drive's business.
//
//     start ──▶ row ──▶ waiting, per workflow ──▶ drive ──▶ end of the row ──▶ news, whoever waits, the next in line

/// Something has become of a run.
public struct WorkflowNews: Sendable, Equatable {
    public var workflowID: String
    public var runID: String
    /// `running` when it began.
    public var status: WorkflowRunRecord.Status
}

/// Runs workflows. ``run()`` works for as long as the agent does.
public actor WorkflowRunner {
    private struct Line {
        /// How many may run at once.
        var most: Int
        var waiting: [String] = []
        var running: Set<String> = []
    }

    private struct Known {
        var workflowID: String
        var isStopping = false
        var stop: AsyncStream<Void>.Continuation?
    }

    /// What becomes of runs; one reader.
    public nonisolated let news: AsyncStream<WorkflowNews>
    private nonisolated let tell: AsyncStream<WorkflowNews>.Continuation
    private let launches: AsyncStream<String>
    private let launch: AsyncStream<String>.Continuation

    private let workflows: Workflows
    private let repository: WorkflowRepository
    private let means: WorkflowMeans
    private let limits: WorkflowLimits
    private let slots: BlockSlots
    private let time: TimeSource
    private let makeID: @Sendable () -> String
    private let logger: Logger

    private var lines: [String: Line] = [:]
    /// Runs that have not ended and that this process knows.
    private var known: [String: Known] = [:]
    private var ends: [String: [UUID: AsyncStream<Void>.Continuation]] = [:]

    /// - Parameter makeID: what gives new ids; nil: random UUIDs.
    public init(
        _ workflows: Workflows, means: WorkflowMeans, limits: WorkflowLimits = WorkflowLimits(),
        time: TimeSource = .system, makeID: (@Sendable () -> String)? = nil, logger: Logger
    ) {
        self.workflows = workflows
        repository = workflows.repository
        self.means = means
        self.limits = limits
        slots = BlockSlots(limits.blocks)
        self.time = time
        self.makeID = makeID ?? { UUID().uuidString.lowercased() }
        self.logger = logger
        // Whoever reads slowly hears of the latest; news only say where to look.
        (news, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(256))
        // As many as there can be runs.
        (launches, launch) = AsyncStream.makeStream()
    }

    // MARK: Life

    /// Takes up what an earlier process left and runs what is started, until the task is cancelled. Runs that have not ended then go on
    /// with the next process.
    public func run() async {
        await takeUp()
        await withDiscardingTaskGroup { group in
            for await id in launches { group.addTask { await self.drive(id) } }
            group.cancelAll()
        }
        for (_, waiters) in ends { for waiter in waiters.values { waiter.finish() } }
        ends = [:]
    }

    private func takeUp() async {
        do {
            for (run, start) in try await repository.unfinishedRuns() where known[run.id] == nil {
                guard start?.graph.isEmpty == false else {
                    // Of a version that could not run it.
                    await close(
                        run.id, run.workflowID,
                        WorkflowEndRecord(
                            status: .failed, finishedAt: time.now(), error: "what it began with is not known"))
                    continue
                }
                logger.notice("workflow::resumed", metadata: ["run": "\(run.id)", "workflow": "\(run.workflowID)"])
                await enqueue(run.id, run.workflowID)
            }
        } catch { logger.error("workflow::not_resumed", metadata: ["error": "\(StorageFault(error))"]) }
    }

    // MARK: Starting

    /// Starts a run. It is on disk when this returns, and runs as soon as it is its turn.
    ///
    /// - Parameters:
    ///   - workflow: an id, at least four first characters of one, or a name.
    ///   - inputs: an object, checked against the `inputs_schema` of the trigger.
    ///   - handle: who starts it. Its blocks act in the name of the workflow's owner.
    ///   - key: called again with the same key for the same workflow, the run of the first time is answered, as long as it is kept.
    ///   - id: what a new run is called; nil: a new id.
    /// - Returns: the run, as it is now.
    /// - Throws: ``PlanError``; what the database says.
    public func start(
        workflow reference: String, trigger: WorkflowTrigger, inputs: JSONValue = .object([:]), by handle: String,
        key: String? = nil, id: String? = nil
    ) async throws -> WorkflowRunRecord {
        let workflow = try await workflows.workflow(reference)
        guard workflow.isEnabled || trigger.kind == .manual else {
            throw PlanError.conflict("the workflow '\(workflow.name)' is disabled")
        }
        guard let graph = try? JSONDecoder().decode(WorkflowGraph.self, from: Data(workflow.graph.utf8)) else {
            throw PlanError.invalid("the graph of the workflow '\(workflow.name)' cannot be read")
        }
        // What an earlier version let pass.
        let problems = WorkflowPlan.problems(of: graph)
        guard problems.isEmpty else { throw PlanError.graph(problems) }
        let plan = WorkflowPlan(graph)
        let starts = try trigger.starts(in: plan, named: workflow.name)
        let schema = starts?.lazy.compactMap { plan.nodes[$0].config["inputs_schema"] }.first
        let filled = try InputSchema.filled(inputs, by: schema)
        guard WorkflowTrace.isWithin(limits.inputSize, filled) else {
            throw PlanError.invalid("'inputs' is larger than \(limits.inputSize >> 10) KiB")
        }
        let begins = WorkflowRunRecord(
            id: id ?? makeID(), workflowID: workflow.id, trigger: trigger.kind.rawValue, status: .running,
            startedAt: time.now(), inputs: TemplateText.json(filled))
        let made: (run: WorkflowRunRecord, isNew: Bool)
        do {
            made = try await repository.begin(
                begins,
                WorkflowStartRecord(
                    runID: begins.id, workflowID: workflow.id, key: key, startedBy: handle, owner: workflow.owner,
                    nodeID: trigger.node, graph: workflow.graph), most: limits.runsPerWorkflow,
                mostOfAll: limits.runs)
        } catch WorkflowJournalError.missing {
            throw PlanError.notFound(reference)
        } catch WorkflowJournalError.full {
            throw PlanError.full("too many runs have not ended: of one workflow at most \(limits.runsPerWorkflow)")
        }
        guard made.isNew else { return made.run }
        logger.info(
            "workflow::start",
            metadata: [
                "run": "\(begins.id)", "workflow": "\(workflow.id)", "trigger": "\(trigger.kind.rawValue)",
                "user": "\(handle)",
            ])
        tell.yield(WorkflowNews(workflowID: workflow.id, runID: begins.id, status: .running))
        await enqueue(begins.id, workflow.id, most: workflow.maxConcurrentRuns ?? 1)
        return made.run
    }

    /// - Parameter most: how many runs of the workflow go on at once; nil: its row says so.
    private func enqueue(_ id: String, _ workflow: String, most: Int? = nil) async {
        guard known[id] == nil else { return }
        known[id] = Known(workflowID: workflow)
        var most = most
        if most == nil { most = (try? await repository.workflow(workflow))?.maxConcurrentRuns ?? 1 }
        lines[workflow, default: Line(most: 1)].most = most ?? 1
        lines[workflow]?.waiting.append(id)
        admit(workflow)
    }

    private func admit(_ workflow: String) {
        guard var line = lines[workflow] else { return }
        while line.running.count < line.most, !line.waiting.isEmpty {
            let id = line.waiting.removeFirst()
            line.running.insert(id)
            launch.yield(id)
        }
        lines[workflow] = line.running.isEmpty && line.waiting.isEmpty ? nil : line
    }

    // MARK: Running

    private func drive(_ id: String) async {
        guard let workflow = known[id]?.workflowID else { return }
        let (stops, stop) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        known[id]?.stop = stop
        if known[id]?.isStopping == true { stop.yield() }
        let ending = await drive(id, stops)
        switch ending {
        case .over(let end): await close(id, workflow, end)
        case .cancelled(let trace) where known[id]?.isStopping == true:
            await close(
                id, workflow, WorkflowEndRecord(status: .cancelled, finishedAt: time.now(), trace: trace))
        // The process ends; the next one goes on.
        case .cancelled: break
        case .broken(let error):
            // A run that was removed with its workflow needs no end.
            if error as? WorkflowJournalError != .missing {
                logger.error(
                    "workflow::broken", metadata: ["run": "\(id)", "error": "\(Self.reason(error))"])
                if StorageFault(error) == .other {
                    await close(
                        id, workflow,
                        WorkflowEndRecord(
                            status: .failed, finishedAt: time.now(), error: "it cannot go on: \(Self.reason(error))"))
                }
            }
        }
        forget(id, workflow)
    }

    private static func reason(_ error: any Error) -> String {
        let fault = StorageFault(error)
        return fault == .other ? "\(error)" : "\(fault)"
    }

    private func drive(_ id: String, _ stops: AsyncStream<Void>) async -> WorkflowDrive.Ending {
        let drive: WorkflowDrive
        do {
            guard let run = try await repository.run(id), let start = try await repository.start(of: id) else {
                return .broken(WorkflowJournalError.missing)
            }
            drive = WorkflowDrive(
                run: run, start: start, repository: repository, means: means, limits: limits, slots: slots, time: time)
        } catch { return Task.isCancelled ? .cancelled(trace: "[]") : .broken(error) }
        return await withTaskGroup(of: WorkflowDrive.Ending?.self) { group in
            group.addTask { await drive.go() }
            group.addTask {
                for await _ in stops { break }
                return nil
            }
            // Either it ends, or it is to be stopped and ends then.
            while let ending = await group.next() {
                group.cancelAll()
                if let ending { return ending }
            }
            return .cancelled(trace: "[]")
        }
    }

    private func close(_ id: String, _ workflow: String, _ end: WorkflowEndRecord) async {
        do {
            guard try await repository.finish(id, end, keep: limits.keptRuns) else { return }
            logger.info(
                "workflow::end",
                metadata: ["run": "\(id)", "workflow": "\(workflow)", "status": "\(end.status.rawValue)"])
            tell.yield(WorkflowNews(workflowID: workflow, runID: id, status: end.status))
        } catch {
            // The next process finds it in its journal.
            logger.error("workflow::not_ended", metadata: ["run": "\(id)", "error": "\(StorageFault(error))"])
        }
    }

    private func forget(_ id: String, _ workflow: String) {
        known[id] = nil
        lines[workflow]?.running.remove(id)
        admit(workflow)
        for waiter in ends.removeValue(forKey: id)?.values ?? [:].values { waiter.finish() }
    }

    // MARK: Stopping and waiting

    /// Stops a run: what it does is cancelled, and it ends as cancelled.
    ///
    /// - Returns: the run, when it has ended; nil when there is none.
    /// - Throws: what the database says.
    public func stop(run id: String) async throws -> WorkflowRunRecord? {
        guard let state = known[id] else {
            // One that nobody could go on with.
            if let run = try await repository.run(id), run.status == .running {
                await close(id, run.workflowID, WorkflowEndRecord(status: .cancelled, finishedAt: time.now()))
            }
            return try await repository.run(id)
        }
        known[id]?.isStopping = true
        if lines[state.workflowID]?.waiting.contains(id) == true {
            lines[state.workflowID]?.waiting.removeAll { $0 == id }
            await close(id, state.workflowID, WorkflowEndRecord(status: .cancelled, finishedAt: time.now()))
            forget(id, state.workflowID)
            return try await repository.run(id)
        }
        state.stop?.yield()
        return try await end(of: id, within: .seconds(10))
    }

    /// Stops all runs of a workflow.
    ///
    /// - Parameter id: whole.
    public func stop(workflow id: String) async throws -> [WorkflowRunRecord] {
        var stopped: [WorkflowRunRecord] = []
        // Those that wait first, so that none begins when another ends.
        let waiting = lines[id]?.waiting ?? []
        let running = (lines[id]?.running).map(Array.init)?.sorted() ?? []
        for run in waiting + running { if let run = try await stop(run: run) { stopped.append(run) } }
        return stopped
    }

    /// Runs that go on or wait for their turn, by their ids.
    public var openRuns: Set<String> { Set(known.keys) }

    /// Stops what goes on though its end is on disk: whoever it ran for is gone.
    ///
    /// - Throws: what the database says.
    public func stopEnded() async throws {
        guard !known.isEmpty else { return }
        let unfinished = Set(try await repository.unfinishedRuns().map(\.run.id))
        for id in known.keys.sorted() where !unfinished.contains(id) { _ = try await stop(run: id) }
    }

    /// Waits until this run has ended, no other one.
    ///
    /// - Returns: the run as it is then, or when the time is up; nil when there is none.
    /// - Throws: what the database says; `CancellationError`.
    public func end(of id: String, within limit: Duration) async throws -> WorkflowRunRecord? {
        let (stream, end) = AsyncStream.makeStream(of: Void.self)
        let waiter = UUID()
        ends[id, default: [:]][waiter] = end
        defer {
            ends[id]?[waiter] = nil
            if ends[id]?.isEmpty == true { ends[id] = nil }
        }
        // Behind this nobody ends it unnoticed.
        guard let run = try await repository.run(id), run.status == .running else {
            return try await repository.run(id)
        }
        let time = time
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in stream {} }
            group.addTask { try? await time.sleep(limit) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
        return try await repository.run(id)
    }

    /// What each block of a run did, also while it runs.
    public func trace(of run: WorkflowRunRecord) async throws -> JSONValue {
        let decoder = JSONDecoder()
        guard run.status == .running, let start = try await repository.start(of: run.id),
            let graph = try? decoder.decode(WorkflowGraph.self, from: Data(start.graph.utf8))
        else { return (try? decoder.decode(JSONValue.self, from: Data(run.trace.utf8))) ?? [] }
        let entries = try await repository.entries(of: run.id).compactMap {
            try? decoder.decode(WorkflowEntry.self, from: Data($0.utf8))
        }
        return WorkflowTrace.trace(WorkflowPlan(graph), entries, isOver: false, stopped: nil, limits: limits)
    }
}
