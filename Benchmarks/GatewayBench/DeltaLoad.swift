internal import Wire

// How much later than the model does the client have a token? Tokens carry the time of their emission, and all clocks are
// the machine's. Either every socket has a session of its own with an answer of its own, or all watch one.

struct DeltaLoad {
    let devices: [Device]
    let isShared: Bool
    let tokens: Int
    let perSecond: Int

    func run() async throws {
        let latencies = try await measure(with: nil)
        Report.write(
            [("sockets", .count(devices.count)), ("tokens", .count(latencies.count))]
                + Percentiles(latencies).fields("delta"))
    }

    /// - Parameter companion: waits for the others and goes on beside them.
    func measure(with companion: (@Sendable (Gate) async throws -> Void)?) async throws -> [Double] {
        let gate = Gate(devices.count + (companion == nil ? 0 : 1))
        let run = Moment.now
        return try await withThrowingTaskGroup(of: [Double].self) { group in
            if let companion {
                group.addTask {
                    try await companion(gate)
                    return []
                }
            }
            for (index, device) in devices.enumerated() {
                let session = "delta-\(run)-\(isShared ? 0 : index)"
                group.addTask { try await watch(session, device, asks: !isShared || index == 0, after: gate) }
            }
            var all: [Double] = []
            for try await latencies in group { all += latencies }
            guard all.count == devices.count * tokens else {
                throw BenchError.unexpected("\(all.count) of \(devices.count * tokens) tokens arrived")
            }
            return all
        }
    }

    private func watch(_ session: String, _ device: Device, asks: Bool, after gate: Gate) async throws -> [Double] {
        try await Talk.with(device) { talk in
            try await talk.send(.sessionOpen(.init(sessionID: session)))
            try await talk.settle()
            await gate.arrive()
            if asks { try await talk.say("tokens \(tokens) \(perSecond)", session: session, id: session) }
            var latencies: [Double] = []
            while true {
                let frame = try await talk.next()
                if frame.type == "turn_complete" { return latencies }
                guard frame.type == "delta" else { continue }
                guard let emitted = frame.field("text").flatMap({ Int64($0) }) else {
                    throw BenchError.unexpected("a token without a time: \(frame.text)")
                }
                latencies.append(Double(Moment.now - emitted) / 1e6)
            }
        }
    }
}

/// The same, with all but one of the sockets on one session, beside a session full of long tokens on the remaining
/// socket: while that socket reads, twice, because the first time is also the first use of all sockets; then while it does
/// not.
struct StalledLoad {
    let devices: [Device]
    let tokens: Int
    let perSecond: Int

    /// The long session's: half a megabyte a second, for as long as the others'. The gateway holds 1 MiB for a socket.
    private static let longTokenBytes = 25_000
    private static let longTokensPerSecond = 20

    func run() async throws {
        guard let odd = devices.last, devices.count > 1 else { throw BenchError.usage }
        let load = DeltaLoad(devices: devices.dropLast(), isShared: true, tokens: tokens, perSecond: perSecond)
        for stalls in [false, false, true] {
            let (ends, end) = AsyncStream.makeStream(of: UInt16.self)
            let latencies = try await load.measure { gate in
                end.yield(try await watch(odd, after: gate, stalls: stalls))
                end.finish()
            }
            var code: UInt16 = 0
            for await last in ends { code = last }
            Report.write(
                [("sockets", .count(devices.count)), ("stalls", .count(stalls ? 1 : 0)), ("code", .count(Int(code)))]
                    + Percentiles(latencies).fields("delta"))
        }
    }

    /// - Returns: the code that the socket was closed with; 0 when the answer came to its end.
    private func watch(_ device: Device, after gate: Gate, stalls: Bool) async throws -> UInt16 {
        try await Talk.with(device) { talk in
            await gate.arrive()
            let count = max(1, tokens * Self.longTokensPerSecond / perSecond)
            let session = "long-\(Moment.now)"
            try await talk.say(
                "tokens \(count) \(Self.longTokensPerSecond) \(Self.longTokenBytes)", session: session, id: session)
            if stalls {
                _ = try await talk.next(type: "delta")
                // As long as the others listen.
                try await Task.sleep(for: .seconds(2) + .seconds(1) * (Double(tokens) / Double(perSecond)))
            }
            while true {
                switch try await talk.event() {
                case .text(let text) where Talk.Frame(text).type == "turn_complete": return 0
                case .text, .pong: continue
                case .closed(let code, _): return code ?? 1
                }
            }
        }
    }
}
