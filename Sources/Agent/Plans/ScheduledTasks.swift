internal import Foundation
public import Store

// What may be told the agent to do at times, and when is it due? Tasks as their users see them: checked, kept and given their next
// time. Nothing runs here; what runs them is told that something has changed.

/// The agent's scheduled tasks.
public struct ScheduledTasks: Sendable {
    /// What a new task is made of.
    public struct Draft: Sendable {
        public var name: String
        public var schedule: String
        public var prompt: String
        /// Nil: UTC.
        public var timeZone: String?
        public var model: String?
        public var catchUp = TaskRecord.CatchUp.skip
        public var isEnabled = true

        public init(name: String, schedule: String, prompt: String) {
            self.name = name
            self.schedule = schedule
            self.prompt = prompt
        }
    }

    /// What is to be different; nil stays.
    public struct Change: Sendable {
        public var name: String?
        public var schedule: String?
        public var prompt: String?
        public var timeZone: String?
        /// `.some(nil)`: the agent's default.
        public var model: String??
        public var catchUp: TaskRecord.CatchUp?
        public var isEnabled: Bool?

        public init() {}
    }

    /// UTF-8 bytes of a prompt.
    public static let longestPrompt = 64 << 10
    /// How many tasks there may be.
    public static let most = 10_000

    public let repository: TaskRepository
    let now: @Sendable () -> Double
    let changed: @Sendable () -> Void
    private let makeID: @Sendable () -> String

    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - makeID: what gives new ids; nil: random UUIDs.
    ///   - changed: called after each change, so that what runs tasks looks again.
    public init(
        _ repository: TaskRepository, now: @escaping @Sendable () -> Double,
        makeID: (@Sendable () -> String)? = nil,
        changed: @escaping @Sendable () -> Void = {}
    ) {
        self.repository = repository
        self.now = now
        self.makeID = makeID ?? { UUID().uuidString.lowercased() }
        self.changed = changed
    }

    /// - Parameter reference: an id, at least four first characters of one, or a name.
    /// - Throws: ``PlanError``
    public func task(_ reference: String) async throws -> TaskRecord {
        let id = try await repository.match(reference).id(of: reference)
        guard let task = try await repository.task(id) else { throw PlanError.notFound(reference) }
        return task
    }

    /// - Throws: ``PlanError``
    public func create(_ draft: Draft, by owner: String) async throws -> TaskRecord {
        let time = now()
        var task = TaskRecord(
            id: makeID(), name: try PlanText.name(draft.name), schedule: draft.schedule,
            timeZone: draft.timeZone ?? "UTC", prompt: draft.prompt, model: draft.model, isEnabled: draft.isEnabled,
            catchUp: draft.catchUp, owner: owner, createdAt: time, updatedAt: time)
        let schedule = try Self.checked(&task)
        task.nextRun = Self.nextRun(of: task, schedule, now: time)
        let made = task
        try await refusing { try await repository.insert(made, limit: Self.most) }
        changed()
        return task
    }

    /// - Throws: ``PlanError``; nothing is changed then.
    public func update(_ reference: String, _ change: Change) async throws -> TaskRecord {
        let id = try await repository.match(reference).id(of: reference)
        let time = now()
        let task = try await refusing {
            try await repository.update(id) { task in try Self.apply(change, to: &task, now: time) }
        }
        guard let task else { throw PlanError.notFound(reference) }
        changed()
        return task
    }

    /// - Returns: the id of what was removed.
    /// - Throws: ``PlanError``
    public func delete(_ reference: String) async throws -> String {
        let id = try await repository.match(reference).id(of: reference)
        guard try await repository.delete(id) else { throw PlanError.notFound(reference) }
        changed()
        return id
    }

    // MARK: Rules

    private static func apply(_ change: Change, to task: inout TaskRecord, now: Double) throws(PlanError) {
        let before = task
        if let name = change.name { task.name = try PlanText.name(name) }
        if let text = change.schedule { task.schedule = text }
        if let zone = change.timeZone { task.timeZone = zone }
        if let prompt = change.prompt { task.prompt = prompt }
        if let model = change.model { task.model = model }
        if let catchUp = change.catchUp { task.catchUp = catchUp }
        if let isEnabled = change.isEnabled { task.isEnabled = isEnabled }
        let schedule = try checked(&task)
        task.updatedAt = now
        let isMoved = task.schedule != before.schedule || task.timeZone != before.timeZone
        guard isMoved || task.isEnabled != before.isEnabled else { return }
        if !isMoved, task.isEnabled, schedule.isOnce, task.lastRun != nil {
            throw .conflict("it was to run once, and has: give it a new time")
        }
        task.nextRun = nextRun(of: task, schedule, now: now)
    }

    /// Checks everything that a task is made of, and writes it as it is kept.
    private static func checked(_ task: inout TaskRecord) throws(PlanError) -> Schedule {
        task.schedule = task.schedule.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !task.schedule.isEmpty else { throw .invalid("'cron_expression' is missing") }
        guard task.prompt.contains(where: { !$0.isWhitespace }) else { throw .invalid("'prompt' is missing") }
        // The database would end a text there.
        guard !task.prompt.utf8.contains(0) else { throw .invalid("'prompt' has a zero byte") }
        guard task.prompt.utf8.count <= longestPrompt else {
            throw .invalid("'prompt' is longer than \(longestPrompt >> 10) KiB")
        }
        if let model = task.model {
            try PlanText.require(model, "model", longest: 256, isLine: true)
            if model.isEmpty { task.model = nil }
        }
        do throws(ScheduleError) {
            return try Schedule(task.schedule, timeZone: Schedule.timeZone(task.timeZone))
        } catch {
            if case .unknownTimeZone = error { throw .invalid("'timezone': \(error)") }
            throw .invalid("'cron_expression': \(error)")
        }
    }

    private static func nextRun(of task: TaskRecord, _ schedule: Schedule, now: Double) -> Double? {
        guard task.isEnabled else { return nil }
        // What was to run in the past does so as soon as it can.
        return schedule.onlyTime ?? schedule.next(after: now)
    }
}
