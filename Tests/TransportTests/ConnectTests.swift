import NIOCore
import Testing

@testable import Transport

@Suite(.timeLimit(.minutes(1)))
struct ConnectTests {
    @Test func bothSidesKnowEachOtherAndTheProtocol() async throws {
        let pair = try await TestPair()
        #expect(pair.outgoing.peer == pair.server.key.nodeID)
        #expect(pair.incoming.peer == pair.client.key.nodeID)
        #expect(pair.outgoing.alpn == TestNode.alpn)
        #expect(pair.incoming.alpn == TestNode.alpn)
        #expect(pair.outgoing.remoteAddress == pair.server.endpoint.localAddresses[0])
        #expect(pair.incoming.remoteAddress == pair.client.endpoint.localAddresses[0])
        await pair.close()
    }

    @Test func aStreamCarriesBytesBothWaysAndEndsEachWayByItself() async throws {
        let pair = try await TestPair()
        let (near, far) = try await pair.stream()
        try await near.write("question")
        try await near.finish()
        #expect(try await far.readText() == "question")
        try await far.write("answer")
        try await far.finish()
        #expect(try await near.readText() == "answer")
        try await within(.seconds(5)) { try await near.channel.closeFuture.get() }
        try await within(.seconds(5)) { try await far.channel.closeFuture.get() }
        await pair.close()
    }

    @Test func aNodeWithAnotherKeyIsRefusedByTheDialerAndBothKeysAreNamed() async throws {
        let server = try await TestNode()
        let client = try await TestNode(alpns: [])
        let wanted = SecretKey().nodeID
        let address = NodeAddress(nodeID: wanted, addresses: server.endpoint.localAddresses)
        let error = await #expect(throws: ConnectError.self) {
            try await client.endpoint.connect(to: address, alpn: TestNode.alpn, timeout: .seconds(5))
        }
        #expect(error == .wrongKey(expected: wanted, met: server.key.nodeID))
        #expect("\(error!)".contains(wanted.hex) && "\(error!)".contains(server.key.nodeID.hex))
        await client.endpoint.close()
        await server.endpoint.close()
    }
}
