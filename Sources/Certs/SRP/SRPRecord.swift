// What does the coordinator keep instead of a password? A salt and a verifier, from which the password can be found only
// by trying.

/// The stored half of a password: `register.pake_record` of the reference.
struct SRPRecord: Sendable, Equatable {
    /// Bytes in a salt that we make. The reference's clients draw 8 bytes too, and the coordinator's answer for a handle
    /// that does not exist must not stand out; the handle is hashed beside the salt, so 64 random bits are plenty.
    static let saltLength = 8

    let salt: [UInt8]
    /// v, padded.
    let verifier: [UInt8]

    /// The record of a new password.
    init(handle: String, password: Password, salt: [UInt8] = randomBytes(saltLength)) {
        let exponent = SRP.privateKey(handle: handle, password: password, salt: salt)
        self.salt = salt
        self.verifier = Natural(SRPGroup.generator)
            .power(exponent, modulo: Natural(SRPGroup.prime))
            .bytes(paddedTo: SRPGroup.elementLength)
    }

    /// A record that belongs to nobody and is the same for a handle every time: what a login for an unknown handle is
    /// computed with. Without `key` it cannot be told from a real one.
    init(decoyFor handle: String, key: [UInt8]) {
        salt = derivedBytes(Self.saltLength, key: key, purpose: "salt:\(handle)")
        verifier = Natural(derivedBytes(SRPGroup.elementLength, key: key, purpose: "verifier:\(handle)"))
            .reduced(modulo: Natural(SRPGroup.prime))
            .bytes(paddedTo: SRPGroup.elementLength)
    }

    /// - Throws: ``SRPError/malformedRecord`` for another form, or a verifier that is not between 1 and N.
    init(wire: [UInt8]) throws(SRPError) {
        guard let (salt, verifier) = SRP.parse(saltAndElement: wire) else { throw .malformedRecord }
        let value = Natural(verifier)
        guard !value.isZero, value < Natural(SRPGroup.prime) else { throw .malformedRecord }
        self.salt = salt
        self.verifier = verifier
    }

    var wire: [UInt8] { SRP.wire(salt: salt, element: verifier) }
}
