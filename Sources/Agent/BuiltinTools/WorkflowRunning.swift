internal import Foundation
public import JSON

// How does a tool start a workflow? As everybody does: a durable run, which is waited for by its own id, and told as far as it has come.

extension WorkflowActions {
    /// Lets the tools start runs.
    public static func running(_ runner: WorkflowRunner)
        -> @Sendable (RunRequest, ToolContext) async throws -> JSONValue
    {
        { request, context in
            // The call is recorded before it runs and has the same name after a restart.
            let begun = try await runner.start(
                workflow: request.workflowID, trigger: .ai, inputs: .object(request.inputs), by: context.handle,
                key: "\(context.turnID)/\(context.callID)")
            var run = begun
            if request.waits, let ended = try await runner.end(of: begun.id, within: request.timeLimit) { run = ended }
            var shown: [String: JSONValue] = [
                "run_id": .string(run.id), "workflow_id": .string(run.workflowID),
                "status": .string(run.status.rawValue),
            ]
            if let outputs = try? JSONDecoder().decode(JSONValue.self, from: Data(run.outputs.utf8)),
                run.status != .running
            {
                shown["outputs"] = outputs
            }
            if let error = run.error { shown["error"] = .string(error) }
            return .object(shown)
        }
    }
}
