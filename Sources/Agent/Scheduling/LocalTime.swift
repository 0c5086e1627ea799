public import Foundation

// How is a point in time written and read where people live? ISO 8601 with the zone's offset, and the local time that has none.

/// Points in time as texts.
public enum LocalTime {
    /// E.g. `2026-12-24T18:00:00+01:00`; parts of a second are left out.
    ///
    /// - Parameter time: Unix seconds.
    public static func iso(_ time: Double, in zone: TimeZone) -> String {
        let time = Int(min(max(time, 0), Schedule.times.upperBound).rounded(.down))
        let offset = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
        let local = time + offset
        let date = CivilDate(day: local.flooredQuotient(by: 86_400))
        let second = local - date.day * 86_400
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let year = String(repeating: "0", count: max(0, 4 - "\(date.year)".count)) + "\(date.year)"
        let minutes = abs(offset) / 60
        return "\(year)-\(two(date.month))-\(two(date.dayOfMonth))T\(two(second / 3_600)):\(two(second / 60 % 60)):"
            + "\(two(second % 60))\(offset < 0 ? "-" : "+")\(two(minutes / 60)):\(two(minutes % 60))"
    }

    /// Reads `2026-12-24T18:00[:05[.25]][Z|±01:00]`; a space may stand for the `T`.
    ///
    /// - Returns: the seconds that a wall clock shows, and the offset if one is written.
    static func read(_ text: Substring) -> (local: Int, offset: Int?)? {
        let form =
            /([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T| )([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?/
        guard text.utf8.count <= 64, let match = text.wholeMatch(of: form), let year = Int(match.1),
            let month = Int(match.2), let day = Int(match.3), let hour = Int(match.4), let minute = Int(match.5),
            let date = CivilDate(year: year, month: month, dayOfMonth: day), hour < 24, minute < 60
        else { return nil }
        let second = match.6.flatMap { Int($0) } ?? 0
        guard second < 60 else { return nil }
        let local = date.day * 86_400 + hour * 3_600 + minute * 60 + second
        guard let written = match.7 else { return (local, nil) }
        guard written != "Z" else { return (local, 0) }
        let digits = written.filter(\.isNumber)
        guard let hours = Int(digits.prefix(2)), let minutes = Int(digits.suffix(2)), hours < 24, minutes < 60 else {
            return nil
        }
        return (local, (written.hasPrefix("-") ? -1 : 1) * (hours * 3_600 + minutes * 60))
    }

    /// The first instant at which a wall clock shows this, or, where it never does, at which it goes on behind the gap.
    static func instant(_ local: Int, in zone: TimeZone) -> Int {
        func offset(_ instant: Int) -> Int { zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant))) }
        // Zones lie within a day of UTC: what holds a day before and after are the two offsets in question.
        let (before, after) = (offset(local - 86_400), offset(local + 86_400))
        for candidate in [local - max(before, after), local - min(before, after)]
        where candidate + offset(candidate) == local { return candidate }
        let change = zone.nextDaylightSavingTimeTransition(
            after: Date(timeIntervalSince1970: Double(local - max(before, after) - 1)))
        return change.map { Int($0.timeIntervalSince1970) } ?? local - after
    }
}
