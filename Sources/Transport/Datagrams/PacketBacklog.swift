internal import DequeModule

// What happens to packets when the system's send buffer is full? They wait here, in order, as copies. It is rare and
// short: connections do not write while anything waits.

/// Packets that a carrier could not take yet.
struct PacketBacklog {
    private struct Entry {
        let bytes: [UInt8]
        let segmentSize: Int?
        let path: DatagramPath
        let ecn: UInt32
    }

    private var entries = Deque<Entry>()
    /// Past it packets are lost, as they would be in a full router.
    private static let capacity = 64

    var isEmpty: Bool { entries.isEmpty }

    mutating func append(_ bytes: UnsafeRawBufferPointer, segmentSize: Int?, path: DatagramPath, ecn: UInt32) {
        guard entries.count < Self.capacity else { return }
        entries.append(Entry(bytes: Array(bytes), segmentSize: segmentSize, path: path, ecn: ecn))
    }

    /// Hands out entries as long as `send` takes them.
    ///
    /// - Returns: whether all are through.
    mutating func drain(_ send: (UnsafeRawBufferPointer, Int?, DatagramPath, UInt32) -> Bool) -> Bool {
        while let entry = entries.first {
            guard entry.bytes.withUnsafeBytes({ send($0, entry.segmentSize, entry.path, entry.ecn) }) else {
                return false
            }
            entries.removeFirst()
        }
        return true
    }
}
