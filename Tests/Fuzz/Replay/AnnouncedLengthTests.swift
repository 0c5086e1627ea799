import Glibc
import NIOCore
import Testing

@testable import Certs
@testable import Gateway

// Memory is taken for bytes that have come, never for bytes that were announced. Measured where it is taken: the heap.

/// glibc's account of the heap as XML; its header is not in Swift's module.
@_silgen_name("malloc_info")
private func describeHeap(_ options: CInt, _ stream: UnsafeMutablePointer<FILE>) -> CInt

@Suite(.serialized) struct AnnouncedLengthTests {
    /// How many readers wait for a message that was announced and does not come.
    private static let waiting = 2_000
    /// What each may hold, in bytes. The least that is announced below is 16 times as much.
    private static let allowance = 1_024

    /// Bytes that the process got from its allocator and has not given back.
    private static var allocated: Int {
        var text: UnsafeMutablePointer<CChar>?
        var count = 0
        guard let stream = open_memstream(&text, &count) else { return 0 }
        _ = describeHeap(0, stream)
        fclose(stream)
        defer { free(text) }
        // The totals over all arenas stand last: what came from the system, and the free parts of it.
        let summary = text.map { String(cString: $0) } ?? ""
        func total(_ element: String) -> Int {
            guard let match = summary.matches(of: try! Regex("<\(element)[^>]*size=\"(\\d+)\"")).last else { return 0 }
            return match.output[1].substring.flatMap { Int($0) } ?? 0
        }
        return total("system type=\"current\"") + total("total type=\"mmap\"") - total("total type=\"fast\"")
            - total("total type=\"rest\"")
    }

    private static func heldBytes<Reader>(by readers: () -> [Reader]) -> Int {
        let before = allocated
        let made = readers()
        return withExtendedLifetime(made) { allocated - before }
    }

    @Test func theMeasureSeesMemoryThatIsOnlyReserved() {
        let held = Self.heldBytes {
            (0..<Self.waiting).map { _ in
                var bytes: [UInt8] = []
                bytes.reserveCapacity(16_384)
                return bytes
            }
        }
        #expect(held > Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test func announcedCertificatesTakeNoMemoryUntilTheyArrive() {
        let limit = GatewayLimits().preambleLength
        var start = ByteBuffer(integer: UInt32(limit))
        start.writeInteger(UInt8(1))
        let held = Self.heldBytes {
            (0..<Self.waiting).map { _ in
                var preamble = Preamble(limit: limit)
                #expect(preamble.receive(start) == .waitForMore)
                return preamble
            }
        }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test(arguments: [RPCFrame.requestLimit, RPCFrame.responseLimit])
    func announcedMessagesTakeNoMemoryUntilTheyArrive(_ limit: Int) {
        let start = UInt32(limit).bigEndianBytes + [1]
        let held = Self.heldBytes {
            (0..<Self.waiting).map { _ in
                var reader = RPCFrameReader(limit: limit)
                #expect(reader.consume(start) == .needsMore)
                return reader
            }
        }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test func aDroppedStreamHoldsNothingOfWhatStillComes() {
        let more = ByteBuffer(repeating: 7, count: 16_384)
        let held = Self.heldBytes {
            (0..<Self.waiting).map { _ in
                var preamble = Preamble(limit: 100)
                #expect(preamble.receive(ByteBuffer(bytes: [0, 0, 0, 101])) == .reset(.tooLong(101)))
                for _ in 0..<2 { #expect(preamble.receive(more) == .waitForMore) }
                return preamble
            }
        }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }
}
