import NIOCore
import Testing

@testable import Transport

@Suite struct DiscoPacketTests {
    let alice: SecretKey
    let bob: SecretKey
    let eve: SecretKey
    let transactionID: [UInt8] = Array(1...12)

    init() throws {
        alice = try SecretKey(seed: [UInt8](repeating: 0x11, count: 32))
        bob = try SecretKey(seed: [UInt8](repeating: 0x22, count: 32))
        eve = try SecretKey(seed: [UInt8](repeating: 0x33, count: 32))
    }

    /// What a real Iroh 0.35.0 with bob's key sent to alice's node id.
    static let pingFromIroh =
        "5453f09f92aca09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f08aa38d108dd02aa773dcef9e5ead0569"
        + "977b64bd34dbf5d875dbf2c2fdec5ae9708e223dda2aee5e14cd1fca97a628ed2c332d46fdc98a757858f6e7fd92aa78c0b1b83f63a1"
        + "c8d8635fb38a19c9bf1de2988d1435fc"

    @Test func aPingFromIrohIsAnswered() throws {
        let ping = try #require(Base16.decode(Self.pingFromIroh.utf8))
        let source = try SocketAddress(hostAndPort: "127.0.0.1:58785")
        let answer = try #require(DiscoPacket.answer(to: ping, from: source, key: alice))
        let pong = try #require(DiscoPacket.pong(in: answer, key: bob))
        #expect(pong.sender == alice.nodeID)
        #expect(pong.observed == source)
        #expect(answer.count == 111, "a pong must not be longer than its ping")
        #expect(DiscoPacket.answer(to: ping, from: source, key: eve) == nil)
    }

    @Test(arguments: ["192.0.2.7:65535", "127.0.0.1:1", "[2001:db8::5]:4433", "[::1]:256"])
    func aPongTellsTheSenderItsAddress(_ text: String) throws {
        let source = try SocketAddress(hostAndPort: text)
        let ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        #expect(DiscoPacket.isDisco(ping))
        #expect(ping.count == 124)
        let answer = try #require(DiscoPacket.answer(to: ping, from: source, key: bob))
        #expect(DiscoPacket.isDisco(answer))
        #expect(
            DiscoPacket.pong(in: answer, key: alice)
                == DiscoPacket.Pong(sender: bob.nodeID, transactionID: transactionID, observed: source))
    }

    @Test func everyFlippedBitIsRefused() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        let pong = try #require(DiscoPacket.answer(to: ping, from: source, key: bob))
        for bit in 0..<ping.count * 8 {
            #expect(DiscoPacket.answer(to: ping.flipping(bit), from: source, key: bob) == nil, "bit \(bit)")
        }
        // The sign bit of the sender's key is lost in Curve25519: it makes another sender, which nobody pinged.
        let signBit = 37 * 8 + 7
        #expect(DiscoPacket.pong(in: pong.flipping(signBit), key: alice)?.sender != bob.nodeID)
        for bit in 0..<pong.count * 8 where bit != signBit {
            #expect(DiscoPacket.pong(in: pong.flipping(bit), key: alice) == nil, "bit \(bit)")
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        for count in 0..<ping.count {
            #expect(DiscoPacket.answer(to: ping.prefix(count), from: source, key: bob) == nil, "\(count) bytes")
        }
    }

    @Test func aPacketForSomeoneElseIsRefused() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        #expect(DiscoPacket.answer(to: ping, from: source, key: eve) == nil)
        let pong = try #require(DiscoPacket.answer(to: ping, from: source, key: bob))
        #expect(DiscoPacket.pong(in: pong, key: eve) == nil)
    }

    @Test func aPingThatNamesAnotherSenderIsRefused() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let packet = try sealed([1, 0] + transactionID + eve.nodeID.bytes, from: alice, to: bob)
        #expect(DiscoPacket.answer(to: packet, from: source, key: bob) == nil)
    }

    @Test func pingAndPongAreNotTakenForEachOther() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        #expect(DiscoPacket.pong(in: ping, key: bob) == nil)
        let pong = try #require(DiscoPacket.answer(to: ping, from: source, key: bob))
        #expect(DiscoPacket.answer(to: pong, from: source, key: alice) == nil)
    }

    @Test func otherVersionsAndKindsAreNotAnswered() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        for head: [UInt8] in [[0, 0], [1, 1], [2, 1], [3, 0], [255, 255]] {
            let packet = try sealed(head + transactionID + alice.nodeID.bytes, from: alice, to: bob)
            #expect(DiscoPacket.answer(to: packet, from: source, key: bob) == nil)
            #expect(DiscoPacket.pong(in: packet, key: bob) == nil)
        }
    }

    @Test func aLongerPingIsAnsweredUpToTheLimit() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        let message = [1, 0] + transactionID + alice.nodeID.bytes
        let room = DiscoPacket.maximumLength - 124
        let longest = try sealed(message + [UInt8](repeating: 7, count: room), from: alice, to: bob)
        #expect(longest.count == DiscoPacket.maximumLength)
        #expect(DiscoPacket.answer(to: longest, from: source, key: bob) != nil)
        let tooLong = try sealed(message + [UInt8](repeating: 7, count: room + 1), from: alice, to: bob)
        #expect(DiscoPacket.answer(to: tooLong, from: source, key: bob) == nil)
    }

    @Test func anImpossibleSenderKeyIsRefused() throws {
        let source = try SocketAddress(hostAndPort: "127.0.0.1:9")
        var ping = try DiscoPacket.ping(from: alice, to: bob.nodeID, transactionID: transactionID)
        for key: [UInt8] in [[UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31)] {
            ping.replaceSubrange(6..<38, with: key)
            #expect(DiscoPacket.answer(to: ping, from: source, key: bob) == nil)
            #expect(throws: DiscoError.unusableKey(try NodeID(bytes: key))) {
                try DiscoPacket.ping(from: alice, to: try NodeID(bytes: key), transactionID: transactionID)
            }
        }
    }

    @Test(arguments: [0, 11, 13]) func aTransactionIDHasTwelveBytes(_ count: Int) {
        #expect(throws: DiscoError.wrongTransactionIDLength(count)) {
            try DiscoPacket.ping(
                from: alice, to: bob.nodeID, transactionID: [UInt8](repeating: 0, count: count))
        }
    }

    @Test func otherDatagramsAreNotDisco() {
        #expect(!DiscoPacket.isDisco([]))
        #expect(!DiscoPacket.isDisco([0x54]))
        #expect(!DiscoPacket.isDisco([0x54, 0x53, 0xF0, 0x9F, 0x92]))
        #expect(!DiscoPacket.isDisco([0xC0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 1195)))
    }

    /// A packet with any message, sealed as the real ones are.
    private func sealed(_ message: [UInt8], from key: SecretKey, to peer: SecretKey) throws -> [UInt8] {
        let nonce = DiscoBox.randomBytes(DiscoBox.nonceLength)
        let box = try #require(DiscoBox.seal(message, nonce: nonce, from: key, to: peer.nodeID))
        return Array("TS💬".utf8) + key.nodeID.bytes + box + nonce
    }
}

extension [UInt8] {
    fileprivate func flipping(_ bit: Int) -> [UInt8] {
        var copy = self
        copy[bit / 8] ^= 1 << UInt8(bit % 8)
        return copy
    }
}
