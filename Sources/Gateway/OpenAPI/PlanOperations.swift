internal import Wire

// What do the routes of tasks and workflows say about themselves?

extension Operation {
    private static let enabledOnly = Parameter.query("enabled_only", .boolean, "Only what is enabled")
    /// The word for a task or workflow is the beginning of several ids.
    private static let ambiguous = 409

    // MARK: Tasks

    static let tasks = Operation(
        "The scheduled tasks in the order of their names", [enabledOnly, .limit(), .cursor], answer: TasksBody.self)
    static let createTask = Operation(
        "Make a scheduled task", body: .json(NewTask.self), answer: TaskBody.self, status: 201, errors: [409])
    static let task = Operation("A scheduled task", answer: TaskBody.self, errors: [ambiguous])
    static let changeTask = Operation(
        "Change a scheduled task; what is absent stays", body: .json(TaskPatch.self), answer: TaskBody.self,
        errors: [409])
    static let deleteTask = Operation(
        "Remove a scheduled task and its runs", answer: PlanDeleted.self, errors: [ambiguous])
    static let enableTask = Operation("Let a task fire", answer: TaskBody.self, errors: [409])
    static let disableTask = Operation("Keep a task from firing", answer: TaskBody.self, errors: [409])
    static let taskRuns = Operation(
        "A task's runs, newest first", [.limit(20), .cursor], answer: TaskRunsBody.self, errors: [ambiguous])
    static let runTask = Operation(
        "Run a task now", body: .json(TaskRunRequest.self), answer: TaskRunBody.self, errors: [ambiguous]
    ).withOptionalBody()
    static let stopTask = Operation(
        "Stop a task's run", answer: TaskRunBody.self, errors: [ambiguous])
    static let describeSchedule = Operation(
        "What a schedule means: its next times, or why it is none",
        [
            .init(
                name: "expression", schema: .string(), summary: "The schedule, as 'cron_expression' of a task",
                isRequired: true),
            .query("count", .integer(minimum: 1, maximum: 20), "How many times; 3 when absent"),
            .query("timezone", "A name such as Europe/Berlin; UTC when absent"),
        ], answer: ScheduleBody.self)

    // MARK: Workflows

    static let workflows = Operation(
        "The workflows in the order of their names",
        [
            enabledOnly, .query("has_trigger_type", "Only those with such a trigger, e.g. trigger-schedule"),
            .limit(), .cursor,
        ], answer: WorkflowsBody.self)
    static let createWorkflow = Operation(
        "Make a workflow", body: .json(NewWorkflow.self), answer: WorkflowBody.self, status: 201, errors: [409])
    static let checkGraph = Operation(
        "What is wrong with a graph", body: .json(GraphToCheck.self), answer: GraphVerdict.self)
    static let workflow = Operation("A workflow", answer: WorkflowBody.self, errors: [ambiguous])
    static let changeWorkflow = Operation(
        "Change a workflow; what is absent stays, nodes, edges and variables replace what is kept",
        body: .json(WorkflowPatch.self), answer: WorkflowBody.self, errors: [409])
    static let deleteWorkflow = Operation(
        "Remove a workflow and its runs", answer: PlanDeleted.self, errors: [ambiguous])
    static let enableWorkflow = Operation("Let a workflow start by itself", answer: WorkflowBody.self, errors: [409])
    static let disableWorkflow = Operation(
        "Keep a workflow from starting by itself", answer: WorkflowBody.self, errors: [409])
    static let blockTypes = Operation("The kinds of blocks that workflows have", answer: BlockTypesBody.self)

    // MARK: Runs

    static let runWorkflow = Operation(
        "Run a workflow", body: .json(WorkflowRunRequest.self),
        answers: [.json(WorkflowRunBody.self), .json(WorkflowRunStarted.self, status: 202)],
        errors: [ambiguous, 429, 504]
    ).withOptionalBody()
    static let stopWorkflow = Operation("Stop a workflow's runs", answer: WorkflowRunsBody.self, errors: [ambiguous])
    static let workflowRuns = Operation(
        "A workflow's runs, newest first",
        [
            .limit(20), .cursor,
            .query("status", .oneOf(["running", "success", "failed", "cancelled"]), "Only such runs"),
        ],
        answer: WorkflowRunsBody.self, errors: [ambiguous])
    static let workflowStats = Operation(
        "How a workflow's runs went",
        [.query("last", .integer(minimum: 1, maximum: 50), "How many runs to name; 10 when absent")],
        answer: WorkflowStatsBody.self, errors: [ambiguous])
    static let workflowRun = Operation("A run of a workflow", answer: WorkflowRunBody.self)
    static let stopRun = Operation("Stop a run", answer: WorkflowRunBody.self)

    // MARK: Webhooks

    static let webhooks = Operation(
        "The ways into workflows from outside, in the order of their slugs", [.limit(), .cursor],
        answer: WebhooksBody.self)
    static let createWebhook = Operation(
        "Let something from outside start a workflow; the answer holds the secret, this once",
        body: .json(NewWebhook.self), answer: WebhookBody.self, status: 201, errors: [409]
    ).withOptionalBody()
    static let rotateWebhook = Operation(
        "Make a webhook's secret anew; the old one counts no more", answer: WebhookBody.self)
    static let deleteWebhook = Operation("Remove a webhook", answer: WebhookDeleted.self)
}
