import Foundation
import Testing

@testable import Agent

// When does something fire? The reference's vectors, a wall clock that is put forward and back, and every minute looked at.

@Suite struct ScheduleTests {
    struct Vectors: Decodable {
        struct Valid: Decodable {
            var expression: String
            var next: [Double]
        }
        var base: Double
        var valid: [Valid]
        var invalid: [String]
    }

    private static func vectors() throws -> Vectors {
        let file = try #require(
            Bundle.module.url(forResource: "cron", withExtension: "json", subdirectory: "Vectors"))
        return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    }

    private static func next(_ text: String, _ zone: String = "UTC", after time: String, count: Int = 1) throws
        -> [String]
    {
        let zone = try Schedule.timeZone(zone)
        let schedule = try Schedule(text, timeZone: zone)
        var now = try #require(try Date(time, strategy: .iso8601)).timeIntervalSince1970
        var times: [String] = []
        while times.count < count, let time = schedule.next(after: now) {
            times.append(LocalTime.iso(time, in: zone))
            now = time
        }
        return times
    }

    @Test func everyVectorOfTheReferenceFiresWhenItSays() throws {
        let vectors = try Self.vectors()
        #expect(vectors.valid.count > 20)
        for vector in vectors.valid {
            let schedule = try Schedule(vector.expression)
            var (times, now) = ([Double](), vectors.base)
            while times.count < vector.next.count, let time = schedule.next(after: now) {
                times.append(time)
                now = time
            }
            #expect(times == vector.next, "\(vector.expression)")
        }
    }

    @Test func whatTheReferenceRefusesIsRefused() throws {
        let vectors = try Self.vectors()
        #expect(vectors.invalid.count > 10)
        for text in vectors.invalid { #expect(throws: ScheduleError.self, "\(text)") { try Schedule(text) } }
    }

    @Test(arguments: [
        "* * * * * *", "R R * * *", "0 0 31 2,4,6,9,11 *", "0 0 L * *", "0 0 ? * *", "0 0 * * 5#2", "5-1 * * * *",
        "1,,2 * * * *", ",1 * * * *", "-1 * * * *", "1- * * * *", "1-2-3 * * * *", "*/ * * * *", "*/5/2 * * * *",
        "*/61 * * * *", "/5 * * * *", "+1 * * * *", "٣ * * * *", "1.5 * * * *", "99999999999999999999 * * * *",
        "* * * foo *", "* * * * fri-mon", "* * jan * *", "@weekly 1", "@every", "@every 0s", "@every 0", "@every 500ms",
        "@every -1m", "@every 1x", "@every 5m3", "@every 367d", "@every 999999999w", "@every 9999999999s", "@once:",
        "@once:soon", "@once:-5", "@once:1e99", "@once:nan", "@once:253402300800", "@once:2026-02-30T00:00",
        "@once:2026-12-24T24:00", "@once:2026-12-24T18:00+99:00", "@once:2026-12-24", "* * * * *\u{0}",
        String(repeating: "1,", count: 300) + "1 * * * *", String(repeating: "*", count: 1_000_000),
    ])
    func nonsenseIsRefusedWithWords(_ text: String) throws {  // P-78: `0s` is refused.
        do {
            let schedule = try Schedule(text)
            Issue.record("\(text.prefix(40)) is \(schedule)")
        } catch { #expect(!error.description.isEmpty && error.description.utf8.count < 300) }
    }

    @Test func theErrorNamesTheField() throws {
        for (text, words) in [
            ("60 * * * *", "minute: 60"), ("* * * 13 *", "month: 13"), ("* * * * 8", "day of week: 8"),
            ("* * 0 * *", "day of month: 0"), ("* * *", "3 fields"), ("0 0 30 2 *", "no such date"),
        ] {
            let error = try #require(throws: ScheduleError.self) { try Schedule(text) }
            #expect(error.description.contains(words), "\(error)")
        }
    }

    @Test func namesListsAndStepsMeanTheSameAsNumbers() throws {
        for (one, other) in [
            ("0 0 * * SUN", "0 0 * * 7"), ("0 0 * * fri-sun", "0 0 * * 0,5,6"), ("0 0 * * 5-7", "0 0 * * 0,5,6"),
            ("0 0 * * 0-7", "0 0 * * *"), ("0 0 * * */2", "0 0 * * 0,2,4,6"), ("0 0 * Dec *", "0 0 * 12 *"),
            ("0 0 1-31 * 1", "0 0 * * 1"), ("10-20/5 * * * *", "10,15,20 * * * *"), ("@hourly", "0 * * * *"),
            ("@DAILY", "0 0 * * *"),
        ] {
            #expect(
                try Self.next(one, after: "2026-11-21T22:00:00Z", count: 20)
                    == Self.next(other, after: "2026-11-21T22:00:00Z", count: 20), "\(one)")
        }
    }

    // MARK: Wall clocks

    @Test func aLocalTimeThatIsMissingFiresBehindTheGapOnce() throws {
        // In Berlin 2026-03-29 has no 02:00 to 02:59.
        #expect(
            try Self.next("30 2 * * *", "Europe/Berlin", after: "2026-03-28T12:00:00Z", count: 2) == [
                "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00",
            ])
        #expect(
            try Self.next("0,30 2,3 * * *", "Europe/Berlin", after: "2026-03-29T00:30:00Z", count: 3) == [
                "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00",
            ])
        #expect(
            try Self.next("*/30 * * * *", "Europe/Berlin", after: "2026-03-29T00:10:00Z", count: 3) == [
                "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00",
            ])
        // A day that is missing altogether: Samoa had no 30 December 2011.
        #expect(
            try Self.next("0 12 30 12 *", "Pacific/Apia", after: "2011-12-29T00:00:00Z") == [
                "2011-12-31T00:00:00+14:00"
            ])
    }

    @Test func aLocalTimeThatComesTwiceFiresOnceUnlessHoursAreOpen() throws {
        // In Berlin 2026-10-25 has 02:00 to 02:59 twice.
        #expect(
            try Self.next("30 2 * * *", "Europe/Berlin", after: "2026-10-24T12:00:00Z", count: 2) == [
                "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00",
            ])
        // Asked between the two, within the second, and at its end.
        for time in ["2026-10-25T00:45:00Z", "2026-10-25T01:10:00Z", "2026-10-25T01:59:59Z"] {
            #expect(
                try Self.next("30 2 * * *", "Europe/Berlin", after: time) == ["2026-10-26T02:30:00+01:00"], "\(time)")
        }
        #expect(
            try Self.next("0 2,3 * * *", "Europe/Berlin", after: "2026-10-24T23:00:00Z", count: 3) == [
                "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-26T02:00:00+01:00",
            ])
        #expect(
            try Self.next("*/30 * * * *", "Europe/Berlin", after: "2026-10-25T00:10:00Z", count: 4) == [
                "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
                "2026-10-25T03:00:00+01:00",
            ])
    }

    @Test func aTimeZoneIsOneOfTheDatabase() throws {
        for name in ["", "Mars/Base", "../etc/passwd", "Europe/Berlin\u{0}", String(repeating: "a", count: 65), "+25"] {
            #expect(throws: ScheduleError.self, "\(name)") { try Schedule.timeZone(name) }
        }
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
            _ = try Schedule.timeZone(name)
        }
        #expect(
            try Self.next("0 9 * * *", "Asia/Kathmandu", after: "2026-01-01T00:00:00Z") == ["2026-01-01T09:00:00+05:45"]
        )
        #expect(
            try Self.next("0 9 * * *", "America/St_Johns", after: "2026-01-01T00:00:00Z") == [
                "2026-01-01T09:00:00-03:30"
            ])
    }

    // MARK: Every minute

    /// Fields as sets, made together with their text.
    private struct Fields {
        var text: String
        var sets: [Set<Int>]

        init(_ random: inout SplitMix) {
            let ranges = [0...59, 0...23, 1...31, 1...12, 0...6]
            var (texts, sets) = ([String](), [Set<Int>]())
            for (place, range) in ranges.enumerated() {
                // Minutes are never open, months and days mostly.
                let kind = Int.random(in: 0...(place > 1 ? 9 : 4), using: &random)
                switch kind {
                case 0:
                    let lower = Int.random(in: range, using: &random)
                    let upper = Int.random(in: lower...range.upperBound, using: &random)
                    texts.append("\(lower)-\(upper)")
                    sets.append(Set(lower...upper))
                case 1:
                    let step = Int.random(in: 1...(range.upperBound / 2), using: &random)
                    texts.append("*/\(step)")
                    sets.append(Set(stride(from: range.lowerBound, through: range.upperBound, by: step)))
                case 2, 3:
                    let values = (0..<3).map { _ in Int.random(in: range, using: &random) }
                    texts.append(values.map(String.init).joined(separator: ","))
                    sets.append(Set(values))
                default:
                    texts.append("*")
                    sets.append(Set(range))
                }
            }
            text = texts.joined(separator: " ")
            self.sets = sets
        }

        private static let calendar: Calendar = {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            return calendar
        }()

        func match(local: Int) -> Bool {
            let parts = Self.calendar.dateComponents(
                [.minute, .hour, .day, .month, .weekday], from: Date(timeIntervalSince1970: Double(local)))
            guard sets[0].contains(parts.minute!), sets[1].contains(parts.hour!), sets[3].contains(parts.month!) else {
                return false
            }
            let (day, weekday) = (sets[2].contains(parts.day!), sets[4].contains(parts.weekday! - 1))
            return sets[2].count == 31 || sets[4].count == 7 ? day && weekday : day || weekday
        }

        /// Whether it fires at this minute, by definition and not by walking.
        func fires(at time: Int, in zone: TimeZone) -> Bool {
            func local(_ time: Int) -> Int {
                time + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time)))
            }
            let now = local(time)
            let isRepeated = [1_800, 3_600].contains { local(time - $0) == now }
            if match(local: now), sets[1].count == 24 || !isRepeated { return true }
            return stride(from: local(time - 60) + 60, to: now, by: 60).contains { match(local: $0) }
        }
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test(
        "the next time is later and matches, and no minute in between does",
        arguments: [
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
        ])
    func nothingIsLeftOut(_ name: String) throws {
        let zone = try Schedule.timeZone(name)
        var random = SplitMix(state: UInt64(name.utf8.count))
        // Around both changes of the clocks in 2026 as often as anywhere.
        let changes = sequence(first: Date(timeIntervalSince1970: 1_767_225_600)) {
            zone.nextDaylightSavingTimeTransition(after: $0)
        }.prefix(3).map { Int($0.timeIntervalSince1970) }
        var found = 0
        for _ in 0..<150 {
            let fields = Fields(&random)
            guard let schedule = try? Schedule(fields.text, timeZone: zone) else { continue }
            let change = changes.randomElement(using: &random) ?? 0
            let time = change + Int.random(in: -7_200...7_200, using: &random)
            let next = schedule.next(after: Double(time)).map(Int.init)
            // Three days at most: the rest is the vectors' business.
            let end = min(next ?? Int.max, time + 3 * 86_400)
            for minute in stride(from: (time / 60 + 1) * 60, to: end, by: 60) where fields.fires(at: minute, in: zone) {
                Issue.record(
                    "\(fields.text) in \(name) after \(time) fires at \(minute), not only at \(String(describing: next))"
                )
                break
            }
            guard let next, next < time + 3 * 86_400 else { continue }
            found += 1
            #expect(next > time && fields.fires(at: next, in: zone), "\(fields.text) in \(name) after \(time): \(next)")
        }
        #expect(found > 50, "\(found)")
    }

    @Test func rareTimesAreFoundFast() throws {
        let zone = try Schedule.timeZone("Europe/Berlin")
        let rare = try ["0 0 29 2 *", "59 23 31 12 *", "0 0 29 2 *"].map { try Schedule($0, timeZone: zone) }
        let clock = ContinuousClock()
        var count = 0
        let elapsed = clock.measure {
            for schedule in rare {
                var now = 1_769_817_510.0
                while let next = schedule.next(after: now), next < 1e10 {
                    now = next
                    count += 1
                }
            }
        }
        #expect(count > 300)
        #expect(elapsed / count < .milliseconds(5), "\(elapsed) for \(count)")
        // 2100 is no leap year.
        #expect(
            try Self.next("0 0 29 2 *", after: "2096-03-01T00:00:00Z") == ["2104-02-29T00:00:00+00:00"])
    }

    @Test func theCalendarIsTheSameThereAndBack() {
        for day in stride(from: -800_000, to: 2_900_000, by: 997) {
            let date = CivilDate(day: day)
            #expect(CivilDate(year: date.year, month: date.month, dayOfMonth: date.dayOfMonth)?.day == day)
            #expect(date.nextDay == CivilDate(day: day + 1))
        }
        #expect(CivilDate(day: 0).weekday == 4)
        #expect(CivilDate(year: 2026, month: 2, dayOfMonth: 29) == nil)
    }

    // MARK: Intervals and single times

    @Test func intervalsKeepTheirPace() throws {  // SDK-16
        for (text, seconds) in [
            ("@every 1s", 1.0), ("@every 300s", 300), ("@every 5m", 300), ("@every 1h30m", 5_400), ("@every 90", 90),
            ("@every 2D", 172_800), ("@every 1w", 604_800),
        ] {
            let schedule = try Schedule(text)
            #expect(schedule.next(after: 1_000) == 1_000 + seconds)
            #expect(schedule.next(after: 1_000 + 2.5 * seconds, countingFrom: 1_000) == 1_000 + 3 * seconds)
            #expect(schedule.next(after: 1_000 + 3 * seconds, countingFrom: 1_000) == 1_000 + 4 * seconds)
            #expect(schedule.next(after: 10, countingFrom: 1_000) == 1_000)
        }
    }

    @Test func aSingleTimeFiresOnce() throws {
        for (text, zone, time) in [
            ("@once:1769817600", "UTC", 1_769_817_600.0), ("@once:1769817600.25", "UTC", 1_769_817_600.25),
            ("@once:2026-01-31T00:00:00Z", "Europe/Berlin", 1_769_817_600),
            ("@once:2026-01-31T01:00+01:00", "UTC", 1_769_817_600),
            ("@once:2026-01-31 01:00", "Europe/Berlin", 1_769_817_600),
            // Missing, and twice there.
            ("@once:2026-03-29T02:30", "Europe/Berlin", 1_774_746_000),
            ("@once:2026-10-25T02:30", "Europe/Berlin", 1_792_888_200),
        ] {
            let schedule = try Schedule(text, timeZone: Schedule.timeZone(zone))
            #expect(schedule.onlyTime == time && schedule.isOnce, "\(text): \(String(describing: schedule.onlyTime))")
            #expect(schedule.next(after: time - 1) == time && schedule.next(after: time) == nil)
        }
    }

    @Test func pastTheEndOfTheCalendarNothingFires() throws {
        for text in ["* * * * *", "@every 1s", "@once:1"] {
            #expect(try Schedule(text).next(after: 1e300) == nil)
            #expect(try Schedule(text).next(after: .infinity) == nil)
        }
        #expect(try Schedule("0 0 1 1 *").next(after: 253_402_300_700) == nil)
        #expect(try Schedule("* * * * *").next(after: -1e300) != nil)
    }
}
