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

    /// - Parameter workflows: nil when the agent has none.
    static func routes(_ workflows: Workflows?) -> [Route] {
        [
            .admin(.post, one + "/run", .runWorkflow, announces: .nothing(because: "nothing runs")) {
                request, context, _ in
                let wanted = try await PlanRequests.optional(
                    request, context, as: WorkflowRunRequest.self, none: .init())
                guard timeouts.contains(wanted.timeout ?? timeouts.lowerBound) else {
                    throw ErrorResponse.invalid("'timeout_s' is from 1 to 86400 seconds.")
                }
                _ = try await id(context, workflows)
                throw ErrorResponse.runsNothing
            },
            .admin(.post, one + "/stop", .stopWorkflow, announces: .nothing(because: "nothing runs")) {
                _, context, _ in
                _ = try await id(context, workflows)
                throw ErrorResponse.runsNothing
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
                return try JSON.response(try WorkflowRunBody(found))
            },
            .admin(.post, run + "/stop", .stopRun, announces: .nothing(because: "nothing runs")) { _, context, _ in
                let found = try await WorkflowRoutes.present(workflows).repository.run(try context.pathPart("id"))
                guard found != nil else { throw ErrorResponse.noRun }
                throw ErrorResponse.runsNothing
            },
            .member(.get, "/api/workflow-block-types", .blockTypes) { _, _, _ in
                try JSON.response(BlockTypesBody(blockTypes: BlockType.all.map(BlockTypesBody.BlockType.init)))
            },
        ]
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
        return try JSON.response(WorkflowRunsBody(runs: try page.map(WorkflowRunBody.init), nextCursor: next))
    }
}

extension ErrorResponse {
    fileprivate static let noRun = ErrorResponse(
        status: .notFound, code: .notFound, message: "There is no such run.",
        hint: "GET /api/workflows/{id}/runs lists those of a workflow.")
}

extension WorkflowRunBody {
    fileprivate init(_ run: WorkflowRunRecord) throws {
        self.init(
            id: run.id, workflowID: run.workflowID, trigger: run.trigger, status: run.status.rawValue,
            startedAt: run.startedAt, finishedAt: run.finishedAt, inputs: try PlanRequests.value(run.inputs),
            outputs: try PlanRequests.value(run.outputs), error: run.error, trace: try PlanRequests.value(run.trace),
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
