internal import NIOCore

// What does QUIC know about one stream? Its bytes in both directions and how each direction ended. ngtcp2's callbacks
// write here and nothing else happens then; the connection looks at touched streams once a batch of packets is read.
// This file knows neither channels nor ngtcp2.

/// One bidirectional stream's bytes and ends. Lives until ngtcp2 has closed the stream.
final class QUICStream {
    /// How the peer's direction ended, or has not.
    enum ReceiveEnd: Equatable {
        case open
        case finished
        case reset(code: UInt64)
        /// This side asked the peer to stop; what still arrives is thrown away.
        case stopped
    }

    /// How this side's direction ended, or has not.
    enum SendEnd: Equatable {
        case open
        /// FIN follows the flushed bytes.
        case finishing
        case finished
        /// The peer asked to stop, or this side reset.
        case stopped(code: UInt64)
    }

    let id: Int64
    /// The channel that shows this stream to the application, while it is open. Its connection lets go of it then; it is
    /// not weak because that would make every use of the channel slower.
    var channel: StreamChannel?

    var sendBuffer = SendBuffer()
    var sendEnd = SendEnd.open
    var receiveEnd = ReceiveEnd.open
    /// The peer's flow control window is used up.
    var isBlocked = false
    /// Whether the connection's list of streams with something to send holds this one.
    var isQueuedForSending = false
    /// Whether the list of streams with news for their channel holds this one.
    var isTouched = false
    /// ngtcp2 has forgotten the stream: it must not be named to it again.
    var isClosed = false

    /// Bytes that arrived and were not delivered.
    private(set) var received: ByteBuffer?
    /// Bytes of the last delivery, as a guess at the next one's size.
    private var lastDelivery = 0

    init(id: Int64) { self.id = id }

    /// Whether a packet could be made from this stream now.
    var wantsToSend: Bool {
        guard !isBlocked, !isClosed else { return false }
        return switch sendEnd {
        case .open: sendBuffer.hasFlushed
        case .finishing: true
        case .finished, .stopped: false
        }
    }

    var receivedBytes: Int { received?.readableBytes ?? 0 }

    /// Appends bytes from a packet; the one copy on their way in.
    func append(_ bytes: UnsafeRawBufferPointer) {
        if received == nil {
            // Room for a batch like the last one, so that a busy stream's buffer does not grow step by step.
            let capacity = max(bytes.count, min(lastDelivery, 256 << 10))
            received = ByteBufferAllocator().buffer(capacity: capacity)
        }
        received?.writeBytes(bytes)
    }

    /// What has arrived; the stream holds nothing then.
    func takeReceived() -> ByteBuffer? {
        guard let bytes = received, bytes.readableBytes > 0 else { return nil }
        received = nil
        lastDelivery = bytes.readableBytes
        return bytes
    }
}
