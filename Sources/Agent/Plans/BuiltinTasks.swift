internal import Foundation
public import Store

// Which tasks has the agent without anybody having made them? Dream mode: tidying up while nobody needs it. Such a task is a row like
// others, so it is seen, run by hand and remembered like others; what it is follows the configuration.

extension ScheduledTasks {
    /// The id and the name of dream mode.
    public static let dreamMode = "dream-mode"

    private static let dreamPrompt = """
        This is your time to tidy up; nobody is waiting. Go through these one after the other, and leave out what you have no tool for:
        1. Delete temporary files of yours that are older than 24 hours.
        2. Look through the notes: merge those that say the same, and link those that belong together.
        3. Look at this machine: a disk that is more than 85 % full, memory that is nearly used up, the busiest processes.
        4. Write what you did and found into the note dream-logs/dream-log-YYYY-MM-DD.md, with today's date and `type: dream-log` \
        in its properties.
        Delete nothing that you are not sure about.
        """

    /// Makes dream mode what the configuration says. A task that is not wanted is switched off and keeps its runs.
    ///
    /// - Parameter owner: in whose name it runs.
    /// - Throws: ``PlanError``
    public func keepDreamMode(
        enabled: Bool, schedule text: String, timeZone: String, owner: String
    ) async throws {
        let time = now()
        let rule: Schedule
        do throws(ScheduleError) {
            rule = try Schedule(text, timeZone: Schedule.timeZone(timeZone))
        } catch { throw PlanError.invalid("\(error)") }
        let next = enabled ? rule.onlyTime ?? rule.next(after: time) : nil
        let isKept = try await repository.update(Self.dreamMode) { task in
            let isSame = task.schedule == text && task.timeZone == timeZone && task.isEnabled == enabled
            task.prompt = Self.dreamPrompt
            (task.schedule, task.timeZone, task.isEnabled) = (text, timeZone, enabled)
            // What stays as it was keeps its time, also one that has passed meanwhile.
            if !isSame {
                task.nextRun = next
                task.updatedAt = time
            }
        }
        if isKept == nil, enabled {
            let task = TaskRecord(
                id: Self.dreamMode, name: Self.dreamMode, schedule: text, timeZone: timeZone, prompt: Self.dreamPrompt,
                owner: owner, nextRun: next, createdAt: time, updatedAt: time)
            try await refusing { try await repository.insert(task) }
        }
        changed()
    }
}
