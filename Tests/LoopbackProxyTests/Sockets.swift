import Foundation
import Logging
import LoopbackProxy
import NIOCore
import NIOPosix
import Wire

// Plain sockets for the tests: an agent that is a TCP server with a script for each stream, a dialer that connects to
// it, and a client that says exactly the bytes it is told to.

/// One end of a TCP or Unix socket, byte by byte.
final class RawConnection {
    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer = ByteBuffer()
    let channel: any Channel

    init(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ channel: any Channel
    ) {
        iterator = inbound.makeAsyncIterator()
        self.outbound = outbound
        self.channel = channel
    }

    func write(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }
    func write(_ bytes: ByteBuffer) async throws { try await outbound.write(bytes) }
    /// Half-closes.
    func finish() { outbound.finish() }

    /// The next bytes, or nil at the end.
    func read() async throws -> ByteBuffer? {
        if buffer.readableBytes > 0 {
            defer { buffer = ByteBuffer() }
            return buffer
        }
        return try await iterator.next()
    }

    func read(exactly count: Int) async throws -> ByteBuffer {
        while buffer.readableBytes < count { try await readMore() }
        return buffer.readSlice(length: count)!
    }

    func read(until mark: String) async throws -> String {
        let mark = Array(mark.utf8)
        var searched = 0
        while true {
            let bytes = buffer.readableBytesView
            for index in searched..<max(searched, bytes.count - mark.count + 1)
            where bytes[bytes.startIndex + index] == mark[0]
                && bytes[(bytes.startIndex + index)...].starts(with: mark)
            {
                return buffer.readString(length: index + mark.count)!
            }
            searched = max(0, bytes.count - mark.count + 1)
            try await readMore()
        }
    }

    private func readMore() async throws {
        guard let more = try await iterator.next() else { throw Early(got: String(buffer: buffer)) }
        if buffer.readableBytes == 0 {
            buffer = more
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(more)
        }
    }

    func readToEnd() async throws -> String {
        while let more = try await iterator.next() { buffer.writeImmutableBuffer(more) }
        defer { buffer = ByteBuffer() }
        return String(buffer: buffer)
    }

    /// One answer: its head, and its body by Content-Length.
    func response() async throws -> (head: String, body: String) {
        let head = try await read(until: "\r\n\r\n")
        let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
        let count = length.flatMap { Int($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
        return (head, String(buffer: try await read(exactly: count)))
    }

    struct Early: Error { var got: String }
}

private func wrap(_ channel: any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
    channel.eventLoop.makeCompletedFuture {
        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
            wrappingChannelSynchronously: channel,
            configuration: .init(
                backPressureStrategy: .init(lowWatermark: 1, highWatermark: 2), isOutboundHalfClosureEnabled: true))
    }
}

/// An agent for the tests: every stream runs `script`.
func withAgent(
    _ script: @escaping @Sendable (RawConnection) async throws -> Void,
    _ body: @escaping @Sendable (_ port: Int) async throws -> Void
) async throws {
    let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .bind(host: "127.0.0.1", port: 0) { wrap($0) }
    let port = server.channel.localAddress!.port!
    try await server.executeThenClose { accepted in
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await withDiscardingTaskGroup { streams in
                    do {
                        for try await stream in accepted {
                            streams.addTask {
                                try? await stream.executeThenClose { inbound, outbound in
                                    try await script(RawConnection(inbound, outbound, stream.channel))
                                }
                            }
                        }
                    } catch {}
                }
            }
            try await body(port)
            tasks.cancelAll()
        }
    }
}

/// Streams that are TCP connections.
struct TCPDialer: GatewayDialer {
    var port: Int
    var group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup

    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        do {
            // Small, so that what is measured is the proxy and not the kernel.
            return try await ClientBootstrap(group: group)
                .channelOption(.socketOption(.so_rcvbuf), value: 256 << 10)
                .connect(host: "127.0.0.1", port: port) { initializer($0) }
        } catch {
            throw AgentUnreachable(agent: "test", cause: .dial("connection \"refused\""))
        }
    }
}

/// Runs a proxy in front of `dialer` for as long as `body` takes.
func withProxy(
    _ configuration: ProxyConfiguration = .init(), dialer: any GatewayDialer,
    group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup,
    _ body: @escaping @Sendable (ProxyAddress) async throws -> Void
) async throws {
    let proxy = LoopbackProxy(
        configuration: configuration, dialer: dialer, group: group, logger: Logger(label: "test"))
    let (addresses, continuation) = AsyncStream.makeStream(of: ProxyAddress.self)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            defer { continuation.finish() }
            do { try await proxy.run { continuation.yield($0) } } catch is CancellationError {}
        }
        for await address in addresses {
            try await body(address)
            break
        }
        tasks.cancelAll()
        try await tasks.waitForAll()
    }
}

/// A client of the proxy, or of anything else.
func withClient<R: Sendable>(
    _ address: ProxyAddress, _ body: (RawConnection) async throws -> R
) async throws -> R {
    let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .channelOption(.allowRemoteHalfClosure, value: true)
    let channel =
        switch address {
        case .tcp(let host, let port): try await bootstrap.connect(host: host, port: port) { wrap($0) }
        case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path) { wrap($0) }
        }
    return try await channel.executeThenClose { inbound, outbound in
        try await body(RawConnection(inbound, outbound, channel.channel))
    }
}

extension ProxyConfiguration {
    static func with(_ change: (inout ProxyConfiguration) -> Void) -> ProxyConfiguration {
        var configuration = ProxyConfiguration()
        change(&configuration)
        return configuration
    }
}

extension ProxyAddress {
    var port: Int {
        switch self {
        case .tcp(_, let port): port
        case .unix: 0
        }
    }
}

/// Answers each request with 200 and the request's head as body, until the client ends. Reads bodies by Content-Length.
@Sendable func echoHeads(_ stream: RawConnection) async throws {
    while true {
        let head = try await stream.read(until: "\r\n\r\n")
        let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
        let count = length.flatMap { Int($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
        let body = String(buffer: try await stream.read(exactly: count))
        let answer = head + body
        try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: \(answer.utf8.count)\r\n\r\n\(answer)")
    }
}
