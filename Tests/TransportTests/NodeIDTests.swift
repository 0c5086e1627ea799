import NIOCore
import Testing

@testable import Transport

struct NodeIDTests {
    /// RFC 8032 §7.1, test 1.
    static let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    static let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

    @Test func aKeysAddressIsItsPublicKey() throws {
        let seed = try #require(Base16.decode(Array(Self.seed.utf8)))
        #expect(try SecretKey(seed: seed).nodeID.hex == Self.hex)
    }

    @Test func bothTextFormsReadInEitherCase() throws {
        let node = try NodeID(Self.hex)
        let base32 = Base32.encode(node.bytes)
        #expect(base32.count == 52)
        for text in [Self.hex, Self.hex.uppercased(), base32, base32.uppercased()] {
            #expect(try NodeID(text) == node)
        }
        #expect("\(node)" == Self.hex)
    }

    @Test(arguments: [
        "", "d75a", Self.hex + "0", String(Self.hex.dropLast()), String(Self.hex.dropLast()) + "g",
        String(repeating: "1", count: 52), String(repeating: " ", count: 64), "0x" + Self.hex,
    ])
    func otherTextsAreRefused(text: String) {
        #expect(throws: NodeIDError.notANodeID(text)) { try NodeID(text) }
    }

    @Test(arguments: [0, 31, 33])
    func otherLengthsAreRefused(count: Int) {
        #expect(throws: NodeIDError.wrongLength(count)) { try NodeID(bytes: [UInt8](repeating: 0, count: count)) }
    }

    @Test func aSignatureCountsForItsKeyAndMessageOnly() throws {
        let key = SecretKey()
        let message = Array("hello".utf8)
        var signature = key.signature(for: message)
        #expect(key.nodeID.isValidSignature(signature, for: message))
        #expect(!SecretKey().nodeID.isValidSignature(signature, for: message))
        #expect(!key.nodeID.isValidSignature(signature, for: Array("hellp".utf8)))
        signature[10] ^= 1
        #expect(!key.nodeID.isValidSignature(signature, for: message))
        #expect(!key.nodeID.isValidSignature(signature.dropLast(), for: message))
    }

    @Test(arguments: ["1.2.3.4:5", "[::1]:443", "[fe80::1]:1", "255.255.255.255:65535"])
    func addressesReadAsTheyPrint(text: String) throws {
        let address = try SocketAddress(hostAndPort: text)
        #expect(address.hostAndPort == text)
        #expect(NetworkAddress(address)?.socketAddress == address)
    }

    @Test(arguments: ["", "1.2.3.4", "1.2.3.4:", "1.2.3.4:70000", "host:1", "[::1]", ":5"])
    func otherAddressesAreRefused(text: String) {
        #expect(throws: (any Error).self) { try SocketAddress(hostAndPort: text) }
    }
}
