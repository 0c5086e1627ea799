import NIOCore

@testable import Transport

// The one packet that is read before anybody has proven anything. It is answered only when its sender sealed it for this
// node, to that sender, with fewer bytes than it had. Nobody makes a seal up, so the first byte of an input decides: even,
// and the rest is a datagram; odd, and the rest is a message that a peer seals.

enum DiscoPromises {
    private static let node = try? SecretKey(seed: Array(1...32))
    /// The device of the reference's vectors.
    private static let peer = try? SecretKey(seed: Array(0x81...0xa0))
    private static let bystander = try? SecretKey(seed: Array(repeating: 0x55, count: 32))
    private static let source = try? SocketAddress(ipAddress: "192.0.2.7", port: 4_433)

    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let first = input.first, let node, let peer, let bystander, let source else { return false }
        let rest = Array(input.dropFirst())
        let isSealed = !first.isMultiple(of: 2)
        let datagram = isSealed ? seal(rest, from: peer, to: node) : rest
        let answer = DiscoPacket.answer(to: datagram, from: source, key: node)
        let pong = DiscoPacket.pong(in: datagram, key: node)
        guard answer != nil || pong != nil else { return false }
        try promise(answer == nil || pong == nil, "a packet is a ping and a pong")
        try promise(datagram.count <= DiscoPacket.maximumLength, "\(datagram.count) bytes were read")
        try promise(DiscoPacket.isDisco(datagram), "a packet of another protocol was read")
        try promise(
            DiscoPacket.answer(to: datagram, from: source, key: bystander) == nil
                && DiscoPacket.pong(in: datagram, key: bystander) == nil,
            "somebody else can read it")
        if let pong { try promise(pong.sender == peer.nodeID, "nobody but the peer seals anything here") }
        if let answer {
            try promise(answer.count <= datagram.count, "\(answer.count) bytes answer \(datagram.count)")
            let read = DiscoPacket.pong(in: answer, key: peer)
            try promise(read?.sender == node.nodeID && read?.observed == source, "the answer says something else")
            try promise(
                !isSealed || read?.transactionID == Array(rest[2..<2 + DiscoPacket.transactionIDLength]),
                "the answer is to another ping")
            try checkForgeries(of: datagram, from: source, key: node)
        }
        return true
    }

    private static func checkForgeries(
        of datagram: [UInt8], from source: SocketAddress, key: SecretKey
    ) throws(BrokenPromise) {
        let place = datagram.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff } % (datagram.count * 8)
        var flipped = datagram
        flipped[place / 8] ^= 1 << (place % 8)
        for forged in [flipped, Array(datagram.dropLast()), datagram + [0]] {
            try promise(
                DiscoPacket.answer(to: forged, from: source, key: key) == nil, "a packet that nobody sealed is answered"
            )
        }
    }

    private static func seal(_ message: [UInt8], from peer: SecretKey, to node: SecretKey) -> [UInt8] {
        let nonce = [UInt8](repeating: 0, count: DiscoBox.nonceLength)
        let box = DiscoBox.seal(message, nonce: nonce, from: peer, to: node.nodeID) ?? []
        return [0x54, 0x53, 0xF0, 0x9F, 0x92, 0xAC] + peer.nodeID.bytes + box + nonce
    }
}
