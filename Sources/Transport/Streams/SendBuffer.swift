internal import DequeModule
internal import NIOCore

// Which bytes of a stream are still to be sent, and which must be kept because the peer has not acknowledged them? No
// byte is copied: buffers are held as they were written, and as long as they are held their memory does not move.

/// The sending half of a stream's bytes: written → flushed → sent → acknowledged.
struct SendBuffer {
    private struct Chunk {
        let bytes: ByteBuffer
        var promise: EventLoopPromise<Void>?
    }

    /// Chunks from the oldest one that is not fully acknowledged to the newest one.
    private var chunks = Deque<Chunk>()
    /// How many chunks, counted from the first, belong to which stage.
    private var sentCount = 0
    private var flushedCount = 0
    /// Bytes of the chunk at `sentCount` that have been sent.
    private var partlySent = 0
    /// The stream offset of the first chunk's first byte, and of the first byte not yet acknowledged.
    private var baseOffset: UInt64 = 0

    /// Bytes written and not yet sent; this is what writability is measured by.
    private(set) var unsentBytes = 0

    /// Whether flushed bytes wait to be sent.
    var hasFlushed: Bool { sentCount < flushedCount }

    /// Takes a buffer at the end. Its promise succeeds when the last of its bytes has been put into a packet.
    mutating func write(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?) {
        chunks.append(Chunk(bytes: bytes, promise: promise))
        unsentBytes += bytes.readableBytes
    }

    /// Everything written so far may be sent.
    mutating func flush() { flushedCount = chunks.count }

    /// Lends up to `vectors.count` runs of the bytes to send next. They stay valid until acknowledged or discarded.
    ///
    /// - Parameter enough: no further run is added once this many bytes are lent: it would be of no use for one packet.
    /// - Returns: how many were filled in, their bytes, and whether nothing flushed lies behind them.
    func next(into vectors: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>, enough: Int) -> (
        count: Int, bytes: Int, isLast: Bool
    ) {
        var count = 0
        var total = 0
        var index = sentCount
        var skip = partlySent
        while index < flushedCount, count < vectors.count, total < enough {
            chunks[index].bytes.withUnsafeReadableBytes { bytes in
                // Leaves the closure on purpose: the chunk holds the storage and is never mutated.
                let rest = UnsafeRawBufferPointer(rebasing: bytes[skip...])
                if !rest.isEmpty {
                    vectors[count] = rest
                    count += 1
                    total += rest.count
                }
            }
            skip = 0
            index += 1
        }
        return (count, total, index == flushedCount)
    }

    /// The next `bytes` bytes have been put into a packet. Promises of buffers that are through are moved to
    /// `completed`: a packet is being built, so that nobody else may act now.
    mutating func markSent(_ bytes: Int, completed: inout [EventLoopPromise<Void>]) {
        unsentBytes -= bytes
        var rest = bytes
        while sentCount < flushedCount {
            let left = chunks[sentCount].bytes.readableBytes - partlySent
            guard left <= rest else { break }
            rest -= left
            partlySent = 0
            if let promise = chunks[sentCount].promise {
                completed.append(promise)
                chunks[sentCount].promise = nil
            }
            sentCount += 1
        }
        partlySent += rest
    }

    /// The peer has everything before `offset`: those buffers are let go.
    mutating func acknowledge(upTo offset: UInt64) {
        while sentCount > 0, let first = chunks.first, baseOffset + UInt64(first.bytes.readableBytes) <= offset {
            baseOffset += UInt64(first.bytes.readableBytes)
            chunks.removeFirst()
            sentCount -= 1
            flushedCount -= 1
        }
    }

    /// Fails what was written and not flushed.
    mutating func dropUnflushed(_ error: any Error) {
        while chunks.count > flushedCount, let chunk = chunks.popLast() {
            unsentBytes -= chunk.bytes.readableBytes
            chunk.promise?.fail(error)
        }
    }

    /// Fails everything that was not sent. Bytes that may be in packets are kept, for ngtcp2 still points at them.
    mutating func dropUnsent(_ error: any Error) {
        dropUnflushed(error)
        while chunks.count > sentCount {
            if chunks.count == sentCount + 1, partlySent > 0 {
                chunks[sentCount].promise?.fail(error)
                chunks[sentCount].promise = nil
                sentCount += 1
                partlySent = 0
                break
            }
            chunks.popLast()?.promise?.fail(error)
        }
        flushedCount = sentCount
        unsentBytes = 0
    }
}
