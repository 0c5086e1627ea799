// What do the kernel's files say about this machine? Text in, numbers out. A file that is missing or reads otherwise than
// expected counts as zeros: a measurement is never worth an error. No file is opened here and no clock is read.

/// The counters of one moment.
struct SystemReading: Sendable, Equatable {
    /// Processor time since the start of the machine, over all processors, in the kernel's ticks.
    struct Ticks: Sendable, Equatable {
        var busy: Int64 = 0
        var total: Int64 = 0
        var processors = 0

        /// - Parameter text: `/proc/stat`.
        init(stat text: String) {
            for line in text.split(separator: "\n") where line.hasPrefix("cpu") {
                let words = line.split(separator: " ")
                guard words[0] == "cpu" else {
                    if words[0].dropFirst(3).allSatisfy(\.isNumber) { processors += 1 }
                    continue
                }
                // user nice system idle iowait irq softirq steal; guests are counted in user already.
                let times = words.dropFirst().prefix(8).map { max(0, Int64($0) ?? 0) }
                total = times.reduce(0, Self.sum)
                busy = total - times.dropFirst(3).prefix(2).reduce(0, Self.sum)
            }
        }

        private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
            let (sum, isTooMuch) = left.addingReportingOverflow(right)
            return isTooMuch ? .max : sum
        }
    }

    /// The process's own numbers.
    struct Own: Sendable, Equatable {
        /// Processor time, in the kernel's ticks.
        var ticks: Int64 = 0
        /// When it started, in ticks since the start of the machine.
        var started: Int64 = 0
        /// Resident pages.
        var pages: Int64 = 0

        /// - Parameter text: `/proc/self/stat`. The second field is a name in brackets, which may hold anything.
        init(stat text: String) {
            guard let end = text.lastIndex(of: ")") else { return }
            let fields = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
            func field(_ number: Int) -> Int64 {
                // The first behind the name is field 3 of proc(5).
                let index = number - 3
                return fields.indices.contains(index) ? max(0, Int64(fields[index]) ?? 0) : 0
            }
            ticks = field(14).addingReportingOverflow(field(15)).partialValue
            started = field(22)
            pages = field(24)
        }
    }

    var ticks: Ticks
    /// Processes that were ready to run, averaged over 1, 5 and 15 minutes.
    var load: [Double]
    /// Bytes.
    var memory: (total: Int64, available: Int64)
    /// Seconds since the start of the machine.
    var uptime: Double
    var own: Own

    /// - Parameters: the texts of `/proc/stat`, `/proc/loadavg`, `/proc/meminfo`, `/proc/uptime`, `/proc/self/stat`.
    init(stat: String, loadAverage: String, memory: String, uptime: String, own: String) {
        ticks = Ticks(stat: stat)
        let averages = loadAverage.split(whereSeparator: \.isWhitespace).prefix(3).map { Self.number($0) }
        load = averages + Array(repeating: 0, count: 3 - averages.count)
        self.memory = Self.memory(memory)
        self.uptime = uptime.split(separator: " ").first.map { Self.number($0) } ?? 0
        self.own = Own(stat: own)
    }

    /// JSON knows no infinity and no NaN.
    private static func number(_ text: Substring) -> Double {
        guard let number = Double(text), number.isFinite, number >= 0 else { return 0 }
        return number
    }

    private static func memory(_ text: String) -> (total: Int64, available: Int64) {
        var kibibytes: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
            if words.count >= 2, let value = Int64(words[1]), (0...Int64.max >> 10).contains(value) {
                kibibytes[words[0]] = value
            }
        }
        let total = kibibytes["MemTotal"] ?? 0
        // Kernels before 3.14 do not say what is available.
        let available = kibibytes["MemAvailable"] ?? kibibytes["MemFree"] ?? 0
        return (total << 10, min(available, total) << 10)
    }

    static func == (left: SystemReading, right: SystemReading) -> Bool {
        left.ticks == right.ticks && left.load == right.load && left.memory == right.memory
            && left.uptime == right.uptime && left.own == right.own
    }
}
