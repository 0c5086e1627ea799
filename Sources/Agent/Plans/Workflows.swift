internal import Foundation
public import JSON
public import Store

// Which workflows has the agent, and when do they start by themselves? Graphs are checked before they are kept, and the times that
// their blocks ask for become rows. Nothing runs here; what runs them is told that something has changed.

/// The agent's workflows.
public struct Workflows: Sendable {
    /// What a new workflow is made of.
    public struct Draft: Sendable {
        public var name: String
        public var description: String?
        /// JSON of a ``WorkflowGraph`` and whatever else editors keep in it.
        public var graph: String
        public var isEnabled = true
        public var maxConcurrentRuns: Int?

        public init(name: String, graph: String) {
            self.name = name
            self.graph = graph
        }
    }

    /// What is to be different; nil stays.
    public struct Change: Sendable {
        public var name: String?
        public var description: String??
        /// Makes the new graph out of the one that is kept.
        public var graph: (@Sendable (String) throws -> String)?
        public var isEnabled: Bool?
        public var maxConcurrentRuns: Int??

        public init() {}
    }

    /// UTF-8 bytes of a graph.
    public static let largestGraph = 1 << 20
    static let longestDescription = 4_096
    static let concurrentRuns = 1...100

    public let repository: WorkflowRepository
    private let tools: @Sendable () async -> GraphCheck.ToolCheck
    private let now: @Sendable () -> Double
    private let changed: @Sendable () -> Void
    private let makeID: @Sendable () -> String

    /// - Parameters:
    ///   - tools: what is wrong with a call of a tool, as far as somebody knows at that moment.
    ///   - now: Unix seconds.
    ///   - makeID: what gives new ids; nil: random UUIDs.
    ///   - changed: called after each change, so that what runs workflows looks again.
    public init(
        _ repository: WorkflowRepository,
        tools: @escaping @Sendable () async -> GraphCheck.ToolCheck = { { _, _, _ in nil } },
        now: @escaping @Sendable () -> Double,
        makeID: (@Sendable () -> String)? = nil,
        changed: @escaping @Sendable () -> Void = {}
    ) {
        self.repository = repository
        self.tools = tools
        self.now = now
        self.makeID = makeID ?? { UUID().uuidString.lowercased() }
        self.changed = changed
    }

    /// The id that a word stands for: an id, at least four first characters of one, or a name.
    ///
    /// - Throws: ``PlanError``
    public func id(_ reference: String) async throws -> String {
        try await repository.match(reference).id(of: reference)
    }

    /// - Throws: ``PlanError``
    public func workflow(_ reference: String) async throws -> WorkflowRecord {
        guard let workflow = try await repository.workflow(try await id(reference)) else {
            throw PlanError.notFound(reference)
        }
        return workflow
    }

    /// - Returns: what is wrong with a graph; empty: it could be kept.
    public func problems(of graph: String) async -> [GraphProblem] {
        do throws(PlanError) {
            _ = try await checked(graph)
            return []
        } catch {
            if case .graph(let problems) = error { return problems }
            return [GraphProblem(node: nil, text: error.description)]
        }
    }

    /// - Throws: ``PlanError``
    public func create(_ draft: Draft, by owner: String) async throws -> WorkflowRecord {
        let time = now()
        let graph = try await checked(draft.graph)
        var workflow = WorkflowRecord(
            id: makeID(), name: try PlanText.name(draft.name), description: draft.description, graph: draft.graph,
            triggerTypes: graph.triggerTypes, isEnabled: draft.isEnabled,
            maxConcurrentRuns: draft.maxConcurrentRuns, owner: owner, createdAt: time, updatedAt: time)
        try Self.require(workflow)
        workflow.schedules = schedules(of: graph, for: workflow, now: time)
        let made = workflow
        try await refusing { try await repository.insert(made) }
        changed()
        return workflow
    }

    /// - Throws: ``PlanError``; nothing is changed then.
    public func update(_ reference: String, _ change: Change) async throws -> WorkflowRecord {
        let id = try await id(reference)
        // A graph is checked before the transaction, which others wait for; it is tried again when somebody was faster.
        for _ in 0..<3 {
            guard let before = try await repository.workflow(id) else { throw PlanError.notFound(reference) }
            let after = try await self.after(change, of: before)
            do {
                let kept = try await refusing {
                    try await repository.update(id) { workflow in
                        guard workflow == before else { throw Overtaken() }
                        workflow = after
                    }
                }
                guard let kept else { throw PlanError.notFound(reference) }
                changed()
                return kept
            } catch is Overtaken {}
        }
        throw PlanError.conflict("somebody else changes it at the same time: try again")
    }

    /// - Returns: the id of what was removed.
    /// - Throws: ``PlanError``
    public func delete(_ reference: String) async throws -> String {
        let id = try await id(reference)
        guard try await repository.delete(id) else { throw PlanError.notFound(reference) }
        changed()
        return id
    }

    // MARK: Rules

    private struct Overtaken: Error {}

    private func after(_ change: Change, of before: WorkflowRecord) async throws -> WorkflowRecord {
        var workflow = before
        let time = now()
        if let name = change.name { workflow.name = try PlanText.name(name) }
        if let description = change.description { workflow.description = description }
        if let isEnabled = change.isEnabled { workflow.isEnabled = isEnabled }
        if let most = change.maxConcurrentRuns { workflow.maxConcurrentRuns = most }
        try Self.require(workflow)
        workflow.updatedAt = time
        if let replace = change.graph {
            workflow.graph = try replace(before.graph)
            let graph = try await checked(workflow.graph)
            workflow.triggerTypes = graph.triggerTypes
            workflow.schedules = schedules(of: graph, for: workflow, now: time)
        } else if workflow.isEnabled != before.isEnabled {
            workflow.schedules = before.schedules.map { renewed($0, isEnabled: workflow.isEnabled, now: time) }
        }
        return workflow
    }

    private static func require(_ workflow: WorkflowRecord) throws(PlanError) {
        if let description = workflow.description {
            try PlanText.require(description, "description", longest: longestDescription, isLine: false)
        }
        if let most = workflow.maxConcurrentRuns, !concurrentRuns.contains(most) {
            throw .invalid(
                "'max_concurrent_runs' is from \(concurrentRuns.lowerBound) to \(concurrentRuns.upperBound)")
        }
    }

    private func checked(_ json: String) async throws(PlanError) -> WorkflowGraph {
        guard json.utf8.count <= Self.largestGraph else {
            throw .graph([GraphProblem(node: nil, text: "it is larger than \(Self.largestGraph >> 20) MiB")])
        }
        guard let graph = try? JSONDecoder().decode(WorkflowGraph.self, from: Data(json.utf8)) else {
            throw .graph([GraphProblem(node: nil, text: "it is no graph of nodes and edges")])
        }
        let problems = GraphCheck.problems(of: graph, tools: await tools())
        guard problems.isEmpty else { throw .graph(problems) }
        return graph
    }

    /// What the blocks of a graph that was checked ask for. A block whose time stays keeps its row.
    private func schedules(
        of graph: WorkflowGraph, for workflow: WorkflowRecord, now: Double
    ) -> [WorkflowScheduleRecord] {
        let before = Dictionary(workflow.schedules.map { ($0.nodeID, $0) }) { first, _ in first }
        return graph.nodes.compactMap { node in
            guard node.type == "trigger-schedule", case .string(let text)? = node.config["cron_expression"] else {
                return nil
            }
            var zone = "UTC"
            if case .string(let name)? = node.config["timezone"] { zone = name }
            if let kept = before[node.id], kept.schedule == text, kept.timeZone == zone,
                kept.isEnabled == workflow.isEnabled
            {
                return kept
            }
            var schedule =
                before[node.id]
                ?? WorkflowScheduleRecord(
                    id: makeID(), workflowID: workflow.id, nodeID: node.id, schedule: text, createdAt: now,
                    updatedAt: now)
            if schedule.schedule != text || schedule.timeZone != zone { schedule.lastRunAt = nil }
            (schedule.schedule, schedule.timeZone) = (text, zone)
            return renewed(schedule, isEnabled: workflow.isEnabled, now: now)
        }
        .sorted { $0.nodeID < $1.nodeID }
    }

    private func renewed(_ schedule: WorkflowScheduleRecord, isEnabled: Bool, now: Double) -> WorkflowScheduleRecord {
        var renewed = schedule
        renewed.isEnabled = isEnabled
        renewed.updatedAt = now
        renewed.nextRunAt = nil
        if isEnabled, let zone = try? Schedule.timeZone(schedule.timeZone),
            let rule = try? Schedule(schedule.schedule, timeZone: zone)
        {
            // What was to run once and has does not again.
            renewed.nextRunAt =
                rule.isOnce ? (schedule.lastRunAt == nil ? rule.onlyTime : nil) : rule.next(after: now)
        }
        return renewed
    }
}
