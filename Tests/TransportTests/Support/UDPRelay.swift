import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

// A network in between: a UDP relay that records, drops, reorders and damages packets, and that can change the port
// from which it speaks to the server, as a NAT does.

/// Forwards datagrams between any number of clients' sockets (seen as one) and a server.
final class UDPRelay: Sendable {
    /// What happens to one packet.
    enum Fate: Sendable {
        case pass
        case drop
        /// Held back until the next packet in this direction has passed.
        case delay
        case damage
    }

    enum Direction: Sendable { case toServer, toClient }

    private struct State {
        var client: SocketAddress?
        var outside: (any Channel)?
        var recorded: [[UInt8]] = []
        var counts: [Int] = [0, 0]
        var held: [ByteBuffer?] = [nil, nil]
        var fate: @Sendable (Direction, Int) -> Fate = { _, _ in .pass }
    }

    private let state = NIOLockedValueBox(State())
    private let inside: any Channel
    private let server: SocketAddress
    /// Where clients send to.
    let address: SocketAddress

    init(to server: SocketAddress) async throws {
        self.server = server
        let box = NIOLockedValueBox<UDPRelay?>(nil)
        inside = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.pipeline.addHandler(Receiver { box.withLockedValue { $0 }?.fromClient($0, $1) })
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let address = inside.localAddress else { throw TestFailure("no relay address") }
        self.address = address
        box.withLockedValue { $0 = self }
        try await changePort()
    }

    /// Speaks to the server from another port from now on. Answers to the old port are lost.
    func changePort() async throws {
        let new = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { [weak self] channel in
                channel.pipeline.addHandler(Receiver { [weak self] bytes, _ in self?.fromServer(bytes) })
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let old = state.withLockedValue { state in
            defer { state.outside = new }
            return state.outside
        }
        try await old?.close().get()
    }

    func setFate(_ fate: @escaping @Sendable (Direction, Int) -> Fate) { state.withLockedValue { $0.fate = fate } }

    /// Every packet that came by, as it came.
    var recorded: [[UInt8]] { state.withLockedValue { $0.recorded } }

    /// Sends a datagram of the test's own to the server, from the relay's present port.
    func inject(_ bytes: [UInt8]) {
        let channel = state.withLockedValue { $0.outside }
        channel?.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: bytes)), promise: nil)
    }

    func close() async throws {
        try await inside.close().get()
        try await state.withLockedValue { $0.outside }?.close().get()
    }

    private func fromClient(_ bytes: ByteBuffer, _ client: SocketAddress) {
        let (channel, packets) = state.withLockedValue { state in
            state.client = client
            return (state.outside, Self.handle(bytes, .toServer, &state))
        }
        for packet in packets { channel?.write(AddressedEnvelope(remoteAddress: server, data: packet), promise: nil) }
        channel?.flush()
    }

    private func fromServer(_ bytes: ByteBuffer) {
        let (client, packets) = state.withLockedValue { ($0.client, Self.handle(bytes, .toClient, &$0)) }
        guard let client else { return }
        for packet in packets { inside.write(AddressedEnvelope(remoteAddress: client, data: packet), promise: nil) }
        inside.flush()
    }

    private static func handle(_ bytes: ByteBuffer, _ direction: Direction, _ state: inout State) -> [ByteBuffer] {
        let index = direction == .toServer ? 0 : 1
        state.recorded.append(Array(bytes.readableBytesView))
        state.counts[index] += 1
        var out: [ByteBuffer] = []
        switch state.fate(direction, state.counts[index]) {
        case .pass: out.append(bytes)
        case .drop: break
        case .delay:
            if state.held[index] == nil {
                state.held[index] = bytes
                return []
            }
            out.append(bytes)
        case .damage:
            var copy = bytes
            let at = copy.readerIndex + copy.readableBytes / 2
            if let byte: UInt8 = copy.getInteger(at: at) { copy.setInteger(byte ^ 0x10, at: at) }
            out.append(copy)
        }
        if let late = state.held[index] {
            out.append(late)
            state.held[index] = nil
        }
        return out
    }
}

private final class Receiver: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let body: @Sendable (ByteBuffer, SocketAddress) -> Void
    init(_ body: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void) { self.body = body }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        body(envelope.data, envelope.remoteAddress)
    }
}
