internal import Foundation
internal import Glibc
internal import Synchronization
internal import Wire

// How is this machine right now? The files that the kernel shows are read when somebody asks, and every two seconds while
// somebody listens. What the texts mean and how rates come about is said in the pure files beside this one.

/// Measures the machine of one agent.
final class SystemMonitor: Sendable {
    /// How often those who listen are told.
    static let period = Duration.seconds(2)

    private let folder: String
    private let now: @Sendable () -> Double
    private let onDemand = Mutex(SystemMeter(units: units))

    private static let units = SystemMeter.Units(
        ticksPerSecond: Int64(max(1, sysconf(Int32(_SC_CLK_TCK)))),
        pageSize: Int64(max(1, sysconf(Int32(_SC_PAGESIZE)))))

    /// - Parameters:
    ///   - folder: whose file system is measured.
    ///   - now: Unix seconds.
    init(folder: String, now: @escaping @Sendable () -> Double) {
        self.folder = folder
        self.now = now
    }

    /// A measurement for somebody who asks. Its rates are those since somebody asked before.
    func snapshot() -> SystemSnapshot { onDemand.withLock { measure(&$0) } }

    /// Measures every two seconds while `isListening`, until the task is cancelled. The first rates are zero.
    func run(while isListening: () -> Bool, tell: (SystemSnapshot) -> Void) async {
        var meter = SystemMeter(units: Self.units)
        while isListening() {
            tell(measure(&meter))
            do { try await Task.sleep(for: Self.period) } catch { return }
        }
    }

    private func measure(_ meter: inout SystemMeter) -> SystemSnapshot {
        let reading = SystemReading(
            stat: Self.text("/proc/stat"), loadAverage: Self.text("/proc/loadavg"), memory: Self.text("/proc/meminfo"),
            uptime: Self.text("/proc/uptime"), own: Self.text("/proc/self/stat"))
        let instant = ProcessInfo.processInfo.systemUptime
        return meter.snapshot(reading, disk: Self.space(of: folder), instant: instant, time: now())
    }

    private static func text(_ path: String) -> String {
        (try? String(decoding: Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)) ?? ""
    }

    /// Zeros when it cannot be said. What is kept for the system's administrator counts as used, like everywhere.
    static func space(of folder: String) -> SystemSnapshot.Space {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return .init(total: 0, used: 0) }
        let block = Int64(status.f_frsize)
        let (total, free) = (Int64(status.f_blocks) * block, Int64(status.f_bavail) * block)
        return .init(total: total, used: max(0, total - free))
    }
}
