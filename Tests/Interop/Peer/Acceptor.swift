internal import NIOCore
internal import Transport

// The accepting end: echoes streams and datagrams on one ALPN, and on the other closes the connection when the first
// stream arrives. It knows no cases; the dialer decides what is tried.

enum Acceptor {
    static let alpns = [InteropALPN.echo, InteropALPN.close]

    /// Serves until the endpoint ends.
    static func run(_ endpoint: Endpoint) async {
        for address in endpoint.localAddresses {
            Event.listening(node: endpoint.nodeID, address: address.hostAndPort).emit()
        }
        await withDiscardingTaskGroup { group in
            for await connection in endpoint.connections {
                group.addTask { await serve(connection) }
            }
        }
    }

    private static func serve(_ connection: Connection) async {
        Event.accepted(peer: connection.peer, alpn: connection.alpn).emit()
        switch connection.alpn {
        case InteropALPN.close:
            for await stream in connection.streams {
                connection.close(code: 9, reason: "acceptor is done")
                stream.reset(code: 0)
                break
            }
        default:
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for await datagram in connection.datagrams { try? connection.sendDatagram(datagram) }
                }
                for await stream in connection.streams {
                    group.addTask { await echo(stream) }
                }
            }
        }
        Event.closed(await connection.closeReason).emit()
    }

    /// A stream's errors are its dialer's business: it sees that its bytes don't come back.
    private static func echo(_ stream: InboundStream) async {
        let channel = try? await stream.start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                try channel.pipeline.syncOperations.addHandlers([BackPressureHandler(), EchoHandler()])
                return channel
            }
        }
        try? await channel?.closeFuture.get()
    }
}

/// Writes back what it reads, and ends its direction when the other one has ended.
private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(mode: .output, promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
