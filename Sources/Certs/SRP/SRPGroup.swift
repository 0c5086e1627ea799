internal import Transport

// Which group do all parties compute in, and what are its derived constants? RFC 3526's 3,072-bit prime with generator 5
// (RFC 5054 appendix A) and SHA-256, as network.md §7 of the reference fixes them.

enum SRPGroup {
    /// Bytes of a group element on the wire.
    static let elementLength = 384
    /// Bytes of a private exponent.
    static let secretLength = 32

    /// N, big-endian.
    static let prime: [UInt8] = {
        let digits = """
            FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
            EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
            EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
            83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
            E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
            15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
            ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
            BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF
            """
        return Base16.decode(Array(digits.utf8)) ?? []
    }()

    /// g.
    static let generator: UInt = 5

    /// k = H(N ‖ PAD(g)).
    static let multiplier = SHA256.digest(prime, Natural(generator).bytes(paddedTo: elementLength))

    /// H(N) xor H(g), the first part of the client's proof.
    static let proofMask: [UInt8] = zip(SHA256.digest(prime), SHA256.digest(Natural(generator).shortestBytes))
        .map { $0 ^ $1 }
}

/// Why an SRP message was refused.
enum SRPError: Error, Equatable {
    /// The stored record is not `u8 salt length | salt (1…64 bytes) | verifier (384 bytes)`.
    case malformedRecord
    /// A public value has another length than 384 bytes.
    case malformedPublicValue
    /// A public value, or the scrambler u, is zero: the exchange would have a predictable key.
    case illegalPublicValue
}

/// The formulas that client and server share.
enum SRP {
    /// x = H(salt ‖ H(handle ‖ ":" ‖ password)).
    static func privateKey(handle: String, password: Password, salt: [UInt8]) -> Natural {
        var identity = SHA256()
        identity.update(Array(handle.utf8))
        identity.update([UInt8(ascii: ":")])
        identity.update(password.bytes)
        var inner = identity.finish()
        var outer = SHA256()
        outer.update(salt)
        outer.update(inner)
        var digest = outer.finish()
        defer {
            wipe(&inner)
            wipe(&digest)
        }
        return Natural(digest)
    }

    /// Reads A or B from the wire.
    static func publicValue(_ bytes: [UInt8]) throws(SRPError) -> Natural {
        guard bytes.count == SRPGroup.elementLength else { throw .malformedPublicValue }
        let value = Natural(bytes).reduced(modulo: Natural(SRPGroup.prime))
        guard !value.isZero else { throw .illegalPublicValue }
        return value
    }

    /// u = H(PAD(A) ‖ PAD(B)), from the values as they were on the wire.
    static func scrambler(_ clientPublic: [UInt8], _ serverPublic: [UInt8]) throws(SRPError) -> Natural {
        try nonZero(SHA256.digest(clientPublic, serverPublic))
    }

    static func nonZero(_ digest: [UInt8]) throws(SRPError) -> Natural {
        let value = Natural(digest)
        guard !value.isZero else { throw .illegalPublicValue }
        return value
    }

    /// Both proofs of one exchange, as raw digests.
    static func proofs(
        handle: String, salt: [UInt8], clientPublic: Natural, serverPublic: Natural, premaster: Natural
    ) -> (client: [UInt8], server: [UInt8]) {
        var shared = premaster.shortestBytes
        var sessionKey = SHA256.digest(shared)
        defer {
            wipe(&shared)
            wipe(&sessionKey)
        }
        let handleDigest = Natural(SHA256.digest(Array(handle.utf8))).shortestBytes
        let client = SHA256.digest(
            SRPGroup.proofMask, handleDigest, salt, clientPublic.shortestBytes, serverPublic.shortestBytes, sessionKey)
        return (client, SHA256.digest(clientPublic.shortestBytes, client, sessionKey))
    }

    /// Proofs travel as 64 lower-case ASCII hexadecimal digits.
    static func wire(_ proof: [UInt8]) -> [UInt8] { Array(Base16.encode(proof).utf8) }

    /// `u8 salt length | salt | group element`: the form of records and of the server's answer.
    static func wire(salt: [UInt8], element: [UInt8]) -> [UInt8] { [UInt8(salt.count)] + salt + element }

    static func parse(saltAndElement wire: [UInt8]) -> (salt: [UInt8], element: [UInt8])? {
        guard let saltLength = wire.first.map(Int.init), (1...64).contains(saltLength),
            wire.count == 1 + saltLength + SRPGroup.elementLength
        else { return nil }
        return (Array(wire[1...saltLength]), Array(wire[(1 + saltLength)...]))
    }
}
