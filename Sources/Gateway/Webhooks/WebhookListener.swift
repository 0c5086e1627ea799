internal import Agent
internal import HTTPTypes
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOPosix

// How do requests from outside get to the door? Over TCP, on an address of its own, apart from everything that certificates
// protect. A connection is for one request and has a few seconds for all of it, so nobody can hold one by being slow; there are
// only so many at a time, and of one address fewer.

/// Where webhooks are listened for.
public struct WebhookAddress: Sendable, Equatable {
    public var host: String
    public var port: Int

    static let rule = "an address such as 127.0.0.1:8899, or a port of this machine"

    /// Reads `127.0.0.1:8899`, `[::1]:8899` or `8899`, which is a port of this machine alone.
    ///
    /// - Returns: nil when it is none.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 1 {
            host = "127.0.0.1"
        } else if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = String(text[text.index(after: text.startIndex)..<end])
            guard text[end...].hasPrefix("]:") else { return nil }
        } else if parts.count == 2 {
            host = String(parts[0])
        } else {
            return nil
        }
        guard !host.isEmpty, let port = Int(parts[parts.count - 1]), (0...65_535).contains(port) else { return nil }
        self.port = port
    }

    /// Whether only this machine can come.
    public var isLoopback: Bool {
        guard let address = try? SocketAddress(ipAddress: host, port: port) else { return host == "localhost" }
        switch address {
        case .v4: return host.hasPrefix("127.")
        case .v6: return host == "::1"
        case .unixDomainSocket: return false
        }
    }
}

/// Listens for webhooks.
struct WebhookListener: Sendable {
    struct Limits: Sendable {
        /// Bytes of a request's body.
        var body = 1 << 20
        var head = 16 << 10
        /// For a connection from its beginning to its end.
        var time = Duration.seconds(15)
        var connections = 256
        var connectionsPerSource = 32
    }

    let address: WebhookAddress
    let door: WebhookDoor
    var limits = Limits()
    let logger: Logger
    /// Told once it listens.
    var isListening: @Sendable (SocketAddress) -> Void = { _ in }

    /// Listens until the task is cancelled.
    func run() async {
        let listening: NIOAsyncChannel<NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, Never>
        do {
            listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.backlog, value: 128)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: address.host, port: address.port) { [limits] channel in
                    channel.eventLoop.makeCompletedFuture { try Self.configure(channel, limits) }
                }
        } catch {
            return logger.error(
                "webhooks::not_listening",
                metadata: ["address": "\(address.host):\(address.port)", "error": "\(error)"])
        }
        if let bound = listening.channel.localAddress { isListening(bound) }
        let place: Logger.Metadata = ["address": "\(address.host):\(address.port)"]
        logger.notice("webhooks::listening", metadata: place)
        if !address.isLoopback { logger.warning("webhooks::open_to_others", metadata: place) }
        let guests = Guests(limits)
        try? await listening.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    let source = WebhookRules.source(connection.channel.remoteAddress?.ipAddress ?? "")
                    guard await guests.enter(source) else {
                        connection.channel.close(promise: nil)
                        group.addTask { try? await connection.executeThenClose { _, _ in } }
                        continue
                    }
                    group.addTask {
                        await serve(connection, from: source)
                        await guests.leave(source)
                    }
                }
            }
        }
    }

    private static func configure(
        _ channel: any Channel, _ limits: Limits
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        // The whole of it has its time, whatever trickles in.
        let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(limits.time)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in deadline.cancel() }
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = limits.head
        decoding.maxHeaderListSize = limits.head
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding))
        try channel.pipeline.syncOperations.addHandlers([HTTPResponseEncoder(), decoder])
        try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
    }

    private func serve(
        _ connection: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, from source: String
    ) async {
        try? await connection.executeThenClose { inbound, outbound in
            var head: HTTPRequest?
            var body: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let request):
                    if let refusal = refusal(of: request, from: source) { return try await answer(refusal, outbound) }
                    if request.headerFields[.expect]?.lowercased() == "100-continue" {
                        try await outbound.write(.head(HTTPResponse(status: .continue)))
                    }
                    head = request
                case .body(let bytes):
                    guard body.count + bytes.readableBytes <= limits.body else {
                        return try await answer(Self.tooLarge, outbound)
                    }
                    body += bytes.readableBytesView
                case .end:
                    guard let head, let slug = Self.slug(of: head) else { return }
                    let fields = head.headerFields
                    let request = WebhookRequest(body: body) { name in
                        guard let name = HTTPField.Name(name) else { return nil }
                        let values = fields[values: name]
                        return values.count == 1 ? values[0] : nil
                    }
                    return try await answer(await door.receive(slug, request), outbound)
                }
            }
        }
    }

    private static let tooLarge = WebhookDoor.Answer(status: 413, body: #"{"error":"too_large"}"#)

    /// How a request is answered of which no more is read.
    private func refusal(of request: HTTPRequest, from source: String) -> WebhookDoor.Answer? {
        guard let slug = Self.slug(of: request) else {
            return WebhookDoor.Answer(status: 404, body: #"{"error":"not_found"}"#)
        }
        if let refusal = door.refuses(source, slug) { return refusal }
        guard request.method == .post else {
            return WebhookDoor.Answer(status: 405, body: #"{"error":"method_not_allowed"}"#)
        }
        if let length = request.headerFields[.contentLength].flatMap({ Int($0) }), length > limits.body {
            return Self.tooLarge
        }
        return nil
    }

    private static func slug(of request: HTTPRequest) -> String? {
        let path = (request.path ?? "").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)[0]
        guard path.utf8.starts(with: "/hooks/".utf8) else { return nil }
        let slug = String(path.dropFirst(7))
        return WebhookRules.isSlug(slug) ? slug : nil
    }

    private func answer(
        _ answer: WebhookDoor.Answer, _ outbound: NIOAsyncChannelOutboundWriter<HTTPResponsePart>
    ) async throws {
        var fields: HTTPFields = [
            .contentType: "application/json", .connection: "close", .contentLength: "\(answer.body.utf8.count)",
        ]
        if let wait = answer.retryAfter { fields[.retryAfter] = "\(wait)" }
        if answer.status == 405 { fields[.allow] = "POST" }
        try await outbound.write(.head(HTTPResponse(status: .init(code: answer.status), headerFields: fields)))
        try await outbound.write(.body(ByteBuffer(string: answer.body)))
        try await outbound.write(.end(nil))
        outbound.finish()
    }

    /// Who is connected.
    private actor Guests {
        private let limits: Limits
        private var total = 0
        private var sources: [String: Int] = [:]

        init(_ limits: Limits) { self.limits = limits }

        func enter(_ source: String) -> Bool {
            guard total < limits.connections, sources[source, default: 0] < limits.connectionsPerSource else {
                return false
            }
            total += 1
            sources[source, default: 0] += 1
            return true
        }

        func leave(_ source: String) {
            total -= 1
            let left = sources[source, default: 1] - 1
            sources[source] = left == 0 ? nil : left
        }
    }
}
