import Testing

@testable import Certs
@testable import Transport

// P-02 for every certificate of the reference's vectors that counts: nothing about it can be changed, and a change is
// refused for its framing or its signature, before a single claim is looked at.

@Suite struct BitFlipTests {
    static let valid = CertificateTests.vectors["cases"].list.filter { vector in
        vector["expect"].text == "accept" && vector["recommended"].optionalText != "reject"
    }

    static func refusal(of wire: [UInt8]) throws -> CertificateError? {
        let coordinator = try CertificateTests.coordinator().nodeID
        do throws(CertificateError) {
            _ = try DeviceCertificate(wire: wire, coordinator: coordinator)
            return nil
        } catch { return error }
    }

    @Test func thereAreVectorsToAttack() throws {
        #expect(Self.valid.count >= 10)
        for vector in Self.valid { #expect(try Self.refusal(of: vector["wire"].hex) == nil, "\(vector.name)") }
    }

    @Test(arguments: valid) func everySingleBitIsNeeded(vector: Vector) throws {
        let wire = vector["wire"].hex
        for index in wire.indices {
            for bit in 0..<8 {
                var forged = wire
                forged[index] ^= 1 << bit
                let refusal = try Self.refusal(of: forged)
                #expect(refusal == (index < 4 ? .lengthMismatch : .invalidSignature), "byte \(index), bit \(bit)")
            }
        }
    }

    @Test(arguments: valid) func everyTruncationIsRefused(vector: Vector) throws {
        let wire = vector["wire"].hex
        for count in 0..<wire.count {
            let refusal = try Self.refusal(of: Array(wire.prefix(count)))
            #expect(refusal == (count < 68 ? .tooShort : .lengthMismatch), "\(count) of \(wire.count) bytes")
        }
    }

    /// The length is not signed, so whoever cuts or adds may set it right.
    @Test(arguments: valid) func everyTruncationWithARightLengthIsRefused(vector: Vector) throws {
        let wire = vector["wire"].hex
        let (payload, signature) = (wire.dropFirst(4).dropLast(64), wire.suffix(64))
        for count in 0..<payload.count {
            let forged = UInt32(count).bigEndianBytes + payload.prefix(count) + signature
            #expect(try Self.refusal(of: forged) == .invalidSignature, "\(count) of \(payload.count) bytes")
        }
        for extra in 0...255 {
            let forged = UInt32(payload.count + 1).bigEndianBytes + payload + [UInt8(extra)] + signature
            #expect(try Self.refusal(of: forged) == .invalidSignature, "\(extra) behind the payload")
        }
    }

    @Test(arguments: valid) func appendedBytesAreRefused(vector: Vector) throws {
        let wire = vector["wire"].hex
        for extra in [[0], [0xff], Array(repeating: 0, count: 64), wire, Array(wire.suffix(64))] as [[UInt8]] {
            #expect(try Self.refusal(of: wire + extra) == .lengthMismatch, "\(extra.count) bytes more")
            #expect(try Self.refusal(of: extra + wire) != nil, "\(extra.count) bytes before")
        }
        let huge = wire + Array(repeating: 0, count: DeviceCertificate.maximumWireLength)
        #expect(try Self.refusal(of: huge) == .tooLong(huge.count))
    }

    /// The same claims, signed by anybody else: a stranger, the device itself, the coordinator of another network.
    @Test(arguments: valid) func otherSignersAreRefused(vector: Vector) throws {
        let payload = Array(vector["wire"].hex.dropFirst(4).dropLast(64))
        for signer in [SecretKey(), try CertificateTests.device()] {
            let forged = UInt32(payload.count).bigEndianBytes + payload + signer.signature(for: payload)
            #expect(try Self.refusal(of: forged) == .invalidSignature)
        }
    }

    /// Two certificates of one coordinator cannot be mixed.
    @Test func signaturesCannotBeMovedToOtherClaims() throws {
        for (one, other) in zip(Self.valid, Self.valid.dropFirst()) {
            let (payload, signature) = (one["wire"].hex.dropLast(64), other["wire"].hex.suffix(64))
            #expect(try Self.refusal(of: Array(payload + signature)) == .invalidSignature)
        }
    }
}
