internal import Certs
internal import NIOCore
internal import Transport
internal import Wire

// Many devices of one user that hold conversations with one gateway, over QUIC with certificates. They join once; what
// they do is asked for on standard input, one thing after the other, each reported:
//
//     turns DEVICES SECONDS                      TurnLoad.swift
//     delta SOCKETS own|same TOKENS PER_SECOND   DeltaLoad.swift
//     stalled SOCKETS TOKENS PER_SECOND          DeltaLoad.swift
//     replay SESSIONS EVENTS                     ReplayLoad.swift

struct Crowd {
    let ticket: InviteTicket
    let size: Int

    /// Devices that log in at a time; more in a row would have to wait for the coordinator's throttle.
    private static let parallel = 4

    func run() async throws {
        let started = ContinuousClock.now
        let devices = try await join()
        Report.write([("joined", .count(devices.count)), ("seconds", .seconds(.now - started))])
        for await command in Commands.read() {
            let numbers = command.compactMap { Int($0) }
            guard numbers.allSatisfy({ $0 > 0 }), numbers.first ?? 0 <= devices.count else { throw BenchError.usage }
            switch (command.first, numbers.count) {
            case ("turns", 2):
                try await TurnLoad(devices: Array(devices.prefix(numbers[0])), seconds: numbers[1]).run()
            case ("delta", 3):
                try await DeltaLoad(
                    devices: Array(devices.prefix(numbers[0])), isShared: command.contains("same"),
                    tokens: numbers[1], perSecond: numbers[2]
                ).run()
            case ("stalled", 3):
                try await StalledLoad(
                    devices: Array(devices.prefix(numbers[0])), tokens: numbers[1], perSecond: numbers[2]
                ).run()
            case ("replay", 2):
                try await ReplayLoad(devices: Array(devices.prefix(numbers[0])), events: numbers[1]).run()
            default: throw BenchError.usage
            }
        }
        for device in devices { await device.endpoint.close() }
    }

    private func join() async throws -> [Device] {
        let first = try await Device.join(ticket, handle: "ana")
        return try await withThrowingTaskGroup(of: Device.self) { group in
            var devices = [first]
            for index in 1..<max(1, size) {
                if index > Self.parallel, let device = try await group.next() { devices.append(device) }
                group.addTask { try await first.another(handle: "ana", ticket) }
            }
            for try await device in group { devices.append(device) }
            return devices
        }
    }
}

/// Where everybody waits for everybody.
actor Gate {
    private var missing: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { missing = count }

    /// Returns when as many have arrived as were expected.
    func arrive() async {
        missing -= 1
        guard missing > 0 else {
            for other in waiting { other.resume() }
            waiting = []
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }
}
