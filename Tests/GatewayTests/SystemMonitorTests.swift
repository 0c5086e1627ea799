import Foundation
import Synchronization
import Testing

@testable import Gateway
@testable import Wire

// What do we say about the machine, whatever its kernel writes?

@Suite struct SystemMonitorTests {
    private static let stat = """
        cpu  100 10 50 800 40 0 0 0 7 7
        cpu0 50 5 25 400 20 0 0 0 0 0
        cpu1 50 5 25 400 20 0 0 0 0 0
        intr 12345 0 0
        ctxt 5
        """
    private static let own =
        "4242 (a ) strange (name) S 1 4242 4242 0 -1 4194304 9 0 0 0 30 20 0 0 20 0 4 0 5000 1000000 256 18446744073709551615"

    private func reading(
        stat: String = stat, load: String = "0.50 1.25 2.00 1/200 4242", memory: String = "",
        uptime: String = "100.5 9",
        own: String = own
    ) -> SystemReading {
        SystemReading(stat: stat, loadAverage: load, memory: memory, uptime: uptime, own: own)
    }

    @Test func theKernelsFilesAreUnderstood() {
        let reading = reading(memory: "MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable:  600 kB\n")
        #expect(reading.ticks.processors == 2)
        #expect(reading.ticks.total == 1000)
        #expect(reading.ticks.busy == 160)
        #expect(reading.load == [0.5, 1.25, 2])
        #expect(reading.memory == (1000 << 10, 600 << 10))
        #expect(reading.uptime == 100.5)
        #expect(reading.own.ticks == 50)
        #expect(reading.own.started == 5000)
        #expect(reading.own.pages == 256)
    }

    @Test(arguments: [
        "", "\n\n", "cpu", "cpu ", "cpu x y z", "cpux 1 2", "cpu -1 -2 -3 -4", "\u{0}",
        "cpu 9223372036854775807 1 1 1 1",
        "MemTotal:", "MemTotal: 99999999999999999999 kB", "MemTotal: 5 kB MemAvailable: 9 kB", ")", "1 (x", "1 (x) S",
        "1 (x) S " + Array(repeating: "9223372036854775807", count: 60).joined(separator: " "), "nan inf -1", "1e999",
    ])
    func oddFilesAreNoReasonToFail(_ text: String) throws {
        let reading = reading(stat: text, load: text, memory: text, uptime: text, own: text)
        #expect(reading.load.count == 3)
        #expect(reading.load.allSatisfy { $0.isFinite && $0 >= 0 })
        #expect(reading.memory.available <= reading.memory.total)
        var meter = SystemMeter(units: .init())
        _ = meter.snapshot(self.reading(), disk: .init(total: 0, used: 0), instant: 1, time: 1)
        let snapshot = meter.snapshot(reading, disk: .init(total: 0, used: 0), instant: 2, time: 2)
        #expect((0...100).contains(snapshot.cpu.percent))
        #expect(snapshot.process.percent >= 0)
        // It can be said in JSON, and is understood again.
        let message = ServerMessage(.systemSnapshot(snapshot))
        #expect(try JSONDecoder().decode(ServerMessage.self, from: Data(message.frame.utf8)) == message)
    }

    @Test func ratesAreThoseBetweenTwoReadingsAndTheFirstAreZero() {
        var meter = SystemMeter(units: .init(ticksPerSecond: 100, pageSize: 4096))
        let disk = SystemSnapshot.Space(total: 1000, used: 250)
        let first = meter.snapshot(reading(), disk: disk, instant: 10, time: 1)
        #expect(first.cpu.percent == 0)
        #expect(first.process.percent == 0)
        #expect(first.process.memory == 256 * 4096)
        #expect(first.process.uptime == 50.5)
        #expect(first.disk.percent == 25)
        // 200 ticks later, half of them busy, 50 of them ours within a second of two processors.
        let later = meter.snapshot(
            reading(
                stat: "cpu 200 10 50 900 40 0 0 0\ncpu0 1\ncpu1 1",
                own: Self.own.replacing(" 30 20 ", with: " 60 40 ")),
            disk: disk, instant: 11, time: 2)
        #expect(later.cpu.percent == 50)
        #expect(later.process.percent == 50)
        // Counters that went back, as when a processor is taken away.
        let back = meter.snapshot(reading(), disk: disk, instant: 12, time: 3)
        #expect(back.cpu.percent == 0)
        #expect(back.process.percent == 0)
    }

    @Test func thisMachineIsMeasured() throws {
        let monitor = SystemMonitor(folder: "/", now: { 5 })
        let snapshot = monitor.snapshot()
        #expect(snapshot.time == 5)
        #expect(snapshot.cpu.count > 0)
        #expect(snapshot.memory.total > snapshot.memory.used && snapshot.memory.used > 0)
        #expect(snapshot.disk.total > 0)
        #expect(snapshot.process.memory > 0)
        #expect(SystemMonitor(folder: "/no/such/folder", now: { 5 }).snapshot().disk == .init(total: 0, used: 0))
    }

    @Test func nothingIsMeasuredWhileNobodyListens() async {
        let count = Mutex(0)
        await SystemMonitor(folder: "/", now: { 0 }).run {
            false
        } tell: { _ in
            count.withLock { $0 += 1 }
        }
        #expect(count.withLock { $0 } == 0)
    }

    @Test func listenersHearOfTheMachineAndWhoeverAsksIsTold() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            func snapshot() async throws -> SystemSnapshot {
                while true {
                    let event = try await socket.nextOfAll()
                    guard case .message(let message) = event else { throw TestWebSocket.Unexpected(event: event) }
                    if case .systemSnapshot(let snapshot) = message.body {
                        #expect(message.sequence == nil && message.sessionID == nil)
                        return snapshot
                    }
                }
            }
            let first = try await snapshot()
            #expect(first.cpu.percent == 0 && first.process.percent == 0)
            let second = try await snapshot()
            #expect((1.9...10).contains(second.time - first.time))
            let answer = try await running.stream(device).ask("GET", "/api/system")
            #expect(answer.status == 200)
            let report: SystemReport = try answer.decode()
            #expect(report.system.cpu.count > 0)
            #expect(report.work == .init(turnsRunning: 0, turnsWaiting: 0, sockets: 1))
        }
    }
}
