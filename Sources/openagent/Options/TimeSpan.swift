internal import ArgumentParser

/// A time span with a unit on the command line: `7d`, `12h`, `30m`, `90s`, or seconds.
struct TimeSpan: ExpressibleByArgument {
    let seconds: Double

    init?(argument: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let count = Int(digits), count > 0,
            count <= 1_000_000_000
        else { return nil }
        seconds = Double(count) * (unit ?? 1)
    }
}
