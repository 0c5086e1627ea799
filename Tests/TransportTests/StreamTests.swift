import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import Transport

@Suite(.timeLimit(.minutes(1)))
struct StreamTests {
    @Test func manyStreamsCarryTheirOwnBytesAtOnce() async throws {
        let pair = try await TestPair()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var served = 0
                for await inbound in pair.incoming.streams {
                    let far = try await inbound.start { Inbox.attach(to: $0, autoRead: true) }
                    let bytes = try await far.readToEnd()
                    try await far.channel.writeAndFlush(bytes).get()
                    try await far.finish()
                    served += 1
                    if served == 50 { break }
                }
            }
            for index in 0..<50 {
                group.addTask {
                    let near = try await pair.outgoing.testStream()
                    let text = String(repeating: "stream \(index) ", count: 1_000)
                    try await near.write(text)
                    try await near.finish()
                    #expect(try await near.readText() == text)
                }
            }
            try await group.waitForAll()
        }
        await pair.close()
    }

    @Test func streamsPastThePeersLimitWaitUntilAnotherEnds() async throws {
        var limits = TransportLimits()
        limits.maxStreamsPerConnection = 2
        let pair = try await TestPair(limits: limits)
        let first = try await pair.stream()
        let second = try await pair.stream()
        let opened = NIOLockedValueBox(false)
        async let third = {
            let stream = try await pair.outgoing.testStream()
            opened.withLockedValue { $0 = true }
            return stream
        }()
        // The second stream answers while the third one waits.
        try await second.near.write("ping")
        #expect(try await second.far.read(4) == "ping")
        #expect(!opened.withLockedValue { $0 })
        try await first.near.finish()
        try await first.far.finish()
        let stream = try await third
        #expect(stream.channel.isActive)
        await pair.close()
    }

    @Test func aStreamIsOpenedAtOnceOnTheLoopOrNotAtAll() async throws {
        var limits = TransportLimits()
        limits.maxStreamsPerConnection = 1
        let pair = try await TestPair(limits: limits)
        let outgoing = pair.outgoing
        #expect(try outgoing.openStreamNow { $0.isActive } == nil)
        let channel = try #require(await open(on: outgoing))
        #expect(channel.isActive)
        // The peer allows no second one.
        #expect(try await open(on: outgoing) == nil)
        channel.writeAndFlush(ByteBuffer(string: "hello"), promise: nil)
        #expect(try await pair.incoming.nextTestStream().read(5) == "hello")
        #expect(!outgoing.isClosed)
        let (closed, continuation) = AsyncStream.makeStream(of: ConnectionCloseReason.self)
        outgoing.onClose { continuation.yield($0) }
        pair.incoming.close(code: 3, reason: "done")
        var reasons = closed.makeAsyncIterator()
        #expect(await reasons.next() == .peer(code: 3, reason: "done"))
        #expect(outgoing.isClosed)
        #expect(try await open(on: outgoing) == nil)
        await pair.close()
    }

    private func open(on connection: Connection) async throws -> (any Channel)? {
        try await connection.eventLoop.submit {
            try connection.openStreamNow { channel -> any Channel in
                #expect(!channel.isActive)
                return channel
            }
        }.get()
    }

    @Test func waitingForAStreamCanBeCancelled() async throws {
        var limits = TransportLimits()
        limits.maxStreamsPerConnection = 1
        let pair = try await TestPair(limits: limits)
        _ = try await pair.stream()
        let waiting = Task { _ = try await pair.outgoing.testStream() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        await pair.close()
    }

    @Test func closeRightAfterAWriteStillDeliversTheBytesAndTheEnd() async throws {
        let pair = try await TestPair()
        let near = try await pair.outgoing.testStream()
        let bytes = ByteBuffer(repeating: 9, count: 500_000)
        near.channel.writeAndFlush(bytes, promise: nil)
        near.channel.close(promise: nil)
        let far = try await pair.incoming.nextTestStream()
        #expect(try await far.readToEnd().readableBytes == 500_000)
        try await within(.seconds(5)) { try await near.channel.closeFuture.get() }
        await pair.close()
    }

    @Test func aReaderThatStallsStopsTheWriterAndGoesOnWhenItReads() async throws {
        let pair = try await TestPair()
        let near = try await pair.outgoing.testStream()
        let chunk = ByteBuffer(repeating: 1, count: 64 << 10)
        try await near.channel.writeAndFlush(chunk).get()
        let far = try await pair.incoming.nextTestStream(autoRead: false)
        var written = chunk.readableBytes
        // A well-behaved writer: it stops when the channel is not writable.
        let limit = pair.server.limits.maxStreamWindow + (1 << 20)
        while written < 2 * limit {
            guard near.channel.isWritable else {
                let still: Void? = try? await within(.milliseconds(300)) {
                    try await near.inbox.wait(for: "writability") { $0.writability.last == true }
                }
                if still == nil { break }
                near.inbox.state.withLockedValue { $0.writability.removeAll() }
                continue
            }
            near.channel.writeAndFlush(chunk, promise: nil)
            written += chunk.readableBytes
            try await near.channel.eventLoop.submit {}.get()
        }
        #expect(!near.channel.isWritable)
        #expect(written < limit, "the writer was not stopped before \(written) bytes")
        #expect(far.inbox.state.withLockedValue { $0.bytes.readableBytes } == 0)
        try await far.channel.setOption(.autoRead, value: true).get()
        near.channel.close(mode: .output, promise: nil)
        #expect(try await far.readToEnd().readableBytes == written)
        await pair.close()
    }

    @Test func aReadDeliversOnceWhenAutoReadIsOff() async throws {
        let pair = try await TestPair()
        let near = try await pair.outgoing.testStream()
        try await near.write("one")
        let far = try await pair.incoming.nextTestStream(autoRead: false)
        #expect(far.inbox.state.withLockedValue { $0.bytes.readableBytes } == 0)
        far.channel.read()
        #expect(try await far.read(3) == "one")
        await pair.close()
    }

    @Test func aResetArrivesWithItsCode() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        try await near.channel.triggerUserOutboundEvent(StreamReset(code: 77)).get()
        try await far.inbox.wait(for: "reset") { $0.error != nil && $0.isInactive }
        #expect(far.inbox.state.withLockedValue { $0.error as? StreamError } == .reset(code: 77))
        try await within(.seconds(5)) { try await far.channel.closeFuture.get() }
        #expect(!near.channel.isActive)
        await pair.close()
    }

    @Test func aReaderThatHasEnoughStopsTheWriter() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        try await far.channel.close(mode: .input).get()
        // It shows with a write, as it does with TCP.
        while near.channel.isActive, near.inbox.state.withLockedValue({ $0.error == nil }) {
            near.channel.writeAndFlush(ByteBuffer(string: "?"), promise: nil)
            try await near.channel.eventLoop.submit {}.get()
        }
        try await near.inbox.wait(for: "stop") { $0.error != nil && $0.outputClosed }
        #expect(near.inbox.state.withLockedValue { $0.error as? StreamError } == .stopped(code: 0))
        await #expect(throws: ChannelError.outputClosed) { try await near.write("more") }
        near.inbox.state.withLockedValue { $0.error = nil }
        // The other direction is not concerned.
        try await far.write("still here")
        #expect(try await near.read(10) == "still here")
        await pair.close()
    }

    @Test func theEndOfInputClosesAChannelThatDoesNotAllowHalfClosure() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        try await far.channel.setOption(.allowRemoteHalfClosure, value: false).get()
        try await near.finish()
        try await within(.seconds(5)) { try await far.channel.closeFuture.get() }
        #expect(try await near.readText() == "")
        await pair.close()
    }

    @Test func aRefusedInboundStreamIsResetForThePeer() async throws {
        let pair = try await TestPair()
        let near = try await pair.outgoing.testStream()
        try await near.write("hello")
        let inbound = try await within(.seconds(5)) {
            for await stream in pair.incoming.streams { return stream }; throw TestFailure("closed")
        }
        inbound.reset(code: 5)
        try await near.inbox.wait(for: "reset") { $0.isInactive }
        #expect(near.inbox.state.withLockedValue { $0.error as? StreamError } == .reset(code: 5))
        await pair.close()
    }

    @Test func writesAfterTheEndFail() async throws {
        let pair = try await TestPair()
        let (near, _) = try await pair.stream()
        try await near.finish()
        await #expect(throws: ChannelError.outputClosed) { try await near.write("late") }
        try await near.channel.close().get()
        await #expect(throws: ChannelError.ioOnClosedChannel) { try await near.write("later") }
        await pair.close()
    }

    @Test func theEndOfTheConnectionEndsItsStreams() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        pair.outgoing.close(code: 3, reason: "enough")
        try await near.inbox.wait(for: "end") { $0.isInactive }
        try await far.inbox.wait(for: "end") { $0.isInactive }
        #expect(
            far.inbox.state.withLockedValue { $0.error as? StreamError }
                == .connectionClosed(.peer(code: 3, reason: "enough")))
        await #expect(throws: StreamError.self) { _ = try await pair.outgoing.testStream() }
        await pair.close()
    }
}
