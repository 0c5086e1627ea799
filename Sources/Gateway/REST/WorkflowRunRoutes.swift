internal import Agent
internal import Hummingbird
internal import JSON
internal import Store
internal import Wire

// How did a workflow's runs go, and what can its blocks be? Runs for admins; the table of blocks for everybody who draws one.

enum WorkflowRunRoutes {
    private static let one = "/api/workflows/{id}"
    private static let run = "/api/workflow-runs/{id}"
    private static let timeouts = 1.0...86_400

    /// - Parameters:
    ///   - workflows: nil when the agent has none.
    ///   - runner: nil when nobody runs them.
    static func routes(_ workflows: Workflows?, runner: WorkflowRunner?) -> [Route] {
        [
            .admin(.post, one + "/run", .runWorkflow, announces: told) { request, context, caller in
                try await start(request, context, caller, workflows, runner)
            },
            .admin(.post, one + "/stop", .stopWorkflow, announces: told) { _, context, _ in
                let id = try await id(context, workflows)
                let stopped = try await present(runner).stop(workflow: id)
                return try JSON.response(
                    WorkflowRunsBody(runs: try stopped.map { try WorkflowRunBody($0) }, nextCursor: nil))
            },
            .admin(.get, one + "/runs", .workflowRuns) { request, context, _ in
                try await runs(request, context, workflows)
            },
            .admin(.get, one + "/stats", .workflowStats) { request, context, _ in
                let last = try request.queryNumber("last", in: 1...50) ?? 10
                let id = try await id(context, workflows)
                let all = try await WorkflowRoutes.present(workflows).repository.statistics(of: id, last: last)
                let iso = PlanRequests.iso(in: "UTC")
                return try JSON.response(
                    WorkflowStatsBody(
                        success: all.counts[.success] ?? 0, failed: all.counts[.failed] ?? 0,
                        cancelled: all.counts[.cancelled] ?? 0, running: all.counts[.running] ?? 0,
                        averageDuration: all.averageDuration,
                        last: all.last.map { run in
                            .init(
                                id: run.id, status: run.status.rawValue, startedAt: run.startedAt,
                                finishedAt: run.finishedAt, iso: iso)
                        }))
            },
            .admin(.get, run, .workflowRun) { _, context, _ in
                let found = try await WorkflowRoutes.present(workflows).repository.run(try context.pathPart("id"))
                guard let found else { throw ErrorResponse.noRun }
                return try JSON.response(try WorkflowRunBody(found, trace: try await runner?.trace(of: found)))
            },
            .admin(.post, run + "/stop", .stopRun, announces: told) { _, context, _ in
                let id = try context.pathPart("id")
                guard try await WorkflowRoutes.present(workflows).repository.run(id) != nil else {
                    throw ErrorResponse.noRun
                }
                guard let stopped = try await present(runner).stop(run: id) else { throw ErrorResponse.noRun }
                return try JSON.response(try WorkflowRunBody(stopped))
            },
            .member(.get, "/api/workflow-block-types", .blockTypes) { _, _, _ in
                try JSON.response(BlockTypesBody(blockTypes: BlockType.all.map(BlockTypesBody.BlockType.init)))
            },
        ]
    }

    private static let told = Announcement.nothing(because: "the runner itself tells when runs begin and end")

    private static func present(_ runner: WorkflowRunner?) throws(ErrorResponse) -> WorkflowRunner {
        guard let runner else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "Nobody serves this agent.",
                hint: "Start it with: openagent serve DIR")
        }
        return runner
    }

    private static func start(
        _ request: Request, _ context: GatewayContext, _ caller: Caller, _ workflows: Workflows?,
        _ runner: WorkflowRunner?
    ) async throws -> Response {
        let wanted = try await PlanRequests.optional(request, context, as: WorkflowRunRequest.self, none: .init())
        guard timeouts.contains(wanted.timeout ?? timeouts.lowerBound) else {
            throw ErrorResponse.invalid("'timeout_s' is from 1 to 86400 seconds.")
        }
        let id = try await id(context, workflows)
        let runner = try present(runner)
        let begun = try await WorkflowRoutes.answering {
            try await runner.start(
                workflow: id, trigger: .manual, inputs: .object(wanted.inputs ?? [:]), by: caller.handle)
        }
        guard wanted.wait ?? true else {
            return try JSON.response(
                WorkflowRunStarted(runID: begun.id, status: begun.status.rawValue), status: .accepted)
        }
        // This run and no other one, however many there are.
        guard let run = try await runner.end(of: begun.id, within: .seconds(wanted.timeout ?? 300)) else {
            throw ErrorResponse.noRun
        }
        guard run.status != .running else {
            throw ErrorResponse(
                status: .gatewayTimeout, code: .timedOut, message: "The run \(run.id) has not ended yet; it goes on.",
                hint: "GET /api/workflow-runs/\(run.id) says how it went.")
        }
        return try JSON.response(try WorkflowRunBody(run))
    }

    private static func id(_ context: GatewayContext, _ workflows: Workflows?) async throws -> String {
        let word = try context.pathPart("id")
        return try await WorkflowRoutes.answering { try await WorkflowRoutes.present(workflows).id(word) }
    }

    private static func runs(
        _ request: Request, _ context: GatewayContext, _ workflows: Workflows?
    ) async throws -> Response {
        let asked = try request.page(by: RunPosition.self, usual: 20)
        let status = try request.queryWord("status")
        let wanted = status.flatMap(WorkflowRunRecord.Status.init)
        guard status == nil || wanted != nil else {
            let known = WorkflowRunRecord.Status.allCases.map(\.rawValue).joined(separator: ", ")
            throw ErrorResponse.invalid("'status' is one of: \(known).")
        }
        let id = try await id(context, workflows)
        let rows = try await WorkflowRoutes.present(workflows).repository.runs(
            of: id, before: asked.after, limit: asked.limit, status: wanted)
        let (page, next) = try asked.page(of: rows) { RunPosition(startedAt: $0.startedAt, id: $0.id) }
        return try JSON.response(WorkflowRunsBody(runs: try page.map { try WorkflowRunBody($0) }, nextCursor: next))
    }
}

extension ErrorResponse {
    fileprivate static let noRun = ErrorResponse(
        status: .notFound, code: .notFound, message: "There is no such run.",
        hint: "GET /api/workflows/{id}/runs lists those of a workflow.")
}

extension WorkflowRunBody {
    /// - Parameter trace: of a run that has not ended.
    fileprivate init(_ run: WorkflowRunRecord, trace: JSONValue? = nil) throws {
        self.init(
            id: run.id, workflowID: run.workflowID, trigger: run.trigger, status: run.status.rawValue,
            startedAt: run.startedAt, finishedAt: run.finishedAt, inputs: try PlanRequests.value(run.inputs),
            outputs: try PlanRequests.value(run.outputs), error: run.error,
            trace: try trace ?? PlanRequests.value(run.trace),
            iso: PlanRequests.iso(in: "UTC"))
    }
}

extension BlockTypesBody.BlockType {
    fileprivate init(_ type: BlockType) {
        self.init(
            type: type.name, category: type.category.rawValue, description: type.summary,
            configSchema: [
                "type": "object",
                "properties": .object(
                    Dictionary(type.fields.map { ($0.name, $0.schema) }) { first, _ in first }),
                "required": .array(type.fields.filter(\.isRequired).map { .string($0.name) }),
            ], sourceHandles: type.sourceHandles, targetHandles: type.targetHandles, outputShape: type.output)
    }
}

extension BlockType.Field {
    fileprivate var schema: JSONValue {
        var fields: [String: JSONValue] =
            switch kind {
            case .text: ["type": "string"]
            case .expression: ["type": "string", "format": "expression"]
            case .schedule: ["type": "string", "format": "schedule"]
            case .timeZone: ["type": "string", "format": "timezone"]
            case .integer(let range):
                [
                    "type": "integer", "minimum": .integer(Int64(range.lowerBound)),
                    "maximum": .integer(Int64(range.upperBound)),
                ]
            case .number(let range):
                ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
            case .choice(let texts): ["type": "string", "enum": .array(texts.map(JSONValue.string))]
            case .object: ["type": "object"]
            case .any: [:]
            }
        fields["description"] = .string(summary)
        if let usual { fields["default"] = usual }
        return .object(fields)
    }
}
