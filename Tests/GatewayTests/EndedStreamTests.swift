import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import Gateway
@testable import Transport

// A stream may be over before it is served: its connection was closed, by a server that stops or by the peer. Whoever waits
// for what the stream becomes is told; a debug build would end the process otherwise.

@Suite struct EndedStreamTests {
    private var pipeline: StreamPipeline {
        StreamPipeline(limits: .patient, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) { _, _ in
            false
        }
    }

    private var peer: PeerConnection {
        PeerConnection(id: 1, node: SecretKey().nodeID, remote: { "" }, close: { _, _ in })
    }

    @Test func aStreamThatIsClosedBeforeItIsServedIsRefused() async throws {
        let channel = NIOAsyncTestingChannel()
        try await channel.close()
        await #expect(throws: ChannelError.self) {
            try await channel.testingEventLoop.executeInContext { [pipeline, peer] in
                _ = try pipeline.configure(channel, peer: peer)
            }
        }
    }

    @Test func aStreamThatNeverBecomesActiveEndsForWhoeverWaitsForIt() async throws {
        let channel = NIOAsyncTestingChannel()
        let pending = try await channel.testingEventLoop.executeInContext { [pipeline, peer] in
            try pipeline.configure(channel, peer: peer)
        }
        try await channel.close()
        await #expect(throws: (any Error).self) { try await pending.ready() }
    }

    @Test func aStreamThatEndsInTheMiddleOfItsUpgradeEndsForWhoeverWaitsForIt() async throws {
        let channel = NIOAsyncTestingChannel()
        let pending = try await channel.testingEventLoop.executeInContext { [peer] in
            let upgrading = StreamPipeline(
                limits: .patient, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ) { _, _ in true }
            return try upgrading.configure(channel, peer: peer)
        }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
        // All but the last byte of the request.
        try await channel.writeInbound(
            ByteBuffer(bytes: [0, 0, 0, 0] + Array(TestWebSocket.upgradeRequest.utf8.dropLast())))
        try await channel.close()
        await #expect(throws: (any Error).self) { try await pending.ready() }
    }
}
