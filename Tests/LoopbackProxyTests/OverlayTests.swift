import Logging
import LoopbackProxy
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing
import Transport
import Wire

/// Runs an agent on a real endpoint: each stream's preamble is checked, then bytes go to and from a TCP server.
private func withOverlay(
    agentPort: Int, certificate: [UInt8], _ body: @escaping @Sendable (GatewayPool) async throws -> Void
) async throws {
    let loopback = [try SocketAddress(ipAddress: "127.0.0.1", port: 0)]
    let logger = Logger(label: "test")
    let server = try await Endpoint.bind(
        EndpointConfiguration(
            secretKey: SecretKey(), alpns: ["openagent/gateway/1"], bindAddresses: loopback, logger: logger))
    let client = try await Endpoint.bind(
        EndpointConfiguration(secretKey: SecretKey(), bindAddresses: loopback, logger: logger))
    let pool = GatewayPool(
        endpoint: client, address: NodeAddress(nodeID: server.nodeID, addresses: server.localAddresses),
        certificate: { certificate })
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            await withDiscardingTaskGroup { connections in
                for await connection in server.connections {
                    connections.addTask {
                        await withDiscardingTaskGroup { streams in
                            for await stream in connection.streams {
                                streams.addTask { try? await forward(stream, to: agentPort, certificate) }
                            }
                        }
                    }
                }
            }
        }
        defer { tasks.cancelAll() }
        try await body(pool)
        pool.close()
        await client.close()
        await server.close()
    }
}

private func forward(_ stream: InboundStream, to port: Int, _ certificate: [UInt8]) async throws {
    let channel = try await stream.start { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }
    try await channel.executeThenClose { inbound, outbound in
        let here = RawConnection(inbound, outbound, channel.channel)
        var preamble = try await here.read(exactly: 4 + certificate.count)
        #expect(preamble.readInteger(as: UInt32.self) == UInt32(certificate.count))
        #expect(Array(preamble.readableBytesView) == certificate)
        try await withClient(.tcp(host: "127.0.0.1", port: port)) { there in
            // One request, one answer: what these tests need.
            let head = try await here.read(until: "\r\n\r\n")
            try await there.write(head)
            there.finish()
            while let bytes = try await there.read() { try await here.write(bytes) }
            here.finish()
        }
    }
}

/// Runs an agent that dies of its first requests: it closes the connection that each one came on, `deaths` times, and
/// answers from then on. `requests` holds the first line of each that it saw. Proxy and streams share one event loop.
private func withDyingAgent(
    deaths: Int,
    _ body: @escaping @Sendable (_ proxy: ProxyAddress, _ requests: NIOLockedValueBox<[String]>) async throws -> Void
) async throws {
    let loopback = [try SocketAddress(ipAddress: "127.0.0.1", port: 0)]
    let server = try await Endpoint.bind(
        EndpointConfiguration(
            secretKey: SecretKey(), alpns: ["openagent/gateway/1"], bindAddresses: loopback,
            logger: Logger(label: "test")))
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    var configuration = EndpointConfiguration(
        secretKey: SecretKey(), bindAddresses: loopback, logger: Logger(label: "test"))
    configuration.eventLoopGroup = loop
    let client = try await Endpoint.bind(configuration)
    let pool = GatewayPool(
        endpoint: client, address: NodeAddress(nodeID: server.nodeID, addresses: server.localAddresses),
        certificate: { [7] })
    let requests = NIOLockedValueBox<[String]>([])
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            await withDiscardingTaskGroup { streams in
                for await connection in server.connections {
                    streams.addTask {
                        await withDiscardingTaskGroup { group in
                            for await stream in connection.streams {
                                group.addTask {
                                    try? await answer(stream) { line in
                                        let seen = requests.withLockedValue { requests in
                                            requests.append(line)
                                            return requests.count
                                        }
                                        guard seen <= deaths else { return true }
                                        connection.close(code: 0, reason: "killed")
                                        return false
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        defer { tasks.cancelAll() }
        try await withProxy(dialer: pool, group: loop) { try await body($0, requests) }
        pool.close()
        await client.close()
        await server.close()
    }
}

private func answer(_ stream: InboundStream, _ lives: @escaping @Sendable (String) -> Bool) async throws {
    let channel = try await stream.start { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }
    try await channel.executeThenClose { inbound, outbound in
        let here = RawConnection(inbound, outbound, channel.channel)
        #expect(Array(try await here.read(exactly: 5).readableBytesView) == [0, 0, 0, 1, 7])
        while true {
            let head = try await here.read(until: "\r\n\r\n")
            guard lives(String(head.prefix { $0 != "\r\n" })) else { return }
            try await here.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct OverlayTests {
    // P-68
    @Test func aRequestThatChangesNothingOutlivesTheConnectionThatItWasSentOn() async throws {
        try await withDyingAgent(deaths: 1) { address, requests in
            try await withClient(address) { client in
                try await client.write(Self.get + "GET /second HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                #expect(try await client.response().body == "ok")
                #expect(try await client.response().body == "ok")
                try await client.write(Self.get)
                #expect(try await client.response().body == "ok")
            }
            let big = "GET /big HTTP/1.1"
            #expect(requests.withLockedValue { $0 } == [big, big, "GET /second HTTP/1.1", big])
        }
    }

    @Test func itIsRepeatedOnceAndNotWithoutEnd() async throws {
        try await withDyingAgent(deaths: 2) { address, requests in
            try await withClient(address) { client in
                try await client.write(Self.get)
                #expect(try await client.response().head.hasPrefix("HTTP/1.1 502 "))
            }
            #expect(requests.withLockedValue { $0.count } == 2)
        }
    }

    @Test(arguments: [
        "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx",
        "DELETE /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ])
    func aRequestThatMayHaveChangedSomethingIsNeverRepeated(request: String) async throws {
        try await withDyingAgent(deaths: 1) { address, requests in
            try await withClient(address) { client in
                try await client.write(request)
                let answer = try await client.response()
                #expect(answer.head.hasPrefix("HTTP/1.1 502 "))
                #expect(answer.body.contains("agent_unreachable"))
            }
            #expect(requests.withLockedValue { $0.count } == 1)
        }
    }

    private static let get = "GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    // P-64: the same call, directly and through proxy and overlay, gives the same bytes.
    @Test func aCallThroughTheOverlayGivesTheSameBytesAsADirectOne() async throws {
        let piece = ByteBuffer(bytes: (0..<100_000).map { 65 + UInt8($0 &* 7 % 23) })
        try await withAgent { stream in
            let request = try await stream.readToEnd()
            try await stream.write(
                "HTTP/1.1 206 Partial Content\r\nX-Head: \(request.utf8.count)\r\nContent-Length: 3000000\r\n\r\n")
            for _ in 0..<30 { try await stream.write(piece) }
        } _: { port in
            let direct = try await withClient(.tcp(host: "127.0.0.1", port: port)) { client in
                try await client.write(Self.get)
                client.finish()
                return try await client.readToEnd()
            }
            #expect(direct.utf8.count > 3_000_000)
            try await withOverlay(agentPort: port, certificate: [1, 2, 3, 4]) { pool in
                try await withProxy(dialer: pool) { address in
                    for _ in 0..<3 {
                        let proxied = try await withClient(address) { client in
                            try await client.write(Self.get)
                            return try await client.readToEnd()
                        }
                        #expect(proxied == direct)
                    }
                    #expect(pool.connectionCount == 1)
                }
            }
        }
    }

    @Test func anAgentThatIsGoneIsAnswered502AndOneThatNobodyRunsToo() async throws {
        let loopback = [try SocketAddress(ipAddress: "127.0.0.1", port: 0)]
        let endpoint = try await Endpoint.bind(
            EndpointConfiguration(secretKey: SecretKey(), bindAddresses: loopback, logger: Logger(label: "test")))
        let nobody = NodeAddress(nodeID: SecretKey().nodeID, addresses: endpoint.localAddresses)
        let pool = GatewayPool(endpoint: endpoint, address: nobody, timeout: .milliseconds(300), certificate: { [] })
        try await withProxy(dialer: pool) { address in
            let answer = try await withClient(address) { client in
                try await client.write(Self.get)
                return try await client.readToEnd()
            }
            #expect(answer.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"), "\(answer)")
            #expect(answer.contains(nobody.nodeID.short))
        }
        await endpoint.close()
    }
}
