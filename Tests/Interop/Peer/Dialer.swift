internal import NIOCore
internal import Transport

// The dialing end: connects, does the one case that it is told and reports what came of it. The cases are explained in
// matrix.py, which also decides whether what is reported here is right.

struct Dialer {
    private static let streamCount = 8
    private static let streamBytes = 20_000
    private static let bulkBytes = 3_000_000

    let endpoint: Endpoint
    let target: NodeAddress
    let testCase: DialCase

    func run() async throws {
        Event.dialing(node: endpoint.nodeID).emit()
        let connection: Connection
        do {
            connection = try await connect()
        } catch {
            Event.refused(message: String(describing: error)).emit()
            return
        }
        switch testCase {
        case .connect, .close, .alpn, .wrongKey:
            break
        case .streams:
            let echoes = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<Self.streamCount {
                    group.addTask { try await echo(.random(Self.streamBytes), over: connection) }
                }
                return try await group.reduce(into: 0) { count, same in count += same ? 1 : 0 }
            }
            Event.streams(count: echoes).emit()
        case .bulk:
            Event.bulk(bytes: try await echo(.random(Self.bulkBytes), over: connection) ? Self.bulkBytes : 0).emit()
        case .datagram:
            Event.datagram(ok: try await datagramEcho(over: connection)).emit()
        case .again:
            Event.streams(count: try await echo(ByteBuffer(string: "first"), over: connection) ? 1 : 0).emit()
            connection.close()
            _ = await connection.closeReason
            let second = try await connect()
            Event.streams(count: try await echo(ByteBuffer(string: "second"), over: second) ? 1 : 0).emit()
            return await end(second)
        case .closed:
            // The acceptor closes when it sees the stream, at the latest with its first byte.
            _ = try? await echo(ByteBuffer(string: "x"), over: connection)
            return Event.closed(await connection.closeReason).emit()
        }
        await end(connection)
    }

    /// Connects, and lets one stream tell that the acceptor has the connection too: else a close could overtake that.
    private func connect() async throws -> Connection {
        let alpn =
            switch testCase {
            case .closed: InteropALPN.close
            case .alpn: InteropALPN.unknown
            default: InteropALPN.echo
            }
        let connection = try await endpoint.connect(to: target, alpn: alpn, timeout: .seconds(10))
        Event.connected(peer: connection.peer, alpn: connection.alpn).emit()
        if alpn == InteropALPN.echo, try await !echo(ByteBuffer(string: "hello"), over: connection) {
            throw InteropError.wrongEcho
        }
        return connection
    }

    private func end(_ connection: Connection) async {
        connection.close(code: 7, reason: "dialer is done")
        Event.closed(await connection.closeReason).emit()
    }

    /// Sends `data` and FIN on a stream of its own. Returns whether exactly that came back, with FIN.
    private func echo(_ data: ByteBuffer, over connection: Connection) async throws -> Bool {
        let stream = try await connection.openStream { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        return try await stream.executeThenClose { inbound, outbound in
            async let sent: Void = {
                try await outbound.write(data)
                outbound.finish()
            }()
            var received = ByteBuffer()
            for try await var chunk in inbound where received.readableBytes <= data.readableBytes {
                received.writeBuffer(&chunk)
            }
            try await sent
            return received == data
        }
    }

    /// Datagrams may be lost: another one is sent each 200 ms until one comes back.
    private func datagramEcho(over connection: Connection) async throws -> Bool {
        let question = ByteBuffer(string: "are you there?")
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await answer in connection.datagrams { return answer == question }
                return false
            }
            group.addTask {
                while true {
                    try connection.sendDatagram(question)
                    try await Task.sleep(for: .milliseconds(200))
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}

extension ByteBuffer {
    fileprivate static func random(_ count: Int) -> ByteBuffer {
        var generator = SystemRandomNumberGenerator()
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes < count { buffer.writeInteger(generator.next() as UInt64) }
        return buffer.readSlice(length: count) ?? ByteBuffer()
    }
}
