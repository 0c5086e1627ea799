// How do many packets become one system call? Packets are written one behind the other into this buffer; as long as
// they share path, ECN mark and size, the kernel cuts the run apart again (UDP_SEGMENT). This file does not know QUIC.

/// The packets that will leave with the next system call. One per endpoint, used again and again.
final class PacketBatch {
    /// Segments and bytes that Linux accepts in one call (UDP_MAX_SEGMENTS, and the IP length less its headers).
    private static let maximumSegments = 64
    private static let maximumBytes = 63_000
    /// Room behind ``maximumBytes`` for one more packet of any size that a connection writes.
    private static let packetRoom = 2_048

    private let storage: UnsafeMutableRawBufferPointer
    private var path: DatagramPath?
    private var ecn: UInt32 = 0
    private var segmentSize = 0
    private var lastSize = 0
    private var count = 0
    private var used = 0

    init() {
        storage = .allocate(byteCount: Self.maximumBytes + Self.packetRoom, alignment: 64)
    }

    deinit { storage.deallocate() }

    /// Where the next packet goes. At least 2,048 bytes.
    var space: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: storage[used...]) }

    /// Takes the packet of `size` bytes that was just written at the start of ``space``. What can no longer grow is
    /// handed to `send`: before the packet when it does not continue the run, behind it when it ends the run.
    func add(
        size: Int, path: DatagramPath, ecn: UInt32,
        send: (UnsafeRawBufferPointer, _ segmentSize: Int?, DatagramPath, UInt32) -> Void
    ) {
        let continues =
            count > 0 && self.path == path && self.ecn == ecn && size <= segmentSize && lastSize == segmentSize
        if count > 0 && !continues {
            let start = used
            flush(send: send)
            storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[start..<(start + size)]))
        }
        if count == 0 {
            self.path = path
            self.ecn = ecn
            segmentSize = size
        }
        count += 1
        used += size
        lastSize = size
        if count == Self.maximumSegments || used + segmentSize > Self.maximumBytes || size < segmentSize {
            flush(send: send)
        }
    }

    /// Hands out what is left.
    func flush(send: (UnsafeRawBufferPointer, _ segmentSize: Int?, DatagramPath, UInt32) -> Void) {
        guard let path, count > 0 else { return }
        send(UnsafeRawBufferPointer(rebasing: storage[..<used]), count > 1 ? segmentSize : nil, path, ecn)
        self.path = nil
        count = 0
        used = 0
    }
}
