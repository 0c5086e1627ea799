import Transport

@testable import Certs

// A certificate counts only as the bytes that were signed, only before its end, and only for its network and its device.
// Made-up bytes never carry a signature, so the first byte of an input decides: even, and the rest is a whole wire form;
// odd, and the rest is a payload that the coordinator signs, to reach what is behind the signature.

enum CertificatePromises {
    /// The coordinator of the reference's vectors, so that they can be seeds.
    private static let coordinator = try? SecretKey(seed: Array(1...32))
    private static let stranger = try? NodeID(bytes: Array(repeating: 0x33, count: 32))

    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let first = input.first, let coordinator else { return false }
        let rest = Array(input.dropFirst())
        let wire =
            first.isMultiple(of: 2)
            ? rest : UInt32(rest.count).bigEndianBytes + rest + coordinator.signature(for: rest)
        let certificate: DeviceCertificate
        do throws(CertificateError) {
            certificate = try DeviceCertificate(wire: wire, coordinator: coordinator.nodeID)
        } catch {
            try promise(!error.description.isEmpty, "a refusal without a reason")
            return false
        }
        try promise(certificate.wire == wire, "other bytes are kept than were read")
        try promise(wire.count <= DeviceCertificate.maximumWireLength, "\(wire.count) bytes were read")
        try checkForgeries(of: wire, coordinator: coordinator.nodeID)
        try checkTimes(certificate)
        try checkReissue(certificate, by: coordinator)
        return true
    }

    /// One bit, one byte fewer or one more; the bit is another for each certificate.
    private static func checkForgeries(of wire: [UInt8], coordinator: NodeID) throws(BrokenPromise) {
        let place = wire.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff } % (wire.count * 8)
        var flipped = wire
        flipped[place / 8] ^= 1 << (place % 8)
        for forged in [flipped, Array(wire.dropLast()), wire + [0]] {
            try promise(
                (try? DeviceCertificate(wire: forged, coordinator: coordinator)) == nil,
                "bytes that nobody signed are a certificate")
        }
    }

    private static func checkTimes(_ certificate: DeviceCertificate) throws(BrokenPromise) {
        let (start, end) = (certificate.issuedAt, certificate.expiresAt)
        let counts = { (now: Double, network: String, peer: NodeID) in
            do throws(CertificateError) {
                try certificate.check(now: now, networkID: network, peer: peer)
                return true
            } catch {
                return error.description.isEmpty
            }
        }
        let own = (certificate.networkID, certificate.deviceKey)
        for now in [end, end.nextUp, end + 1, end + 1e9] {
            try promise(!counts(now, own.0, own.1), "it counts at \(now) and ends at \(end)")
        }
        let before = start - DeviceCertificate.clockSkew - 1
        try promise(before >= start || !counts(before, own.0, own.1), "it counts before \(start)")
        let last = end.nextDown
        try promise(
            counts(last, own.0, own.1) == (start <= last + DeviceCertificate.clockSkew),
            "it ends before \(end)")
        try promise(!counts(last, own.0 + "0", own.1), "it counts in another network")
        if let stranger, stranger != own.1 {
            try promise(!counts(last, own.0, stranger), "it counts for another device")
        }
        let due = certificate.renewalDueAt
        try promise(due.isFinite, "renewal is due at \(due)")
        try promise(start > end || (start...end).contains(due), "renewal is due at \(due), outside \(start)…\(end)")
        // Whoever waits for the end turns it into a duration, which does not hold every number.
        _ = ContinuousClock.now.advanced(by: .seconds(max(0, end)))
    }

    /// What was read can be issued anew and reads the same.
    private static func checkReissue(
        _ certificate: DeviceCertificate, by coordinator: SecretKey
    ) throws(BrokenPromise) {
        let reissued = DeviceCertificate.issue(
            handle: certificate.handle, deviceKey: certificate.deviceKey, networkID: certificate.networkID,
            capabilities: certificate.capabilities, issuedAt: certificate.issuedAt,
            lifetime: certificate.expiresAt - certificate.issuedAt, signedBy: coordinator)
        // Shorter numbers and fewer claims may have made room that is needed now.
        guard reissued.wire.count <= DeviceCertificate.maximumWireLength else { return }
        let again = try? DeviceCertificate(wire: reissued.wire, coordinator: coordinator.nodeID)
        try promise(
            again.map { text($0) == text(certificate) && $0.issuedAt == certificate.issuedAt } == true,
            "issued anew it says something else")
    }

    private static func text(_ certificate: DeviceCertificate) -> [[UInt8]] {
        [Array(certificate.handle.utf8), Array(certificate.networkID.utf8), certificate.deviceKey.bytes]
            + certificate.capabilities.map { Array($0.utf8) }
    }
}
