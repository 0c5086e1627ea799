internal import Foundation
internal import JSON
internal import Store

// How does the agent give itself something to do later? With tasks, as an administrator does: they act while nobody watches, so only
// administrators' turns see and change them.

/// The tools of the server `scheduler`.
struct ScheduleTools: Sendable {
    let tasks: ScheduledTasks
    /// Unix seconds.
    let now: @Sendable () -> Double

    private static let longestDelay = 366 * 86_400
    private static let task = ToolParameter.text(
        "task_id", "The task's id, its first characters, or its name", required: true)
    private static let schedule = ToolParameter.text(
        "cron_expression", "Five cron fields, @hourly, @daily, @every 10m, or @once:2026-12-24T18:00:00+01:00")
    private static let zone = ToolParameter.text("timezone", "Of cron fields, e.g. Europe/Berlin; usually UTC")
    private static let model = ToolParameter.text("model", "Which model answers; usually the default")

    static func server(_ tasks: ScheduledTasks, now: @escaping @Sendable () -> Double) -> BuiltinServer {
        let tools = ScheduleTools(tasks: tasks, now: now)
        return BuiltinServer("scheduler", tools.reading + tools.changing)
    }

    private var reading: [BuiltinTool] {
        [
            BuiltinTool(
                "list_scheduled_tasks", .query, "Lists tasks in the order of their names",
                [
                    .flag("enabled_only", "Leaves out those that are switched off"),
                    .text("after", "Goes on behind this name"),
                ],
                needsAdmin: true
            ) { arguments, _ in
                let page = try await tasks.repository.tasks(
                    after: try arguments.optionalText("after"), limit: 100,
                    enabledOnly: try arguments.flag("enabled_only", usual: false))
                return [
                    "tasks": .array(page.rows.prefix(100).map { Self.shown($0, short: true) }),
                    "has_more": .bool(page.isCut || page.rows.count > 100),
                ]
            },
            BuiltinTool("get_scheduled_task", .query, "Shows a task", [Self.task], needsAdmin: true) { arguments, _ in
                Self.shown(try await tasks.task(arguments.text("task_id")))
            },
            BuiltinTool(
                "describe_cron", .query, "Tells when a schedule fires next",
                [
                    .text("cron_expression", "The schedule", required: true), .integer("count", 1...20, "Usually 3"),
                    Self.zone,
                ]
            ) { arguments, _ in
                let zone = try Schedule.timeZone(arguments.optionalText("timezone") ?? "UTC")
                let schedule = try Schedule(arguments.text("cron_expression"), timeZone: zone)
                var (times, time): ([JSONValue], Double) = ([], now())
                while try times.count < arguments.integer("count", in: 1...20, usual: 3),
                    let next = schedule.next(after: time)
                {
                    times.append(.string(Self.iso(next)))
                    time = next
                }
                return ["next_runs": .array(times), "timezone": .string(zone.identifier)]
            },
        ]
    }

    private var changing: [BuiltinTool] {
        [
            BuiltinTool(
                "create_scheduled_task", .action, "Makes a task that gives the agent a prompt at times",
                [
                    .text("name", "What it is called", required: true),
                    .text("cron_expression", "When, as in describe_cron", required: true),
                    .text("prompt", "What the agent is told then", required: true), Self.zone, Self.model,
                ], needsAdmin: true
            ) { arguments, context in
                var draft = ScheduledTasks.Draft(
                    name: try arguments.text("name"), schedule: try arguments.text("cron_expression"),
                    prompt: try arguments.text("prompt"))
                draft.timeZone = try arguments.optionalText("timezone")
                draft.model = try arguments.optionalText("model")
                return Self.shown(try await tasks.create(draft, by: context.handle))
            },
            BuiltinTool(
                "create_one_shot_task", .action, "Makes a task that runs once: give delay_seconds or run_at_iso",
                [
                    .text("name", "What it is called", required: true),
                    .text("prompt", "What the agent is told then", required: true),
                    .integer("delay_seconds", 0...Self.longestDelay, "How long from now"),
                    .text("run_at_iso", "When, e.g. 2026-12-24T18:00:00+01:00"), Self.zone, Self.model,
                ], needsAdmin: true
            ) { arguments, context in
                let delay = try arguments.optionalInteger("delay_seconds", in: 0...Self.longestDelay)
                let time = try arguments.optionalText("run_at_iso")
                let schedule: String
                switch (delay, time) {
                case (let delay?, nil): schedule = "@once:\(Self.plain(now() + Double(delay)))"
                case (nil, let time?): schedule = "@once:\(time)"
                default: throw ToolRefusal("give either 'delay_seconds' or 'run_at_iso'")
                }
                var draft = ScheduledTasks.Draft(
                    name: try arguments.text("name"), schedule: schedule, prompt: try arguments.text("prompt"))
                draft.timeZone = try arguments.optionalText("timezone")
                draft.model = try arguments.optionalText("model")
                return Self.shown(try await tasks.create(draft, by: context.handle))
            },
            BuiltinTool(
                "update_scheduled_task", .action, "Changes what is given of a task",
                [
                    Self.task, .text("name", "Its new name"), Self.schedule, .text("prompt", "What the agent is told"),
                    .flag("enabled", "Whether it runs by itself"), Self.zone, Self.model,
                ], needsAdmin: true
            ) { arguments, _ in
                var change = ScheduledTasks.Change()
                change.name = try arguments.optionalText("name")
                change.schedule = try arguments.optionalText("cron_expression")
                change.prompt = try arguments.optionalText("prompt")
                change.isEnabled = try arguments.optionalFlag("enabled")
                change.timeZone = try arguments.optionalText("timezone")
                if let model = try arguments.optionalText("model") { change.model = model }
                return Self.shown(try await tasks.update(arguments.text("task_id"), change))
            },
            BuiltinTool("delete_scheduled_task", .action, "Deletes a task", [Self.task], needsAdmin: true) {
                arguments, _ in ["deleted": .string(try await tasks.delete(arguments.text("task_id")))]
            },
        ]
    }

    /// Without the exponent that large numbers get.
    private static func plain(_ time: Double) -> String { String(Int64(time.rounded(.up))) }

    static func iso(_ time: Double) -> String { Date(timeIntervalSince1970: time).formatted(.iso8601) }

    /// - Parameter short: leaves out most of a long prompt.
    private static func shown(_ task: TaskRecord, short: Bool = false) -> JSONValue {
        [
            "id": .string(task.id), "name": .string(task.name), "cron_expression": .string(task.schedule),
            "timezone": .string(task.timeZone), "enabled": .bool(task.isEnabled), "owner": .string(task.owner),
            "prompt": .string(short ? String(task.prompt.prefix(200)) : task.prompt),
            "model": JSONValue(task.model), "next_run": JSONValue(task.nextRun.map(iso)),
            "last_run": JSONValue(task.lastRun.map(iso)),
        ]
    }
}
