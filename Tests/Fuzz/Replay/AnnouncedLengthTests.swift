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

    /// What many copies of `reader` hold after `deliver`, which says whether they still wait.
    private static func heldBytes<Reader>(_ reader: Reader, _ deliver: (inout Reader) -> Bool) -> Int {
        let before = allocated
        var areWaiting = true
        var readers: [Reader] = []
        for _ in 0..<waiting {
            readers.append(reader)
            areWaiting = deliver(&readers[readers.count - 1]) && areWaiting
        }
        #expect(areWaiting)
        return withExtendedLifetime(readers) { allocated - before }
    }

    @Test func theMeasureSeesMemoryThatIsOnlyReserved() {
        let held = Self.heldBytes([UInt8]()) { bytes in
            bytes.reserveCapacity(16_384)
            return true
        }
        #expect(held > Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test func announcedCertificatesTakeNoMemoryUntilTheyArrive() {
        let limit = GatewayLimits().preambleLength
        let start = ByteBuffer(bytes: UInt32(limit).bigEndianBytes + [1])
        let held = Self.heldBytes(Preamble(limit: limit)) { $0.receive(start) == .waitForMore }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test(arguments: [RPCFrame.requestLimit, RPCFrame.responseLimit])
    func announcedMessagesTakeNoMemoryUntilTheyArrive(_ limit: Int) {
        let start = UInt32(limit).bigEndianBytes + [1]
        let held = Self.heldBytes(RPCFrameReader(limit: limit)) { $0.consume(start) == .needsMore }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }

    @Test func aDroppedStreamHoldsNothingOfWhatStillComes() {
        let more = ByteBuffer(repeating: 7, count: 16_384)
        var dropped = Preamble(limit: 100)
        #expect(dropped.receive(ByteBuffer(bytes: [0, 0, 0, 101])) == .reset(.tooLong(101)))
        let held = Self.heldBytes(dropped) { preamble in
            preamble.receive(more) == .waitForMore && preamble.receive(more) == .waitForMore
        }
        #expect(held < Self.waiting * Self.allowance, "\(held / Self.waiting) bytes for each")
    }
}
