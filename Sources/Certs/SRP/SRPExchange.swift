internal import Transport

// How do two sides prove to each other that they know the same password, without showing it? SRP-6a as in network.md §7
// of the reference. Each side is a value made for one exchange; random numbers are handed in, so vectors can be replayed.
//
//   client                                       server
//   a, A = g^a            ── handle, A ──▶       b, B = k·v + g^b
//   S = (B − k·g^x)^(a + u·x)   ◀── salt, B ──
//                         ── M1 ──▶              S = (A·v^u)^b, compares M1
//   compares M2           ◀── M2 ──

/// The side that knows the password.
struct SRPClient: Sendable {
    /// A, padded: `login_init.ke1`.
    let publicValue: [UInt8]
    private let secret: SecretBytes

    init(secret: SecretBytes = .random(SRPGroup.secretLength)) {
        self.secret = secret
        publicValue = Natural(SRPGroup.generator)
            .power(Natural(secret), modulo: Natural(SRPGroup.prime))
            .bytes(paddedTo: SRPGroup.elementLength)
    }

    /// Computes the proof for the server's `login_init.response`.
    func proof(handle: String, password: Password, response: [UInt8]) throws(SRPError) -> SRPClientProof {
        guard let (salt, element) = SRP.parse(saltAndElement: response) else { throw .malformedPublicValue }
        let prime = Natural(SRPGroup.prime)
        let serverPublic = try SRP.publicValue(element)
        let scrambler = try SRP.scrambler(publicValue, element)
        let exponent = SRP.privateKey(handle: handle, password: password, salt: salt)
        let verifier = Natural(SRPGroup.generator).power(exponent, modulo: prime)
        let base = serverPublic.subtracting(Natural(SRPGroup.multiplier) * verifier, modulo: prime)
        let premaster = base.power(Natural(secret) + scrambler * exponent, modulo: prime)
        let proofs = SRP.proofs(
            handle: handle, salt: salt, clientPublic: Natural(publicValue), serverPublic: serverPublic,
            premaster: premaster)
        return SRPClientProof(wire: SRP.wire(proofs.client), expected: SRP.wire(proofs.server))
    }
}

/// The client's proof, and what an honest server answers to it.
struct SRPClientProof: Sendable {
    /// M1: `login_finish.ke3`.
    let wire: [UInt8]
    fileprivate let expected: [UInt8]

    /// Whether `proof` (`login_finish.m2`) shows that the server holds the verifier.
    func isAnswered(by proof: [UInt8]) -> Bool { constantTimeEqual(proof, expected) }
}

/// The side that holds the record.
struct SRPServer: Sendable {
    /// `login_init.response`.
    let response: [UInt8]
    private let handle: String
    private let record: SRPRecord
    private let clientPublic: [UInt8]
    private let serverPublic: [UInt8]
    private let secret: SecretBytes

    /// - Throws: when A is not 384 bytes or is a multiple of N.
    init(
        handle: String, record: SRPRecord, clientPublic: [UInt8],
        secret: SecretBytes = .random(SRPGroup.secretLength)
    ) throws(SRPError) {
        _ = try SRP.publicValue(clientPublic)
        let prime = Natural(SRPGroup.prime)
        let blinded = Natural(SRPGroup.generator).power(Natural(secret), modulo: prime)
        let sum = (Natural(SRPGroup.multiplier) * Natural(record.verifier) + blinded).reduced(modulo: prime)
        guard !sum.isZero else { throw .illegalPublicValue }
        serverPublic = sum.bytes(paddedTo: SRPGroup.elementLength)
        response = SRP.wire(salt: record.salt, element: serverPublic)
        self.handle = handle
        self.record = record
        self.clientPublic = clientPublic
        self.secret = secret
    }

    /// - Returns: M2 (`login_finish.m2`) when `proof` (`login_finish.ke3`) is right, else nil.
    func answer(to proof: [UInt8]) throws(SRPError) -> [UInt8]? {
        let prime = Natural(SRPGroup.prime)
        let scrambler = try SRP.scrambler(clientPublic, serverPublic)
        let client = try SRP.publicValue(clientPublic)
        let blinded = client * Natural(record.verifier).power(scrambler, modulo: prime)
        let premaster = blinded.reduced(modulo: prime).power(Natural(secret), modulo: prime)
        let proofs = SRP.proofs(
            handle: handle, salt: record.salt, clientPublic: client, serverPublic: Natural(serverPublic),
            premaster: premaster)
        return constantTimeEqual(proof, SRP.wire(proofs.client)) ? SRP.wire(proofs.server) : nil
    }
}
