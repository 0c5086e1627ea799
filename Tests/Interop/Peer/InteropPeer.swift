internal import Glibc
internal import Logging
internal import NIOCore
internal import Transport

// Our end for the matrix of Tests/Interop: reads the arguments and runs one role.
//
//     interop-peer accept SEED ADDRESS
//     interop-peer dial SEED NODE ADDRESS CASE

enum InteropALPN {
    static let echo = "interop/echo/1"
    static let close = "interop/close/1"
    static let unknown = "interop/unknown/1"
}

/// What a dialer does; see matrix.py.
enum DialCase: String {
    case connect, streams, bulk, datagram, close, closed, again, alpn
    case wrongKey = "wrong-key"
}

@main struct InteropPeer {
    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            print("error: \(error)")
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) async throws {
        switch (arguments.first, arguments.count) {
        case ("accept", 3):
            let endpoint = try await bind(
                seed: arguments[1], to: SocketAddress(hostAndPort: arguments[2]), alpns: Acceptor.alpns)
            await Acceptor.run(endpoint)
        case ("dial", 5):
            guard let testCase = DialCase(rawValue: arguments[4]) else { throw InteropError.usage }
            let target = NodeAddress(
                nodeID: try NodeID(arguments[2]), addresses: [try SocketAddress(hostAndPort: arguments[3])])
            let endpoint = try await bind(seed: arguments[1], to: SocketAddress(hostAndPort: "127.0.0.1:0"), alpns: [])
            try await Dialer(endpoint: endpoint, target: target, testCase: testCase).run()
            await endpoint.close()
        default:
            throw InteropError.usage
        }
    }

    private static func bind(seed: String, to address: SocketAddress, alpns: [String]) async throws -> Endpoint {
        guard let bytes = Base16.decode(seed.utf8) else { throw InteropError.usage }
        var logger = Logger(label: "interop-peer", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = getenv("INTEROP_LOG") == nil ? .warning : .trace
        return try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: try SecretKey(seed: bytes), alpns: alpns, bindAddresses: [address], logger: logger))
    }
}

enum InteropError: Error, CustomStringConvertible {
    case usage
    case wrongEcho

    var description: String {
        switch self {
        case .usage: "usage: interop-peer accept SEED ADDRESS | dial SEED NODE ADDRESS CASE"
        case .wrongEcho: "the acceptor echoed something else"
        }
    }
}
