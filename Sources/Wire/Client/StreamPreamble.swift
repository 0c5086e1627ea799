internal import NIOCore

// Who opens this stream? A gateway stream begins with `u32 length | certificate` (network.md §3), once, before any HTTP.
// This file writes that prefix; what a certificate is and whether it is any good is for others to know.

/// Writes the preamble as the stream's first bytes, in the same flush as whatever the pipeline writes on becoming
/// active. Goes to the front of the pipeline and removes itself.
final class StreamPreambleHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let certificate: [UInt8]

    /// - Parameter certificate: the wire form; empty for a caller who has none.
    init(certificate: [UInt8]) {
        self.certificate = certificate
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
        context.flush()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    private func begin(_ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(Self.preamble(certificate, context.channel.allocator)), promise: nil)
    }

    /// The preamble's bytes.
    static func preamble(_ certificate: [UInt8], _ allocator: ByteBufferAllocator) -> ByteBuffer {
        var preamble = allocator.buffer(capacity: 4 + certificate.count)
        preamble.writeInteger(UInt32(certificate.count))
        preamble.writeBytes(certificate)
        return preamble
    }
}
