internal import Agent
internal import Foundation
internal import Hummingbird
internal import Store
internal import Wire

// Which workflows has the agent, and how are they changed? For admins: they act as the agent while nobody watches, and blocks may
// hold what is secret. What a graph means is the agent's business; here are only requests and answers.

enum WorkflowRoutes {
    private static let path = "/api/workflows"
    private static let one = path + "/{id}"

    /// - Parameters:
    ///   - workflows: nil when the agent has none.
    ///   - runner: nil when nobody runs them.
    static func routes(_ workflows: Workflows?, runner: WorkflowRunner?) -> [Route] {
        let updated = Announcement.updated(.workflow, to: .admins)
        let update: @Sendable (Request, GatewayContext, Caller) async throws -> Response = { request, context, _ in
            try await change(present(workflows), context) {
                try await request.decode(as: WorkflowPatch.self, context: context).change
            }
        }
        return [
            .admin(.get, path, .workflows) { request, _, _ in try await list(request, present(workflows)) },
            .admin(.post, path, .createWorkflow, announces: .created(.workflow, to: .admins)) {
                request, context, caller in
                try await create(request, context, caller, present(workflows))
            },
            .member(.post, path + "/validate", .checkGraph, announces: .nothing(because: "it only looks")) {
                request, context, _ in
                let wanted = try await request.decode(as: GraphToCheck.self, context: context)
                let graph = WorkflowGraphBody(
                    nodes: wanted.nodes ?? [], edges: wanted.edges ?? [], variables: wanted.variables ?? [:])
                let problems = try await present(workflows).problems(of: try graph.text)
                return try JSON.response(
                    GraphVerdict(problems: problems.prefix(1_000).map { .init(node: $0.node, problem: $0.text) }))
            },
            .admin(.get, one, .workflow) { _, context, _ in
                let word = try context.pathPart("id")
                let workflow = try await answering { try await present(workflows).workflow(word) }
                return try JSON.response(try WorkflowBody(workflow))
            },
            .admin(.patch, one, .changeWorkflow, announces: updated, update),
            .admin(.put, one, .changeWorkflow, announces: updated, update),
            .admin(.delete, one, .deleteWorkflow, announces: .deleted(.workflow, to: .admins)) { _, context, _ in
                let word = try context.pathPart("id")
                let found = try await answering { try await present(workflows).id(word) }
                _ = try await runner?.stop(workflow: found)
                let id = try await answering { try await present(workflows).delete(found) }
                context.announced.set(id: id)
                return try JSON.response(PlanDeleted(id: id))
            },
            .admin(.post, one + "/enable", .enableWorkflow, announces: updated) { _, context, _ in
                try await change(present(workflows), context) { .enabled(true) }
            },
            .admin(.post, one + "/disable", .disableWorkflow, announces: updated) { _, context, _ in
                try await change(present(workflows), context) { .enabled(false) }
            },
        ]
    }

    // MARK: One workflow

    private static func create(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, _ workflows: Workflows
    ) async throws -> Response {
        let wanted = try await request.decode(as: NewWorkflow.self, context: context)
        let graph = WorkflowGraphBody(
            nodes: wanted.nodes ?? [], edges: wanted.edges ?? [], variables: wanted.variables ?? [:])
        var draft = Workflows.Draft(name: wanted.name, graph: try graph.text)
        draft.description = wanted.description
        draft.isEnabled = wanted.enabled ?? true
        draft.maxConcurrentRuns = wanted.maxConcurrentRuns
        let (new, owner) = (draft, caller.handle)
        let workflow = try await answering { try await workflows.create(new, by: owner) }
        context.announced.set(id: workflow.id)
        return try JSON.response(try WorkflowBody(workflow), status: .created)
    }

    private static func change(
        _ workflows: Workflows, _ context: GatewayContext, _ change: () async throws -> Workflows.Change
    ) async throws -> Response {
        let word = try context.pathPart("id")
        let wanted = try await change()
        let workflow = try await answering { try await workflows.update(word, wanted) }
        context.announced.set(id: workflow.id)
        return try JSON.response(try WorkflowBody(workflow))
    }

    private static func list(_ request: Request, _ workflows: Workflows) async throws -> Response {
        let asked = try request.page(by: String.self)
        let type = try request.queryValue("has_trigger_type")
        if let type, BlockType.named(type)?.isTrigger != true {
            let known = BlockType.all.filter(\.isTrigger).map(\.name).joined(separator: ", ")
            throw ErrorResponse.invalid("'has_trigger_type' is one of: \(known).")
        }
        let rows = try await workflows.repository.workflows(
            after: asked.after, limit: asked.limit, enabledOnly: try request.queryFlag("enabled_only"),
            triggerType: type)
        let (page, next) = try asked.page(of: rows, key: \.name)
        return try JSON.response(WorkflowsBody(workflows: try page.map(WorkflowBody.init), nextCursor: next))
    }

    // MARK: Requests

    static func present(_ workflows: Workflows?) throws(ErrorResponse) -> Workflows {
        guard let workflows else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent has no workflows.")
        }
        return workflows
    }

    static func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
        try await PlanRequests.answering("GET /api/workflows lists what there is.", body)
    }
}

extension Workflows.Change {
    fileprivate static func enabled(_ isEnabled: Bool) -> Self {
        var change = Self()
        change.isEnabled = isEnabled
        return change
    }
}

extension WorkflowPatch {
    fileprivate var change: Workflows.Change {
        var change = Workflows.Change()
        change.name = name
        change.description = description
        change.isEnabled = enabled
        change.maxConcurrentRuns = maxConcurrentRuns
        if nodes != nil || edges != nil || variables != nil {
            change.graph = { text in
                var graph = try WorkflowGraphBody(text: text)
                if let nodes { graph.nodes = nodes }
                if let edges { graph.edges = edges }
                if let variables { graph.variables = variables }
                return try graph.text
            }
        }
        return change
    }
}

extension WorkflowGraphBody {
    fileprivate init(text: String) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    }

    /// As it is kept.
    fileprivate var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(complete), as: UTF8.self)
        }
    }
}

extension WorkflowBody {
    fileprivate init(_ workflow: WorkflowRecord) throws {
        self.init(
            id: workflow.id, name: workflow.name, description: workflow.description,
            graph: try WorkflowGraphBody(text: workflow.graph), enabled: workflow.isEnabled,
            maxConcurrentRuns: workflow.maxConcurrentRuns, owner: workflow.owner, lastRunAt: workflow.lastRunAt,
            createdAt: workflow.createdAt, updatedAt: workflow.updatedAt, triggerTypes: workflow.triggerTypes,
            schedules: workflow.schedules.map { schedule in
                Schedule(
                    id: schedule.id, workflowID: schedule.workflowID, nodeID: schedule.nodeID,
                    cronExpression: schedule.schedule, timezone: schedule.timeZone, nextRunAt: schedule.nextRunAt,
                    lastRunAt: schedule.lastRunAt, enabled: schedule.isEnabled, createdAt: schedule.createdAt,
                    updatedAt: schedule.updatedAt, iso: PlanRequests.iso(in: schedule.timeZone))
            }, iso: PlanRequests.iso(in: "UTC"))
    }
}
