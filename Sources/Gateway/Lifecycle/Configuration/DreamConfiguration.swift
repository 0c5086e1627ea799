internal import Agent
internal import Certs
internal import Logging

// When does the agent tidy up by itself? The section `dream_mode`. A time of day is written `3:00`; where YAML made a number of it
// (180, in base 60), that is minutes after midnight.

/// The section `dream_mode`.
public struct DreamMode: Sendable, Equatable {
    public var isEnabled = false
    /// A schedule: five cron fields or a macro.
    public var schedule = "0 3 * * *"
    /// A name of the tz database.
    public var timeZone = "UTC"

    public init() {}

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        isEnabled =
            try section.value("enabled", "true or false") { ["true": true, "false": false][$0.lowercased()] }
            ?? isEnabled
        schedule = try section.value("time", "a time of day such as 3:00", Self.schedule) ?? schedule
        schedule =
            try section.value("cron", "a cron expression such as 0 3 * * *") { text in
                (try? Schedule(text)).map { _ in text }
            } ?? schedule
        timeZone =
            try section.value("timezone", "a time zone such as Europe/Vienna") { name in
                (try? Schedule.timeZone(name)).map { _ in name }
            } ?? timeZone
    }

    private static func schedule(atTimeOfDay text: String) -> String? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        let minutes: Int
        switch parts.count {
        case 1:
            guard let all = parts[0] else { return nil }
            minutes = all
        case 2:
            guard let hour = parts[0], let minute = parts[1], (0..<60).contains(minute), hour >= 0 else { return nil }
            minutes = hour * 60 + minute
        default: return nil
        }
        guard (0..<1_440).contains(minutes) else { return nil }
        return "\(minutes % 60) \(minutes / 60) * * *"
    }
}

extension ScheduledTasks {
    /// Makes dream mode what the configuration says.
    func follow(_ wanted: DreamMode, logger: Logger) async {
        do {
            try await keepDreamMode(
                enabled: wanted.isEnabled, schedule: wanted.schedule, timeZone: wanted.timeZone,
                owner: Principal.operator.auditName)
        } catch {
            logger.error("scheduler::dream_mode_not_kept", metadata: ["error": "\(error)"])
        }
    }
}
