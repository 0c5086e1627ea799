public import Foundation

// When does something fire? What a user wrote (cron in a time zone, an interval, one point in time) as a value that tells its next
// time. It has no clock and starts nothing: what runs tasks asks it.

/// A rule that says when something fires.
///
/// Where clocks are put forward, local times are missing: what would fire at one of them fires once, at the first instant
/// behind the gap. Where they are put back, local times come twice: an expression that names hours fires at the first of both;
/// one that leaves them open (`*/5 * * * *`) goes on through both hours.
public struct Schedule: Sendable, Equatable {
    private enum Kind: Sendable, Equatable {
        case cron(CronExpression)
        /// Seconds.
        case every(Double)
        /// Unix seconds.
        case once(Double)
    }

    private let kind: Kind
    /// Where the wall clock hangs that cron fields speak of.
    public let timeZone: TimeZone

    /// UTF-8 bytes of a text.
    public static let longest = 512
    /// Seconds of an interval: SDK-16.
    static let intervals = 1.0...(366 * 86_400)
    /// Unix seconds up to the end of the year 9999.
    static let times = 0.0...253_402_300_799

    /// - Parameter text: five cron fields, `@hourly`…`@annually`, `@every 10m`, `@once:<Unix seconds>` or `@once:<ISO 8601>`;
    ///   an ISO time without offset is one of `timeZone`.
    public init(_ text: String, timeZone: TimeZone = .gmt) throws(ScheduleError) {
        guard text.utf8.count <= Self.longest else { throw .tooLong }
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw .empty }
        self.timeZone = timeZone
        if let time = text.rest(after: "@once:") {
            kind = .once(try Self.time(time, in: timeZone))
        } else if let interval = text.rest(after: "@every") {
            kind = .every(try Self.interval(interval))
        } else {
            kind = .cron(try CronExpression(text))
        }
    }

    /// A zone of the tz database, e.g. `Europe/Berlin`.
    ///
    /// - Throws: ``ScheduleError/unknownTimeZone(_:)``
    public static func timeZone(_ name: String) throws(ScheduleError) -> TimeZone {
        guard (1...64).contains(name.utf8.count),
            name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let zone = TimeZone(identifier: name)
        else { throw .unknownTimeZone(String(name.prefix(64))) }
        return zone
    }

    /// It fires one time only.
    public var isOnce: Bool { onlyTime != nil }

    /// When it fires, if it does so one time only, in Unix seconds.
    public var onlyTime: Double? { if case .once(let time) = kind { time } else { nil } }

    /// The next time at which it fires.
    ///
    /// - Parameters:
    ///   - time: Unix seconds.
    ///   - start: from which intervals are counted, so that they keep their pace whatever a run takes; nil: from `time`.
    /// - Returns: the first time after `time`, in Unix seconds; nil when there is none up to the year 9999.
    public func next(after time: Double, countingFrom start: Double? = nil) -> Double? {
        guard time < Self.times.upperBound else { return nil }
        let time = max(time, 0)
        switch kind {
        case .once(let only): return only > time ? only : nil
        case .every(let interval):
            guard let start, start <= time else { return start ?? time + interval }
            let next = start + (((time - start) / interval).rounded(.down) + 1) * interval
            // Rounding must not give the same time again.
            return next > time ? next : next + interval
        case .cron(let cron): return next(cron, after: Int(time.rounded(.down))).map(Double.init)
        }
    }

    // MARK: Cron on a wall clock

    /// Walks through the spans in which the zone's offset from UTC stays the same: there local time is plain arithmetic.
    private func next(_ cron: CronExpression, after time: Int) -> Int? {
        var begin = time
        var repeated = 0
        // Local times that come a second time, in the span in which `time` lies.
        if !cron.isEveryHour { repeated = repetition(at: time) }
        while begin < Int(Self.times.upperBound) {
            let offset = timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(begin)))
            let end =
                timeZone.nextDaylightSavingTimeTransition(after: Date(timeIntervalSince1970: Double(begin)))
                .map { Int($0.timeIntervalSince1970) } ?? Int(Self.times.upperBound)
            guard end > begin else { return nil }
            // Only the first span holds `time` itself, which does not count; others count from their first second.
            let first = begin == time ? begin + 1 : begin
            if let found = cron.first(in: max(first + offset, repeated)..<max(end + offset, repeated)) {
                return found - offset
            }
            let next = timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(end)))
            if next > offset, cron.first(in: end + offset..<end + next) != nil { return end }
            repeated = next < offset && !cron.isEveryHour ? end + offset : Int.min
            begin = end
        }
        return nil
    }

    /// Up to which local time the wall clock at `time` shows again what it has shown before.
    private func repetition(at time: Int) -> Int {
        let now = timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
        // Clocks are put back by less than a day. Two changes within one do not happen.
        let dayBefore = Date(timeIntervalSince1970: Double(time - 86_400))
        guard let change = timeZone.nextDaylightSavingTimeTransition(after: dayBefore),
            Int(change.timeIntervalSince1970) <= time
        else { return Int.min }
        let before = timeZone.secondsFromGMT(for: dayBefore)
        return before > now ? Int(change.timeIntervalSince1970) + before : Int.min
    }

    // MARK: Reading

    private static func interval(_ text: Substring) throws(ScheduleError) -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        var (seconds, digits, isEmpty) = (0.0, "", true)
        for character in text.drop(while: \.isWhitespace).lowercased() {
            if character.isASCII, character.isNumber, digits.count < 9 {
                digits.append(character)
            } else if let unit = units[character], let number = Double(digits) {
                seconds += number * unit
                (digits, isEmpty) = ("", false)
            } else {
                throw .interval
            }
        }
        if isEmpty, let number = Double(digits) {
            seconds = number
        } else if isEmpty || !digits.isEmpty {
            throw .interval
        }
        guard intervals.contains(seconds) else { throw .interval }
        return seconds
    }

    private static func time(_ text: Substring, in zone: TimeZone) throws(ScheduleError) -> Double {
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) {
            guard let seconds = Double(text), times.contains(seconds) else { throw .time }
            return seconds
        }
        guard let moment = LocalTime.read(text) else { throw .time }
        let seconds =
            moment.offset.map { Double(moment.local - $0) } ?? Double(LocalTime.instant(moment.local, in: zone))
        guard times.contains(seconds) else { throw .time }
        return seconds
    }
}

/// Why a schedule is none.
public enum ScheduleError: Error, Equatable, CustomStringConvertible {
    case empty
    case tooLong
    case fieldCount(Int)
    case unknownMacro(String)
    case field(String, String)
    case neverComes
    case interval
    case time
    case unknownTimeZone(String)

    public var description: String {
        switch self {
        case .empty: "the schedule is empty"
        case .tooLong: "the schedule is longer than \(Schedule.longest) bytes"
        case .fieldCount(let count):
            "the cron expression has \(count) fields instead of 5: minute, hour, day of month, month, day of week"
        case .unknownMacro(let macro):
            "\(macro) is unknown: there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, "
                + "@every and @once:"
        case .field(let name, let problem): "\(name): \(problem)"
        case .neverComes: "there is no such date in any year"
        case .interval: "an interval is such as '@every 10m' or '@every 1h30m', from one second to 366 days"
        case .time: "a time is '@once:2026-12-24T18:00:00+01:00', or Unix seconds, up to the year 9999"
        case .unknownTimeZone(let name): "'\(name)' is not a time zone such as UTC or Europe/Berlin"
        }
    }
}

extension String {
    fileprivate func rest(after prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
