internal import Wire

// How many turns does the gateway accept and answer? Each device sends one message after the other, the next when the
// answer to the last is complete. What counts as accepted is what the gateway has announced with `queued`.

struct TurnLoad {
    let devices: [Device]
    let seconds: Int

    private struct Tally {
        var accepted: [Double] = []
        var answered: [Double] = []
    }

    func run() async throws {
        let gate = Gate(devices.count)
        let (tally, elapsed) = try await withThrowingTaskGroup(of: (Tally, Int64, Int64).self) { group in
            for (index, device) in devices.enumerated() {
                group.addTask { try await talk(device, session: "turns-\(index)", after: gate) }
            }
            var all = Tally()
            var (start, end) = (Int64.max, Int64(0))
            for try await (tally, started, ended) in group {
                all.accepted += tally.accepted
                all.answered += tally.answered
                start = min(start, started)
                end = max(end, ended)
            }
            return (all, Double(end - start) / 1e9)
        }
        Report.write(
            [
                ("devices", .count(devices.count)), ("accepted", .count(tally.accepted.count)),
                ("answered", .count(tally.answered.count)), ("seconds", .number(elapsed)),
            ] + Percentiles(tally.accepted).fields("accepted") + Percentiles(tally.answered).fields("answered"))
    }

    private func talk(_ device: Device, session: String, after gate: Gate) async throws -> (Tally, Int64, Int64) {
        try await Talk.with(device) { talk in
            // The session's first turn makes it, which later ones need not.
            let run = Moment.now
            try await talk.say("Hello", session: session, id: "\(run)-first")
            _ = try await talk.next(type: "turn_complete")
            await gate.arrive()
            var tally = Tally()
            let start = Moment.now
            let end = start + Int64(seconds) * 1_000_000_000
            var (sent, number) = (start, 0)
            while sent < end {
                let id = "\(run)-\(number)"
                try await talk.say("How are you?", session: session, id: id)
                guard try await talk.next(type: "queued").field("message_id") == id else {
                    throw BenchError.unexpected("another message was acknowledged")
                }
                tally.accepted.append(Double(Moment.now - sent) / 1e6)
                guard try await talk.next(type: "turn_complete").field("message_id") == id else {
                    throw BenchError.unexpected("another turn was answered")
                }
                let done = Moment.now
                tally.answered.append(Double(done - sent) / 1e6)
                (sent, number) = (done, number + 1)
            }
            return (tally, start, sent)
        }
    }
}
