// Which date is a day? Days since 1970-01-01 as year, month, day and weekday of the Gregorian calendar and back, by arithmetic
// alone: fast enough to walk through years of days.

/// A day of the Gregorian calendar, before and after 1970.
struct CivilDate: Sendable, Equatable {
    /// Days since 1970-01-01.
    private(set) var day: Int
    private(set) var year: Int
    private(set) var month: Int
    private(set) var dayOfMonth: Int

    init(day: Int) {
        self.day = day
        // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
        let shifted = day + 719_468
        let era = shifted.flooredQuotient(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// - Returns: nil when there is no such date.
    init?(year: Int, month: Int, dayOfMonth: Int) {
        guard (1...12).contains(month), (-9_999...9_999).contains(year),
            (1...Self.daysOfMonth(month, leap: Self.isLeap(year))).contains(dayOfMonth)
        else { return nil }
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.flooredQuotient(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
        day = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        self.year = year
        self.month = month
        self.dayOfMonth = dayOfMonth
    }

    /// Sunday is 0.
    var weekday: Int {
        let day = (self.day + 4) % 7
        return day < 0 ? day + 7 : day
    }

    var nextDay: CivilDate {
        var next = self
        next.day += 1
        if dayOfMonth < Self.daysOfMonth(month, leap: Self.isLeap(year)) {
            next.dayOfMonth += 1
        } else {
            next.dayOfMonth = 1
            (next.year, next.month) = month < 12 ? (year, month + 1) : (year + 1, 1)
        }
        return next
    }

    /// The first day of the month after this one.
    var nextMonth: CivilDate {
        var next = self
        next.day += Self.daysOfMonth(month, leap: Self.isLeap(year)) - dayOfMonth + 1
        next.dayOfMonth = 1
        (next.year, next.month) = month < 12 ? (year, month + 1) : (year + 1, 1)
        return next
    }

    static func daysOfMonth(_ month: Int, leap: Bool) -> Int {
        switch month {
        case 2: leap ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
}

extension Int {
    /// The quotient, rounded down also below zero. The divisor is positive.
    func flooredQuotient(by divisor: Int) -> Int {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
