internal import Transport

// What do connections cost, apart from the bytes that they carry? Handshakes per second, and many that only exist.

enum Connections {
    /// Makes connections, `parallel` at a time, until `duration` has passed; returns how many were completed and the
    /// time until the last one. Each handshake is full: its endpoint is new, so there is no session to resume.
    static func handshakes(
        to target: NodeAddress, parallel: Int, duration: Duration
    ) async throws -> (count: Int, elapsed: Duration) {
        let started = ContinuousClock.now
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<parallel {
                group.addTask {
                    var count = 0
                    while ContinuousClock.now - started < duration {
                        let endpoint = try await bindClient(for: target)
                        _ = try await endpoint.connect(to: target, alpn: BenchALPN.idle)
                        count += 1
                        await endpoint.close()
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        return (counts, .now - started)
    }

    /// Opens `count` connections, 16 at a time, and keeps them.
    static func open(_ count: Int, to target: NodeAddress, from endpoint: Endpoint) async throws -> [Connection] {
        try await withThrowingTaskGroup(of: Connection.self) { group in
            var connections: [Connection] = []
            connections.reserveCapacity(count)
            for index in 0..<count {
                if index >= 16, let connection = try await group.next() { connections.append(connection) }
                group.addTask { try await endpoint.connect(to: target, alpn: BenchALPN.idle) }
            }
            for try await connection in group { connections.append(connection) }
            return connections
        }
    }
}
