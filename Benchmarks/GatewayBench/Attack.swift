internal import Certs
internal import NIOCore
internal import Synchronization
internal import Transport

// What can strangers do to a gateway without a certificate? Each function is one attack with as many node ids as it takes,
// no faster than its pace. It reports when it is in full force, stays so until standard input ends, and reports what the
// gateway has done about it.

/// When the next attempt is due.
final class Pace: Sendable {
    private let interval: Duration
    private let next = Mutex(ContinuousClock.now)

    init(perSecond: Int) { interval = .seconds(1) / perSecond }

    func wait() async throws {
        let due = next.withLock { next in
            defer { next = max(next, .now) + interval }
            return next
        }
        try await Task.sleep(until: due)
    }
}

/// Numbers from 1 on, each once.
private final class Counter: Sendable {
    private let value = Atomic(0)
    var current: Int { value.load(ordering: .relaxed) }
    func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
}

struct Attack {
    let target: NodeAddress
    let count: Int
    let pace: Pace

    /// Attempts that are under way at a time, and logins.
    private static let parallel = 32
    private static let parallelLogins = 200
    /// The gateway allows 8 connections for each node id.
    private static let connectionsPerNode = 8

    private func endpoints() async throws -> [Endpoint] {
        var endpoints: [Endpoint] = []
        while endpoints.count * Self.connectionsPerNode < count { endpoints.append(try await bindClient()) }
        return endpoints
    }

    /// `count` calls of `attempt`; each tells what came of it.
    ///
    /// - Returns: how often each outcome was met.
    private func repeated(
        parallel: Int = parallel, _ attempt: @escaping @Sendable (Int) async -> String
    ) async throws -> [String: Int] {
        let counter = Counter()
        return try await withThrowingTaskGroup(of: [String: Int].self) { group in
            for _ in 0..<parallel {
                group.addTask {
                    var outcomes: [String: Int] = [:]
                    while true {
                        let index = counter.next() - 1
                        guard index < count else { return outcomes }
                        try await pace.wait()
                        outcomes[await attempt(index), default: 0] += 1
                    }
                }
            }
            return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    private func report(_ outcomes: [String: Int], since started: ContinuousClock.Instant) {
        Report.write([("seconds", .seconds(.now - started))] + outcomes.map { ($0.key, .count($0.value)) })
    }

    // MARK: Half preambles

    /// Connections with one stream each, on which two bytes of the certificate's length are sent and no more.
    func halfPreambles() async throws {
        let endpoints = try await endpoints()
        let made = Mutex<[Connection]>([])
        let started = ContinuousClock.now
        let outcomes = try await repeated { index in
            let endpoint = endpoints[index / Self.connectionsPerNode]
            do {
                let connection = try await endpoint.connect(to: target, alpn: ALPN.gateway, timeout: .seconds(30))
                let channel = try await connection.openStream { $0.eventLoop.makeSucceededFuture($0) }
                try await channel.writeAndFlush(ByteBuffer(bytes: [0, 0]))
                made.withLock { $0.append(connection) }
                return "made"
            } catch { return "failed" }
        }
        report(outcomes, since: started)
        var closed: [String: Int] = [:]
        for connection in made.withLock({ $0 }) {
            switch await connection.closeReason {
            case .peer(code: let code, _): closed["closed_\(code)", default: 0] += 1
            default: closed["lost", default: 0] += 1
            }
        }
        report(closed, since: started)
        await Commands.waitForEnd()
        for endpoint in endpoints { await endpoint.close() }
    }

    // MARK: Unknown protocols

    func unknownProtocols() async throws {
        let endpoints = try await endpoints()
        let started = ContinuousClock.now
        let outcomes = try await repeated { index in
            do {
                _ = try await endpoints[index / Self.connectionsPerNode].connect(
                    to: target, alpn: "nobody/1", timeout: .seconds(30))
                return "accepted"
            } catch ConnectError.protocolRefused { return "refused" } catch { return "failed" }
        }
        report(outcomes, since: started)
        await Commands.waitForEnd()
        for endpoint in endpoints { await endpoint.close() }
    }

    // MARK: Logins

    /// Each node id tries eight times at once, as often as the coordinator serves a connection; then there is a new one.
    /// Nine in ten attempts name a handle of their own, so that no throttle is in the way of the first five; the tenth
    /// tries the first user's.
    func logins() async throws {
        let started = ContinuousClock.now
        let attempts = 8
        let total = Mutex<[String: Int]>([:])
        let parties = Attack(target: target, count: (count + attempts - 1) / attempts, pace: pace)
        let connected = try await parties.repeated(parallel: Self.parallelLogins) { index in
            guard let endpoint = try? await bindClient() else { return "unconnected" }
            let connection = try? await endpoint.connect(to: target, alpn: ALPN.coordinator, timeout: .seconds(30))
            if let connection {
                await withTaskGroup(of: String.self) { group in
                    for attempt in index * attempts..<min(count, (index + 1) * attempts) {
                        let handle = attempt.isMultiple(of: 10) ? "ana" : "nobody-\(attempt)"
                        group.addTask {
                            (try? await Self.login(handle, on: connection, as: endpoint.nodeID)) ?? "failed"
                        }
                    }
                    for await outcome in group { total.withLock { $0[outcome, default: 0] += 1 } }
                }
            }
            await endpoint.close()
            return connection == nil ? "unconnected" : "connected"
        }
        report(total.withLock { $0 }.merging(connected) { $1 }, since: started)
        await Commands.waitForEnd()
    }

    private static func login(_ handle: String, on connection: Connection, as node: NodeID) async throws -> String {
        let first = try await call(AttackerBytes.begin(handle: handle), on: connection)
        guard let stateID = AttackerBytes.stateID(in: first) else {
            return refusal(first)
        }
        let second = try await call(
            AttackerBytes.finish(stateID: stateID, deviceKey: node.bytes), on: connection)
        return refusal(second)
    }

    /// A wrong proof, one guess too many, or one login too many in the whole network.
    private static func refusal(_ answer: [UInt8]) -> String {
        func holds(_ text: String) -> Bool { answer.firstRange(of: Array(text.utf8)) != nil }
        if holds("unauthorized") { return "wrong" }
        guard holds("rate_limited") else { return "failed" }
        return holds("too many attempts") ? "held_up" : "turned_away"
    }

    private static func call(_ request: ByteBuffer, on connection: Connection) async throws -> [UInt8] {
        let channel = try await connection.openStream { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                    wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(request)
            outbound.finish()
            var answer: [UInt8] = []
            for try await bytes in inbound { answer += bytes.readableBytesView }
            return answer
        }
    }

    // MARK: Streams

    /// One connection, `count` streams wanted at any time: each is opened as soon as the gateway allows one more, gets one
    /// byte, so that the gateway knows of it, and is left alone until the gateway cuts it off.
    func streams() async throws {
        let endpoint = try await bindClient()
        let connection = try await endpoint.connect(to: target, alpn: ALPN.gateway)
        let started = ContinuousClock.now
        let opened = Counter()
        let limit = 100
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    while !Task.isCancelled {
                        guard
                            let channel = try? await connection.openStream({ $0.eventLoop.makeSucceededFuture($0) })
                        else { return }
                        try? await channel.writeAndFlush(ByteBuffer(bytes: [0]))
                        if opened.next() == limit {
                            Report.write([("seconds", .seconds(.now - started)), ("open", .count(limit))])
                        }
                        try? await channel.closeFuture.get()
                    }
                }
            }
            await Commands.waitForEnd()
            await endpoint.close()
            group.cancelAll()
        }
        Report.write([("opened", .count(opened.current))])
    }
}
