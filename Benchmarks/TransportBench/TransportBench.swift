internal import Glibc
internal import NIOCore
internal import Transport

// One end of a measurement, by its arguments. Results are JSON objects, one a line, read by the programs in
// Benchmarks/subjects; a server writes where it listens and runs until it is killed.
//
//     transport-bench serve ADDRESS                     QUIC: sink, echo and idle connections
//     transport-bench bulk NODE ADDRESS BYTES           transport-bench tcp-serve HOST
//     transport-bench ping-pong NODE ADDRESS COUNT      transport-bench tcp-bulk ADDRESS BYTES
//     transport-bench handshakes NODE ADDRESS SECONDS   transport-bench tcp-ping-pong ADDRESS COUNT
//     transport-bench idle NODE ADDRESS COUNT           (until standard input ends)
//     transport-bench terminate KEYFILE ADDRESS BACKEND (takes a gateway's place before a TCP server)

enum BenchError: Error, CustomStringConvertible {
    case usage
    case wrongCount(sent: Int, received: UInt64)

    var description: String {
        switch self {
        case .usage: "usage: see the head of Benchmarks/TransportBench/TransportBench.swift"
        case .wrongCount(let sent, let received): "sent \(sent) bytes, but the other end counted \(received)"
        }
    }
}

@main struct TransportBench {
    private static let parallelHandshakes = 8

    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            print("error: \(error)")
            exit(1)
        }
    }

    /// Off the main actor: there each hop of a measured loop would be dear.
    @concurrent private static func run(_ arguments: [String]) async throws {
        guard let role = arguments.first else { throw BenchError.usage }
        switch (role, arguments.count) {
        case ("serve", 2):
            let server = try await BenchServer.bind(to: SocketAddress(hostAndPort: arguments[1]))
            report(listening: server.endpoint)
            await server.run()
        case ("terminate", 4):
            let terminator = try await Terminator.bind(
                keyPath: arguments[1], to: SocketAddress(hostAndPort: arguments[2]),
                backend: SocketAddress(hostAndPort: arguments[3]))
            report(listening: terminator.endpoint)
            await terminator.run()
        case ("tcp-serve", 2):
            let server = try await TCPBenchServer.bind(host: arguments[1])
            report([
                ("sink", "\"\(server.sink.localAddress?.hostAndPort ?? "")\""),
                ("echo", "\"\(server.echo.localAddress?.hostAndPort ?? "")\""),
            ])
            try await server.run()
        case ("bulk", 4):
            let bytes = try number(arguments[3])
            let carrier = try await QUICCarrier.connect(to: target(arguments), alpn: BenchALPN.sink)
            report([("seconds", seconds(try await carrier.bulk(bytes: bytes)))])
            await carrier.close()
        case ("ping-pong", 4):
            let count = try number(arguments[3])
            let carrier = try await QUICCarrier.connect(to: target(arguments), alpn: BenchALPN.echo)
            report(times: try await carrier.pingPong(count: count))
            await carrier.close()
        case ("tcp-bulk", 3):
            let carrier = TCPCarrier(address: try SocketAddress(hostAndPort: arguments[1]))
            report([("seconds", seconds(try await carrier.bulk(bytes: number(arguments[2]))))])
        case ("tcp-ping-pong", 3):
            let carrier = TCPCarrier(address: try SocketAddress(hostAndPort: arguments[1]))
            report(times: try await carrier.pingPong(count: number(arguments[2])))
        case ("handshakes", 4):
            let (count, elapsed) = try await Connections.handshakes(
                to: target(arguments), parallel: parallelHandshakes, duration: .seconds(try number(arguments[3])))
            report([("count", String(count)), ("seconds", seconds(elapsed))])
        case ("idle", 4):
            let target = try target(arguments)
            let endpoint = try await bindClient(for: target)
            let connections = try await Connections.open(number(arguments[3]), to: target, from: endpoint)
            report([("connections", String(connections.count))])
            while readLine() != nil {}
            await endpoint.close()
        default:
            throw BenchError.usage
        }
    }

    private static func target(_ arguments: [String]) throws -> NodeAddress {
        NodeAddress(nodeID: try NodeID(arguments[1]), addresses: [try SocketAddress(hostAndPort: arguments[2])])
    }

    private static func number(_ text: String) throws -> Int {
        guard let number = Int(text), number > 0 else { throw BenchError.usage }
        return number
    }

    private static func seconds(_ duration: Duration) -> String { String(duration / .seconds(1)) }

    private static func report(listening endpoint: Endpoint) {
        report([
            ("node", "\"\(endpoint.nodeID.hex)\""),
            ("address", "\"\(endpoint.localAddresses.first?.hostAndPort ?? "")\""),
        ])
    }

    private static func report(times: [Duration]) {
        let sorted = times.sorted()
        report([
            ("median_us", String(sorted[sorted.count / 2] / .microseconds(1))),
            ("p99_us", String(sorted[sorted.count * 99 / 100] / .microseconds(1))),
        ])
    }

    private static func report(_ fields: [(name: String, value: String)]) {
        print("{" + fields.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}")
        fflush(nil)
    }
}
