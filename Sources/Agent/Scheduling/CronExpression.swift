// Which minutes does a cron expression name? Five fields and the macros, read strictly into sets of bits, and the next minute of
// a calendar that has them. Time zones are not known here: a minute is one of a wall clock without daylight saving.

/// Minutes of a calendar, as the five fields of cron say them.
struct CronExpression: Sendable, Equatable {
    private let minutes: UInt64
    private let hours: UInt64
    private let days: UInt64
    private let months: UInt64
    /// Sunday is 0.
    private let weekdays: UInt64

    /// - Throws: ``ScheduleError`` that names the field.
    init(_ text: String) throws(ScheduleError) {
        var fields = text.split(whereSeparator: \.isWhitespace)
        if fields.count == 1, fields[0].hasPrefix("@") {
            guard let expansion = Self.macros[fields[0].lowercased()] else {
                throw .unknownMacro(String(fields[0].prefix(40)))
            }
            fields = expansion.split(separator: " ")
        }
        guard fields.count == 5 else { throw .fieldCount(fields.count) }
        minutes = try CronField.minute.read(fields[0])
        hours = try CronField.hour.read(fields[1])
        days = try CronField.day.read(fields[2])
        months = try CronField.month.read(fields[3])
        let week = try CronField.weekday.read(fields[4])
        weekdays = (week | week >> 7) & CronField.weekday.everything
        guard isAnyWeekday, !isAnyDay else { return }
        let isPossible = (1...12).contains { month in
            months.has(month) && (1...CivilDate.daysOfMonth(month, leap: true)).contains { days.has($0) }
        }
        guard isPossible else { throw .neverComes }
    }

    private static let macros = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// Whether hours are left open, so that it goes on and on rather than at times of day.
    var isEveryHour: Bool { hours == CronField.hour.everything }
    private var isAnyDay: Bool { days == CronField.day.everything }
    private var isAnyWeekday: Bool { weekdays == CronField.weekday.everything }

    /// The first minute that it names within a range of wall-clock seconds, counted as if the clock had never been moved.
    ///
    /// - Parameter range: seconds since 1970-01-01 00:00 on that clock.
    /// - Returns: the second in which the minute begins; nil when there is none.
    func first(in range: Range<Int>) -> Int? {
        // The first whole minute.
        let start = (range.lowerBound + 59).flooredQuotient(by: 60)
        var date = CivilDate(day: start.flooredQuotient(by: 1_440))
        var minuteOfDay = start - date.day * 1_440
        while date.day * 86_400 < range.upperBound {
            if !months.has(date.month) {
                date = date.nextMonth
            } else {
                if isNamed(date), let minute = firstMinute(from: minuteOfDay) {
                    let second = date.day * 86_400 + minute * 60
                    return second < range.upperBound ? second : nil
                }
                date = date.nextDay
            }
            minuteOfDay = 0
        }
        return nil
    }

    /// When both kinds of day are restricted, either is enough.
    private func isNamed(_ date: CivilDate) -> Bool {
        let (byDay, byWeekday) = (days.has(date.dayOfMonth), weekdays.has(date.weekday))
        return isAnyDay || isAnyWeekday ? byDay && byWeekday : byDay || byWeekday
    }

    private func firstMinute(from minuteOfDay: Int) -> Int? {
        let (hour, minute) = minuteOfDay.quotientAndRemainder(dividingBy: 60)
        if hours.has(hour), let found = minutes.first(from: minute) { return hour * 60 + found }
        guard let later = hours.first(from: hour + 1), let found = minutes.first(from: 0) else { return nil }
        return later * 60 + found
    }
}

/// What one of the five fields may hold.
private struct CronField {
    let name: String
    let range: ClosedRange<Int>
    var names: [String] = []
    /// What all values together are, as ``CronExpression`` keeps them.
    let everything: UInt64

    private init(_ name: String, _ range: ClosedRange<Int>, _ names: [String] = [], everything: ClosedRange<Int>? = nil)
    {
        self.name = name
        self.range = range
        self.names = names
        self.everything = (everything ?? range).reduce(0) { $0 | 1 << UInt64($1) }
    }

    static let minute = CronField("minute", 0...59)
    static let hour = CronField("hour", 0...23)
    static let day = CronField("day of month", 1...31)
    static let month = CronField(
        "month", 1...12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
    /// 7 is Sunday as well.
    static let weekday = CronField(
        "day of week", 0...7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"], everything: 0...6)

    /// A list of values, ranges and steps.
    func read(_ text: Substring) throws(ScheduleError) -> UInt64 {
        guard text.utf8.count <= 256 else { throw .field(name, "it is too long") }
        var all: UInt64 = 0
        for item in text.split(separator: ",", omittingEmptySubsequences: false) { all |= try self.item(item) }
        return all
    }

    private func item(_ text: Substring) throws(ScheduleError) -> UInt64 {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, !first.isEmpty else {
            throw .field(name, "'\(text)' is not understood")
        }
        var step = 1
        if parts.count == 2 {
            guard let number = Self.number(parts[1]), (1...range.upperBound).contains(number) else {
                throw .field(name, "the step '\(parts[1])' is not from 1 to \(range.upperBound)")
            }
            step = number
        }
        let (lower, upper) = try bounds(of: first, isStepped: parts.count == 2)
        return stride(from: lower, through: upper, by: step).reduce(0) { $0 | 1 << UInt64($1) }
    }

    private func bounds(of text: Substring, isStepped: Bool) throws(ScheduleError) -> (Int, Int) {
        if text == "*" { return (range.lowerBound, names.first == "sun" ? 6 : range.upperBound) }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw .field(name, "'\(text)' is not understood") }
        let lower = try value(ends[0])
        guard ends.count == 2 else { return (lower, isStepped ? (names.first == "sun" ? 6 : range.upperBound) : lower) }
        var upper = try value(ends[1])
        // A week may end with its Sunday.
        if names.first == "sun", upper == 0, lower > 0 { upper = 7 }
        guard lower <= upper else { throw .field(name, "the range '\(text)' runs backwards") }
        return (lower, upper)
    }

    private func value(_ text: Substring) throws(ScheduleError) -> Int {
        if let place = names.firstIndex(of: text.lowercased()) { return place + (range.lowerBound == 1 ? 1 : 0) }
        guard let number = Self.number(text) else { throw .field(name, "'\(text)' is not understood") }
        guard range.contains(number) else {
            throw .field(name, "\(number) is not from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}

extension UInt64 {
    fileprivate func has(_ bit: Int) -> Bool { self & (1 << UInt64(bit)) != 0 }

    /// The lowest bit that is set, from `bit` on.
    fileprivate func first(from bit: Int) -> Int? {
        let rest = bit < 64 ? (self >> UInt64(bit)) << UInt64(bit) : 0
        return rest == 0 ? nil : rest.trailingZeroBitCount
    }
}
