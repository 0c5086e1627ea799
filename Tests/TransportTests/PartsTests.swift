import NIOCore
import NIOEmbedded
import Testing

@testable import Transport

/// The parts that need no network.
struct PartsTests {
    // MARK: SendBuffer

    private func pull(_ buffer: SendBuffer, vectors: Int = 16) -> (text: String, isLast: Bool) {
        withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: vectors) { space in
            let (count, _, isLast) = buffer.next(into: space, enough: .max)
            return (space[..<count].map { String(decoding: $0, as: UTF8.self) }.joined(), isLast)
        }
    }

    @Test func onlyFlushedBytesAreSentAndInOrder() {
        var buffer = SendBuffer()
        buffer.write(ByteBuffer(string: "abc"), promise: nil)
        #expect(pull(buffer).text == "" && !buffer.hasFlushed)
        buffer.flush()
        buffer.write(ByteBuffer(string: "def"), promise: nil)
        #expect(pull(buffer) == ("abc", true))
        buffer.flush()
        #expect(pull(buffer) == ("abcdef", true))
        #expect(pull(buffer, vectors: 1) == ("abc", false))
        #expect(buffer.unsentBytes == 6)
    }

    @Test func sendingGoesOnWhereItStoppedAndCompletesWholeBuffers() {
        var buffer = SendBuffer()
        let loop = EmbeddedEventLoop()
        let promise = loop.makePromise(of: Void.self)
        buffer.write(ByteBuffer(string: "abc"), promise: promise)
        buffer.write(ByteBuffer(string: "def"), promise: nil)
        buffer.flush()
        var completed: [EventLoopPromise<Void>] = []
        buffer.markSent(2, completed: &completed)
        #expect(completed.isEmpty)
        #expect(pull(buffer).text == "cdef")
        buffer.markSent(2, completed: &completed)
        #expect(completed.count == 1)
        #expect(pull(buffer).text == "ef")
        #expect(buffer.unsentBytes == 2)
        buffer.acknowledge(upTo: 3)
        buffer.markSent(2, completed: &completed)
        buffer.acknowledge(upTo: 6)
        #expect(!buffer.hasFlushed && buffer.unsentBytes == 0)
        for promise in completed { promise.succeed() }
    }

    @Test func whatIsDroppedFailsAndWhatWasSentStays() {
        var buffer = SendBuffer()
        let loop = EmbeddedEventLoop()
        let promises = (0..<3).map { _ in loop.makePromise(of: Void.self) }
        for promise in promises {
            buffer.write(ByteBuffer(string: "abc"), promise: promise)
            buffer.flush()
        }
        var completed: [EventLoopPromise<Void>] = []
        buffer.markSent(4, completed: &completed)
        buffer.dropUnsent(ChannelError.ioOnClosedChannel)
        #expect(buffer.unsentBytes == 0 && !buffer.hasFlushed)
        #expect(completed.count == 1)
        for promise in completed { promise.succeed() }
        #expect(throws: Never.self) { try promises[0].futureResult.wait() }
        #expect(throws: ChannelError.self) { try promises[1].futureResult.wait() }
        #expect(throws: ChannelError.self) { try promises[2].futureResult.wait() }
        buffer.acknowledge(upTo: 6)
    }

    // MARK: StreamLifecycle

    @Test func aStreamClosesWhenBothDirectionsHaveEnded() {
        var stream = StreamLifecycle()
        #expect(stream.isIdle && stream.isInputOpen && stream.isOutputOpen)
        let activations = [stream.activate(), stream.activate()]
        #expect(activations == [true, false])
        guard case .halfOpen = stream.endInput() else { return #expect(Bool(false)) }
        guard case .already = stream.endInput() else { return #expect(Bool(false)) }
        #expect(!stream.isInputOpen && stream.isOutputOpen)
        guard case .bothEnded = stream.endOutput() else { return #expect(Bool(false)) }
        let closes = [stream.close(), stream.close()]
        #expect(closes == [true, nil])
        #expect(stream.isClosed && !stream.isOutputOpen)
    }

    @Test func anIdleStreamClosesWithoutHavingBeenActive() {
        var stream = StreamLifecycle()
        let wasActive = stream.close()
        #expect(wasActive == false)
        let activated = stream.activate()
        #expect(!activated)
    }

    // MARK: PacketBatch

    private struct Sent: Equatable {
        let bytes: Int
        let segment: Int?
        let port: UInt16
        let ecn: UInt32
    }

    private func path(_ port: Int) throws -> DatagramPath {
        let local = try #require(NetworkAddress(SocketAddress(ipAddress: "127.0.0.1", port: 1)))
        let remote = try #require(NetworkAddress(SocketAddress(ipAddress: "127.0.0.1", port: port)))
        return DatagramPath(local: local, remote: remote)
    }

    @Test func packetsOfOneSizeLeaveTogetherAndTheRestApart() throws {
        let batch = PacketBatch()
        var sent: [Sent] = []
        func send(_ bytes: UnsafeRawBufferPointer, _ segment: Int?, _ path: DatagramPath, _ ecn: UInt32) {
            sent.append(Sent(bytes: bytes.count, segment: segment, port: path.remote.port, ecn: ecn))
        }
        let a = try path(10)
        let b = try path(11)
        for size in [1_200, 1_200, 700] { batch.add(size: size, path: a, ecn: 2, send: send) }
        #expect(sent == [Sent(bytes: 3_100, segment: 1_200, port: 10, ecn: 2)])
        sent = []
        batch.add(size: 500, path: a, ecn: 2, send: send)
        batch.add(size: 501, path: a, ecn: 2, send: send)
        batch.add(size: 501, path: b, ecn: 2, send: send)
        batch.add(size: 501, path: b, ecn: 0, send: send)
        batch.flush(send: send)
        batch.flush(send: send)
        #expect(
            sent == [
                Sent(bytes: 500, segment: nil, port: 10, ecn: 2), Sent(bytes: 501, segment: nil, port: 10, ecn: 2),
                Sent(bytes: 501, segment: nil, port: 11, ecn: 2), Sent(bytes: 501, segment: nil, port: 11, ecn: 0),
            ])
    }

    @Test func aBatchStaysWithinWhatTheKernelTakes() throws {
        let batch = PacketBatch()
        var sizes: [(Int, Int?)] = []
        let a = try path(10)
        for _ in 0..<200 {
            batch.add(size: 1_452, path: a, ecn: 0) { bytes, segment, _, _ in sizes.append((bytes.count, segment)) }
        }
        for _ in 0..<200 {
            batch.add(size: 100, path: a, ecn: 0) { bytes, segment, _, _ in sizes.append((bytes.count, segment)) }
        }
        batch.flush { bytes, segment, _, _ in sizes.append((bytes.count, segment)) }
        #expect(sizes.allSatisfy { $0.0 <= 63_000 && $0.0 <= 64 * ($0.1 ?? $0.0) })
        #expect(sizes.reduce(0) { $0 + $1.0 } == 200 * 1_452 + 200 * 100)
    }

    @Test func bytesStayWithTheirPacketWhenARunIsCut() throws {
        let batch = PacketBatch()
        var sent: [[UInt8]] = []
        let a = try path(10)
        for (value, size) in [(UInt8(1), 40), (2, 60), (3, 60), (4, 20)] {
            batch.space.copyBytes(from: [UInt8](repeating: value, count: size))
            batch.add(size: size, path: a, ecn: 0) { bytes, _, _, _ in sent.append(Array(bytes)) }
        }
        let expected: [[UInt8]] = [
            Array(repeating: 1, count: 40),
            Array(repeating: 2, count: 60) + Array(repeating: 3, count: 60) + Array(repeating: 4, count: 20),
        ]
        #expect(sent == expected)
    }

    // MARK: RateLimit, TicketCache

    @Test func aRateLimitLetsThroughItsShareAndNoMore() {
        var limit = RateLimit(perSecond: 10)
        var allowed: [Bool] = []
        for _ in 0..<30 { allowed.append(limit.allows(now: 1_000)) }
        #expect(allowed.filter { $0 }.count == 10)
        let later = [limit.allows(now: 1_000 + 100_000_000), limit.allows(now: 1_000 + 100_000_000)]
        #expect(later == [true, false])
        allowed = []
        for _ in 0..<30 { allowed.append(limit.allows(now: 60_000_000_000)) }
        #expect(allowed.filter { $0 }.count == 10)
    }

    private func expect(_ cache: inout TicketCache, _ peer: NodeID, _ alpn: String, _ ticket: [UInt8]?) {
        let taken = cache.take(for: peer, alpn: alpn)
        #expect(taken == ticket)
    }

    @Test func aTicketIsUsedOnceAndOnlyForItsNodeAndProtocol() {
        let (a, b, c) = (SecretKey().nodeID, SecretKey().nodeID, SecretKey().nodeID)
        var cache = TicketCache(capacity: 2)
        cache.store([1], for: a, alpn: "x")
        expect(&cache, a, "y", nil)
        expect(&cache, b, "x", nil)
        expect(&cache, a, "x", [1])
        expect(&cache, a, "x", nil)
        cache.store([2], for: a, alpn: "x")
        cache.store([3], for: b, alpn: "x")
        cache.store([4], for: c, alpn: "x")
        expect(&cache, a, "x", nil)
        expect(&cache, b, "x", [3])
        expect(&cache, c, "x", [4])
    }

    // MARK: StatelessAnswers

    @Test func aResetIsShorterThanWhatItAnswersAndNeverAnswersTheShortest() throws {
        let answers = StatelessAnswers(key: [UInt8](repeating: 1, count: 32))
        for size in 0..<22 { #expect(answers.reset(destination: .random(), answering: size) == nil) }
        for size in [22, 23, 40, 1_452] {
            let reset = try #require(answers.reset(destination: .random(), answering: size))
            #expect(reset.count < size && reset.count >= 21)
            #expect(reset[0] & 0xc0 == 0x40)
        }
    }

    @Test func aRetryTokenCountsForItsAddressAndTimeOnly() throws {
        let answers = StatelessAnswers(key: [UInt8](repeating: 1, count: 32))
        #expect(answers.versionNegotiation(destination: .random(), source: .random()) != nil)
        let initial = try #require(InitialPacket(Self.initial(token: [])))
        let remote = try path(10).remote
        let retry = try #require(answers.retry(initial, from: remote, now: 1_000_000_000))
        // Header: first byte, version, two ids with lengths; behind the token, the integrity tag.
        let source = Array(retry[(6 + 4 + 1)..<(6 + 4 + 1 + 8)])
        let token = Array(retry[(6 + 4 + 1 + 8)..<(retry.count - 16)])
        let second = try #require(InitialPacket(Self.initial(token: token, destination: source)))
        #expect(answers.retriedDestination(second, from: remote, now: 2_000_000_000) == initial.destination)
        #expect(answers.retriedDestination(second, from: remote, now: 12_000_000_000) == nil)
        #expect(answers.retriedDestination(second, from: try path(11).remote, now: 2_000_000_000) == nil)
        let others = StatelessAnswers(key: [UInt8](repeating: 2, count: 32))
        #expect(others.retriedDestination(second, from: remote, now: 2_000_000_000) == nil)
    }

    /// The header of a version 1 Initial (RFC 9000 §17.2.2) with ids of 8 and 4 bytes, padded to 1,200 bytes.
    private static func initial(
        token: [UInt8], destination: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    ) -> UnsafeRawBufferPointer {
        var bytes: [UInt8] = [0xc3, 0, 0, 0, 1, 8] + destination + [4, 9, 9, 9, 9]
        bytes += [0x40 | UInt8(token.count >> 8), UInt8(token.count & 0xff)] + token
        let rest = 1_200 - bytes.count - 2
        bytes += [0x40 | UInt8(rest >> 8), UInt8(rest & 0xff)] + [UInt8](repeating: 0, count: rest)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        return UnsafeRawBufferPointer(copy)
    }
}
