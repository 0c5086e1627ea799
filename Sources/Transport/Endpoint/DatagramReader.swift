internal import NIOCore

// The last handler of a UDP socket's pipeline: from NIO's world into the endpoint's.

/// Hands what a socket reads to the endpoint.
final class DatagramReader: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let endpoint: EndpointCore
    private var local: NetworkAddress?

    init(endpoint: EndpointCore) { self.endpoint = endpoint }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if local == nil { local = context.localAddress.flatMap(NetworkAddress.init) }
        if let local { endpoint.receive(unwrapInboundIn(data), on: local) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { endpoint.finishReading() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What the network says about packets of the past (ICMP) is hearsay: QUIC has its own timers.
    }
}
