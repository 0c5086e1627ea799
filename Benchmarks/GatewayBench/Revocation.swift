internal import Certs
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization
internal import Transport
internal import Wire

// How soon is a revoked device out? Many devices, each with a connection and an open WebSocket to every gateway; one after
// the other is revoked by the operator, over the wire. All times are of one clock, from the moment before the call is
// sent. It knows of the gateways no more than their addresses: whether they learn of a revocation in their own process or
// from another machine is what the numbers tell.

struct Revocation {
    let ticket: InviteTicket
    let operatorKey: SecretKey
    let devices: Int
    let rounds: Int
    /// Empty: the coordinator's own.
    let gateways: [NodeAddress]

    /// Devices that join at a time, and that are asked at a time whether they are still served.
    private static let parallel = 8
    /// A measurement that takes longer has failed.
    private static let patience = Duration.seconds(10)

    /// One device at one gateway.
    private final class Place: Sendable {
        let device: Device
        let client: GatewayClient
        private let times = Times()
        let (ends, end) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (openings, opening) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

        init(device: Device, gateway: NodeAddress) {
            self.device = device
            client = GatewayClient(dialer: device.pool(to: gateway) { [times] in times.noteConnectionEnd() })
        }

        /// When the WebSocket was over, and the first connection to the gateway.
        var streamEnd: ContinuousClock.Instant? { times.stream }
        var connectionEnd: ContinuousClock.Instant? {
            get async throws {
                try await Revocation.first(of: times.connectionEnds, or: "a revoked device kept its connection")
                return times.connection
            }
        }

        /// Until the WebSocket is over.
        func run() async {
            try? await client.withWebSocket { socket in
                for try await event in socket.events { if case .text = event { opening.yield() } }
            }
            times.noteStreamEnd()
            end.yield()
            opening.finish()
        }

        func isServed() async -> Bool {
            guard streamEnd == nil else { return false }
            return (try? await client.request(path: Device.question, timeout: Revocation.patience).status) == .ok
        }

        /// The moment at which a request came to nothing, asking again and again.
        func firstFailure() async -> ContinuousClock.Instant {
            while (try? await client.request(path: Device.question, timeout: Revocation.patience).status) == .ok {}
            return .now
        }
    }

    /// What has ended, and when. The first of each counts.
    private final class Times: Sendable {
        private let state = Mutex<(stream: ContinuousClock.Instant?, connection: ContinuousClock.Instant?)>((nil, nil))
        let (connectionEnds, connectionEnd) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingOldest(1))

        var stream: ContinuousClock.Instant? { state.withLock { $0.stream } }
        var connection: ContinuousClock.Instant? { state.withLock { $0.connection } }

        func noteStreamEnd() { state.withLock { $0.stream = $0.stream ?? .now } }

        func noteConnectionEnd() {
            state.withLock { $0.connection = $0.connection ?? .now }
            connectionEnd.yield()
        }
    }

    private struct Round {
        var call: Duration
        /// For each gateway.
        var stream: [Duration] = []
        var connection: [Duration] = []
        var request: [Duration] = []
    }

    func run() async throws {
        let coordinator = NodeAddress(
            nodeID: ticket.node, addresses: try ticket.addresses.map { try SocketAddress(hostAndPort: $0) })
        let targets = gateways.isEmpty ? [coordinator] : gateways
        let everyone = try await join()
        let places = everyone.map { device in targets.map { Place(device: device, gateway: $0) } }
        let operatorEndpoint = try await bindClient(operatorKey)
        let connection = try await operatorEndpoint.connect(to: coordinator, alpn: ALPN.coordinator)
        let client = CoordinatorClient(connection: connection)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for place in places.joined() { group.addTask { await place.run() } }
            for place in places.joined() {
                try await Self.first(of: place.openings, or: "a WebSocket did not open")
            }
            Report.write([("devices", .count(everyone.count)), ("gateways", .count(targets.count))])
            var results: [Round] = []
            var unserved = 0
            var asked = 0
            // The first one is left out: it is the network's admin.
            for index in stride(from: 1, to: everyone.count, by: max(1, (everyone.count - 1) / rounds)).prefix(rounds) {
                results.append(try await revoke(places[index], by: client))
                let others = places[(index + 1)...].joined() + places[0]
                let served = await Self.served(others)
                asked += others.count
                unserved += others.count - served
            }
            report(results, gateways: targets.count, asked: asked, unserved: unserved)
            for device in everyone { await device.endpoint.close() }
            await operatorEndpoint.close()
            group.cancelAll()
        }
    }

    private func join() async throws -> [Device] {
        let started = ContinuousClock.now
        let devices = try await withThrowingTaskGroup(of: Device.self) { group in
            var devices: [Device] = []
            for index in 0..<self.devices {
                if index >= Self.parallel, let device = try await group.next() { devices.append(device) }
                group.addTask { try await Device.join(ticket, handle: "device-\(index)") }
            }
            for try await device in group { devices.append(device) }
            return devices
        }
        Report.write([("joined", .count(devices.count)), ("seconds", .seconds(.now - started))])
        return devices
    }

    /// Revokes the device that is at these places, and waits until it is out at all of them.
    private func revoke(_ places: [Place], by client: CoordinatorClient) async throws -> Round {
        try await withThrowingTaskGroup(of: ContinuousClock.Instant.self) { group in
            for place in places {
                guard await place.isServed() else { throw BenchError.unexpected("a device was out too early") }
            }
            // They ask all the time, so that one request meets the change.
            async let failures = Self.failures(of: places)
            let started = ContinuousClock.now
            guard try await client.revokeDevice(places[0].device.nodeID) else {
                throw BenchError.unexpected("the device was revoked before")
            }
            var round = Round(call: .now - started)
            for place in places {
                try await Self.first(of: place.ends, or: "a revoked device kept its stream")
                guard let stream = place.streamEnd, let connection = try await place.connectionEnd else { continue }
                round.stream.append(stream - started)
                round.connection.append(connection - started)
            }
            round.request = try await failures.map { $0 - started }
            return round
        }
    }

    private static func failures(of places: [Place]) async throws -> [ContinuousClock.Instant] {
        var instants: [ContinuousClock.Instant] = []
        try await withThrowingTaskGroup(of: ContinuousClock.Instant.self) { group in
            for place in places { group.addTask { await place.firstFailure() } }
            for try await instant in group { instants.append(instant) }
        }
        return instants
    }

    private static func served(_ places: some Collection<Place>) async -> Int {
        await withTaskGroup(of: Bool.self) { group in
            var served = 0
            for (index, place) in places.enumerated() {
                if index >= parallel, await group.next() == true { served += 1 }
                group.addTask { await place.isServed() }
            }
            for await isServed in group where isServed { served += 1 }
            return served
        }
    }

    /// - Throws: when nothing comes in time.
    private static func first(of events: AsyncStream<Void>, or problem: String) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in events { return true }
                return false
            }
            group.addTask {
                try await Task.sleep(for: patience)
                return false
            }
            defer { group.cancelAll() }
            guard try await group.next() == true else { throw BenchError.unexpected(problem) }
        }
    }

    private func report(_ rounds: [Round], gateways: Int, asked: Int, unserved: Int) {
        func milliseconds(_ durations: [Duration]) -> Report.Value { .numbers(durations.map { $0 / .milliseconds(1) }) }
        for gateway in 0..<gateways {
            Report.write([
                ("gateway", .count(gateway)), ("call_ms", milliseconds(rounds.map(\.call))),
                ("stream_ms", milliseconds(rounds.map { $0.stream[gateway] })),
                ("connection_ms", milliseconds(rounds.map { $0.connection[gateway] })),
                ("request_ms", milliseconds(rounds.map { $0.request[gateway] })),
                ("others_asked", .count(asked)), ("others_unserved", .count(unserved)),
            ])
        }
    }
}
