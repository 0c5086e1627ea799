import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Transport

/// Somebody in the middle: forwards datagrams between one client and a server on 127.0.0.1, and keeps every one.
final class RecordingRelay: Sendable {
    private struct State {
        var client: SocketAddress?
        var server: SocketAddress
        var recorded: [[UInt8]] = []
    }

    private let state: Mutex<State>
    private let channels: Mutex<(inside: any Channel, outside: any Channel)?>

    /// Forwards to `server` until ``close()``.
    init(to server: SocketAddress) async throws {
        state = Mutex(State(server: server))
        channels = Mutex(nil)
        let outside = try await Self.bind { [weak self] bytes, _ in self?.pass(bytes, toServer: false, from: nil) }
        let inside = try await Self.bind { [weak self] bytes, from in self?.pass(bytes, toServer: true, from: from) }
        channels.withLock { $0 = (inside, outside) }
    }

    /// Where clients send to.
    var address: SocketAddress {
        get throws { try #require(channels.withLock { $0?.inside.localAddress }) }
    }

    /// Every datagram that came by, as it came.
    var recorded: [[UInt8]] { state.withLock(\.recorded) }

    /// Leads the client to somebody else from now on.
    func redirect(to server: SocketAddress) { state.withLock { $0.server = server } }

    func close() async throws {
        guard let channels = channels.withLock({ $0 }) else { return }
        try await channels.inside.close().get()
        try await channels.outside.close().get()
    }

    private func pass(_ bytes: ByteBuffer, toServer: Bool, from: SocketAddress?) {
        let target = state.withLock { state in
            state.recorded.append(Array(bytes.readableBytesView))
            if let from { state.client = from }
            return toServer ? state.server : state.client
        }
        guard let target, let channels = channels.withLock({ $0 }) else { return }
        let channel = toServer ? channels.outside : channels.inside
        channel.writeAndFlush(AddressedEnvelope(remoteAddress: target, data: bytes), promise: nil)
    }

    private static func bind(
        _ receive: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { $0.pipeline.addHandler(DatagramReceiver(receive)) }
            .bind(host: "127.0.0.1", port: 0).get()
    }
}

private final class DatagramReceiver: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let receive: @Sendable (ByteBuffer, SocketAddress) -> Void
    init(_ receive: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void) { self.receive = receive }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        receive(envelope.data, envelope.remoteAddress)
    }
}
