internal import Wire

// How fast does a client that comes back learn what it missed? Sessions are filled with kept events first; then each is
// asked for all of them by a new socket: one after the other, and all at once.

struct ReplayLoad {
    let devices: [Device]
    /// In each session.
    let events: Int

    /// Besides the steps there are `queued`, `response` and `turn_complete`.
    private static let framing = 3

    func run() async throws {
        let run = Moment.now
        let sessions = devices.enumerated().map { (device: $1, name: "replay-\(run)-\($0)") }
        let filling = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (device, name) in sessions {
                group.addTask {
                    try await Talk.with(device) { talk in
                        try await talk.say("statuses \(events - Self.framing)", session: name, id: name)
                        _ = try await talk.next(type: "turn_complete")
                    }
                }
            }
            try await group.waitForAll()
        }
        let filled = ContinuousClock.now - filling
        var alone: [Double] = []
        var bytes = 0
        for (device, name) in sessions.prefix(20) {
            let gate = Gate(1)
            let replay = try await replay(name, on: device, after: gate)
            alone.append(Double(replay.end - replay.start) / 1e6)
            bytes = replay.bytes
        }
        let together = try await together(sessions)
        Report.write(
            [
                ("sessions", .count(devices.count)), ("events", .count(events)), ("bytes", .count(bytes)),
                ("filling_seconds", .seconds(filled)), ("together_seconds", .number(together)),
            ] + Percentiles(alone).fields("alone"))
    }

    private func together(_ sessions: [(device: Device, name: String)]) async throws -> Double {
        let gate = Gate(sessions.count)
        return try await withThrowingTaskGroup(of: (start: Int64, end: Int64, bytes: Int).self) { group in
            for (device, name) in sessions { group.addTask { try await replay(name, on: device, after: gate) } }
            var (start, end) = (Int64.max, Int64(0))
            for try await replay in group {
                start = min(start, replay.start)
                end = max(end, replay.end)
            }
            return Double(end - start) / 1e9
        }
    }

    private func replay(
        _ session: String, on device: Device, after gate: Gate
    ) async throws -> (start: Int64, end: Int64, bytes: Int) {
        try await Talk.with(device) { talk in
            try await talk.settle()
            await gate.arrive()
            let start = Moment.now
            try await talk.send(.sessionOpen(.init(sessionID: session, afterSequence: 0)))
            var bytes = 0
            for number in 1...events {
                let frame = try await talk.next()
                guard frame.field("seq") == "\(number)" else {
                    throw BenchError.unexpected("event \(number) was expected, not \(frame.text)")
                }
                bytes += frame.text.utf8.count
            }
            return (start, Moment.now, bytes)
        }
    }
}
