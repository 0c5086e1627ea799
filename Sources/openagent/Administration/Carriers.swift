internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import LoopbackProxy
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Transport
internal import Wire

// Which ways lead to an agent? Four, and one request looks the same on all of them: to the server on this machine with
// the agent's own key, into its directory while no server runs, to the coordinator with this device's certificate, and
// through a proxy on this machine.

/// Requests over streams, whoever opens them.
private struct StreamExchange: Sendable {
    var dialer: any GatewayDialer
    var headers = HTTPHeaders()

    func send(_ request: AdministrationRequest) async throws -> AdministrationReply {
        var headers = headers
        headers.add(contentsOf: request.fields)
        let answer = try await GatewayClient(dialer: dialer).request(
            method: request.method, path: request.path, headers: headers,
            body: request.body.map { ByteBuffer(bytes: $0) })
        return AdministrationReply(
            status: Int(answer.status.code), body: Array(answer.body.readableBytesView),
            etag: answer.headers.first(name: "ETag"))
    }

    /// Bytes of an answer that is no stream.
    private static let longest = 16 << 20
    /// More than an agent waits by itself.
    private static let patience = Duration.seconds(86_500)

    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        var headers = headers
        headers.add(contentsOf: request.fields)
        let question = GatewayRequest(
            method: request.method, path: request.path, headers: headers,
            body: request.body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none)
        return try await GatewayClient(dialer: dialer).withResponse(question, headTimeout: Self.patience) {
            head, body in
            let status = Int(head.status.code)
            let isStream = head.headers.first(name: "Content-Type")?.hasPrefix("text/event-stream") == true
            guard (200..<300).contains(status), isStream || pieces == .all else {
                let bytes = try await body.collect(upTo: Self.longest)
                return AdministrationReply(status: status, body: Array(bytes.readableBytesView))
            }
            while let bytes = try await body.next() { try receive(Array(bytes.readableBytesView)) }
            return AdministrationReply(status: status, body: [])
        }
    }
}

/// The server on this machine. Whoever holds the agent's key is its operator and shows no certificate.
struct RunningAgentCarrier: AdministrationCarrier {
    private let endpoint: Endpoint
    private let pool: GatewayPool

    init(directory: AgentDirectory, record: RunRecord, timeout: Duration, logger: Logger) async throws {
        let key = try SecretKey.load(path: directory.identityKey)
        endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: key, logger: logger))
        let local = ["127.0.0.1", "::1"].compactMap { try? SocketAddress(ipAddress: $0, port: Int(record.udpPort)) }
        pool = GatewayPool(
            endpoint: endpoint, address: NodeAddress(nodeID: record.nodeId, addresses: local),
            agent: directory.defaultName, timeout: timeout, certificate: { [] })
    }

    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply {
        try await StreamExchange(dialer: pool).send(request)
    }

    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        try await StreamExchange(dialer: pool).follow(request, pieces, receive)
    }

    func close() async {
        pool.close()
        await endpoint.close()
    }
}

/// The coordinator of a network, asked with this device's certificate.
struct NetworkCarrier: AdministrationCarrier {
    private let client: Client

    init(_ client: Client) { self.client = client }

    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply {
        try await StreamExchange(dialer: client.pool).send(request)
    }

    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        try await StreamExchange(dialer: client.pool).follow(request, pieces, receive)
    }

    func close() async { await client.close() }
}

/// A proxy on this machine, which shows its own device's certificate.
struct ProxyCarrier: AdministrationCarrier {
    private let place: ProxyPlace
    private let streams: StreamExchange

    init(_ place: ProxyPlace, token: ProxyToken?, timeout: Duration) {
        self.place = place
        var headers = HTTPHeaders([("Host", place.host), ("Connection", "close")])
        if let token { headers.add(name: "Authorization", value: "Bearer \(token.secret)") }
        streams = StreamExchange(
            dialer: SocketDialer(place: place, timeout: timeout, group: MultiThreadedEventLoopGroup.singleton),
            headers: headers)
    }

    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply {
        try await saying { try await streams.send(request) }
    }

    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        try await saying { try await streams.follow(request, pieces, receive) }
    }

    /// Says that it is the proxy that is missing.
    private func saying(
        _ work: () async throws -> AdministrationReply
    ) async throws -> AdministrationReply {
        do {
            return try await work()
        } catch let error as AgentUnreachable {
            throw explained(error)
        }
    }

    private func explained(_ error: AgentUnreachable) -> any Error {
        guard case .dial(let why) = error.cause else { return error }
        return CommandError(
            .unreachable, "no proxy answers at \(place): \(why)",
            hint: "start one with: openagent proxy; or leave out --proxy and OPENAGENT_PROXY")
    }

    func close() async {}
}
