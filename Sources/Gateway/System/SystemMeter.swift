internal import Wire

// How busy is the machine? Counters say how much was done since the start; a rate needs two of them. Pure: whoever calls
// brings the readings and the times.

/// Turns readings of counters into snapshots.
struct SystemMeter: Sendable {
    /// Ticks in a second, and bytes in a page.
    struct Units: Sendable {
        var ticksPerSecond: Int64 = 100
        var pageSize: Int64 = 4096
    }

    private let units: Units
    private var earlier: (reading: SystemReading, at: Double)?

    init(units: Units) { self.units = units }

    /// - Parameters:
    ///   - disk: bytes of the agent's file system.
    ///   - instant: seconds of a clock that never jumps, for rates.
    ///   - time: Unix seconds.
    mutating func snapshot(
        _ reading: SystemReading, disk: SystemSnapshot.Space, instant: Double, time: Double
    ) -> SystemSnapshot {
        defer { earlier = (reading, instant) }
        var (machine, own) = (0.0, 0.0)
        if let earlier {
            machine = Self.percent(
                reading.ticks.busy - earlier.reading.ticks.busy, of: reading.ticks.total - earlier.reading.ticks.total,
                atMost: 100)
            let elapsed = (instant - earlier.at) * Double(units.ticksPerSecond)
            if elapsed >= 1 {
                own = Self.percent(
                    reading.own.ticks - earlier.reading.own.ticks, of: Int64(min(elapsed, 1e15)),
                    atMost: 100 * Double(max(1, reading.ticks.processors)))
            }
        }
        let started = Double(reading.own.started) / Double(max(1, units.ticksPerSecond))
        return SystemSnapshot(
            time: time,
            cpu: .init(percent: machine, count: reading.ticks.processors, load: reading.load),
            memory: .init(total: reading.memory.total, used: reading.memory.total - reading.memory.available),
            disk: disk,
            process: .init(
                uptime: max(0, reading.uptime - started),
                memory: reading.own.pages.multipliedReportingOverflow(by: units.pageSize).partialValue, percent: own))
    }

    /// One digit behind the point. Counters may go back, when a processor is taken away.
    private static func percent(_ part: Int64, of whole: Int64, atMost limit: Double) -> Double {
        guard part > 0, whole > 0 else { return 0 }
        return (min(limit, 100 * Double(part) / Double(whole)) * 10).rounded() / 10
    }
}
