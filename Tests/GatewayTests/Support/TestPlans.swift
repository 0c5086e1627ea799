import Foundation

@testable import Store

/// A task and a workflow with runs, as if the agent had them for a while.
enum TestPlans {
    /// - Parameter id: of the task, of the workflow, and of a run of each.
    static func insert(_ id: String, into database: Store.Database) async throws {
        let tasks = TaskRepository(database)
        try await tasks.insert(
            TaskRecord(
                id: id, name: "morning", schedule: "0 9 * * *", timeZone: "Europe/Berlin", prompt: "Good morning",
                owner: "root", lastRun: 1, nextRun: 4_000_000_000, createdAt: 1, updatedAt: 1))
        try await tasks.insert(
            TaskRunRecord(
                id: id, taskID: id, trigger: "schedule", status: "success", startedAt: 1, finishedAt: 2,
                output: "Done", sessionID: "scheduler:\(id)"))
        let workflows = WorkflowRepository(database)
        let graph =
            #"{"version":1,"nodes":[{"id":"a","type":"trigger-manual","position":{"x":0,"y":0},"config":{}}],"#
            + #""edges":[],"variables":{"x":1}}"#
        try await workflows.insert(
            WorkflowRecord(
                id: id, name: "digest", graph: graph, triggerTypes: ["trigger-manual"], owner: "root", createdAt: 1,
                updatedAt: 1))
        try await workflows.insert(
            WorkflowRunRecord(
                id: id, workflowID: id, trigger: "manual", status: .failed, startedAt: 1, finishedAt: 3,
                inputs: #"{"a":1}"#, error: "it failed", trace: #"[{"node_id":"a"}]"#))
    }

    /// A workflow called `long`, whose run waits for an hour.
    static func insertLong(into database: Store.Database) async throws {
        let graph =
            #"{"nodes":[{"id":"w","type":"wait","config":{"mode":"duration","seconds":3600}}],"edges":[],"variables":{}}"#
        try await WorkflowRepository(database).insert(
            WorkflowRecord(id: "long", name: "long", graph: graph, owner: "root", createdAt: 1, updatedAt: 1))
    }
}
