import Testing

@testable import Certs
@testable import Transport

@Suite struct CertificateTests {
    static let vectors = (try? Vector.file("device_certs")) ?? Vector(nil)
    static let now = 1_780_000_000.0
    static let network = vectors["expected_network_id"].text

    static func coordinator() throws -> SecretKey { try SecretKey(seed: vectors["coordinator_seed"].hex) }
    static func device() throws -> SecretKey { try SecretKey(seed: vectors["device_seed"].hex) }

    /// The name of the step at which the reference refuses.
    static func stage(_ error: CertificateError) -> String {
        switch error {
        case .tooLong, .tooShort, .lengthMismatch: "framing"
        case .invalidSignature: "signature"
        case .malformedPayload: "payload"
        case .expired, .notYetValid: "expiry"
        case .otherNetwork: "network"
        case .otherDevice: "peer"
        }
    }

    @Test(arguments: vectors["cases"].list) func everyVectorIsDecidedAsTheReferenceRecommends(vector: Vector) throws {
        let refusal: CertificateError?
        do throws(CertificateError) {
            let certificate = try DeviceCertificate(
                wire: vector["wire"].hex, coordinator: try! Self.coordinator().nodeID)
            let claims = vector["claims"]
            if vector["expect"].text == "accept" {
                #expect(certificate.handle == claims["handle"].text)
                #expect(certificate.networkID == claims["network_id"].text)
                #expect(certificate.deviceKey.bytes == claims["device_pubkey"]["hex"].hex)
                #expect(certificate.issuedAt == claims["issued_at"].number)
                #expect(certificate.expiresAt == claims["expires_at"].number)
                #expect(certificate.capabilities == claims["capabilities"].list.map(\.text))
            }
            try certificate.check(
                now: vector["now"].number, networkID: Self.network, peer: certificate.deviceKey)
            refusal = nil
        } catch { refusal = error }
        let isAccepted = vector["expect"].text == "accept" && vector["recommended"].optionalText != "reject"
        #expect((refusal == nil) == isAccepted, "\(vector.name): \(String(describing: refusal))")
        if let stage = vector["stage"].optionalText { #expect(refusal.map(Self.stage) == stage) }
    }

    @Test func issuingWritesTheReferencesBytes() throws {
        let issue = Self.vectors["issue"]
        let claims = issue["claims"]
        let certificate = DeviceCertificate.issue(
            handle: claims["handle"].text, deviceKey: try Self.device().nodeID, networkID: Self.network,
            issuedAt: claims["issued_at"].number, signedBy: try Self.coordinator())
        #expect(certificate.wire == issue["wire"].hex)
        #expect(certificate.renewalDueAt == issue["refresh_due_at"].number)
        #expect(certificate == (try DeviceCertificate(wire: certificate.wire, coordinator: Self.coordinator().nodeID)))
    }

    /// P-06.
    @Test(arguments: vectors["peer_binding"].list) func certificatesCountOnTheirOwnConnectionOnly(vector: Vector) throws
    {
        let certificate = try Self.issue()
        let peer = try NodeID(vector["quic_peer_node_id"].text)
        if vector["expect"].text == "accept" {
            #expect(throws: Never.self) { try certificate.check(now: Self.now, networkID: Self.network, peer: peer) }
        } else {
            #expect(throws: CertificateError.otherDevice) {
                try certificate.check(now: Self.now, networkID: Self.network, peer: peer)
            }
        }
    }

    /// P-02.
    @Test func everyTruncationIsRefused() throws {
        let wire = try Self.issue().wire
        for count in 0..<wire.count {
            #expect(throws: CertificateError.self, "\(count) of \(wire.count) bytes") {
                try DeviceCertificate(wire: wire.prefix(count), coordinator: try Self.coordinator().nodeID)
            }
        }
    }

    /// P-02. Length, every claim and the signature: no bit can be changed.
    @Test func everyFlippedBitIsRefused() throws {
        let wire = try Self.issue().wire
        let coordinator = try Self.coordinator().nodeID
        for index in wire.indices {
            for bit in 0..<8 {
                var forged = wire
                forged[index] ^= 1 << bit
                #expect(throws: CertificateError.self, "byte \(index), bit \(bit)") {
                    try DeviceCertificate(wire: forged, coordinator: coordinator)
                }
            }
        }
    }

    /// P-03.
    @Test func expiryAndSkewAreExactToTheSecond() throws {
        let certificate = try Self.issue()
        let check = { (now: Double) throws(CertificateError) in
            try certificate.check(now: now, networkID: Self.network, peer: certificate.deviceKey)
        }
        let end = certificate.expiresAt
        #expect(end == certificate.issuedAt + 30 * 86_400)
        #expect(throws: Never.self) { try check(end - 1) }
        #expect(throws: CertificateError.expired(at: end)) { try check(end) }
        #expect(throws: CertificateError.expired(at: end)) { try check(end + 1) }
        let start = certificate.issuedAt
        #expect(throws: Never.self) { try check(start - 299) }
        #expect(throws: Never.self) { try check(start - 300) }
        #expect(throws: CertificateError.notYetValid(from: start, now: start - 301)) { try check(start - 301) }
    }

    /// P-04: the same coordinator key, another network.
    @Test func certificatesOfAnotherNetworkAreRefused() throws {
        let certificate = try Self.issue()
        for other in ["", String(Self.network.dropLast()), Self.network + "0", Self.network.uppercased()] {
            #expect(throws: CertificateError.otherNetwork(Self.network), "'\(other)'") {
                try certificate.check(now: Self.now, networkID: other, peer: certificate.deviceKey)
            }
        }
    }

    @Test func timesThatAreNotNumbersNeverCount() throws {
        for time in [Double.nan, .infinity, -.infinity] {
            let certificate = DeviceCertificate.issue(
                handle: "alice", deviceKey: try Self.device().nodeID, networkID: Self.network, issuedAt: Self.now,
                lifetime: time, signedBy: try Self.coordinator())
            #expect(throws: CertificateError.malformedPayload("expires_at is missing or not a number")) {
                try DeviceCertificate(wire: certificate.wire, coordinator: try Self.coordinator().nodeID)
            }
        }
    }

    @Test func certificatesAreBoundedAtTheSizeOfAPreamble() throws {
        let huge = DeviceCertificate.issue(
            handle: String(repeating: "a", count: 16_000), deviceKey: try Self.device().nodeID,
            networkID: Self.network, issuedAt: Self.now, signedBy: try Self.coordinator())
        #expect(huge.wire.count < DeviceCertificate.maximumWireLength)
        #expect(throws: Never.self) {
            try DeviceCertificate(wire: huge.wire, coordinator: try Self.coordinator().nodeID)
        }
        #expect(throws: CertificateError.tooLong(16_385)) {
            try DeviceCertificate(wire: [UInt8](repeating: 0, count: 16_385), coordinator: Self.coordinator().nodeID)
        }
    }

    static func issue() throws -> DeviceCertificate {
        DeviceCertificate.issue(
            handle: "alice", deviceKey: try device().nodeID, networkID: network, issuedAt: now,
            signedBy: try coordinator())
    }
}
