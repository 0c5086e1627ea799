public import NIOCore

// A stream that the peer opened and nobody has taken up yet.

/// A stream of the peer, before its channel runs. Bytes wait within the stream's flow control window.
public struct InboundStream: Sendable {
    /// The stream's id (RFC 9000 §2.1).
    public var streamID: Int64 { channel.streamID }

    let channel: StreamChannel

    /// Runs the initializer, then activates the channel: nothing is read before.
    ///
    /// - Throws: what the initializer's future fails with (the stream is reset then), or `ChannelError` when the stream
    ///   is gone.
    public func start<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        try await channel.eventLoop.flatSubmit { channel.start(initializer) }.get()
    }

    /// The same without a hop, on the connection's event loop: the channel is active when this returns.
    ///
    /// - Throws: what the initializer throws (the stream is reset then), or `ChannelError` when the stream is gone.
    public func startNow<R>(_ initializer: (any Channel) throws -> R) throws -> R {
        channel.eventLoop.preconditionInEventLoop()
        return try channel.startNow(initializer)
    }

    /// Throws the stream away with a code for the peer.
    public func reset(code: UInt64) {
        channel.eventLoop.execute {
            channel.triggerUserOutboundEvent0(StreamReset(code: code), promise: nil)
        }
    }
}
