// Why does a certificate not count? One case for each check, in the order in which they are made; a gateway sends the
// description as the reason of its refusal.

/// Why a certificate was refused.
public enum CertificateError: Error, Equatable, CustomStringConvertible {
    case tooLong(Int)
    case tooShort
    case lengthMismatch
    case invalidSignature
    case malformedPayload(String)
    /// Unix seconds of the expiry.
    case expired(at: Double)
    /// Unix seconds of the issue, and of the clock that it was compared with.
    case notYetValid(from: Double, now: Double)
    case otherNetwork(String)
    case otherDevice

    public var description: String {
        switch self {
        case .tooLong(let count):
            "the certificate has \(count) bytes, more than \(DeviceCertificate.maximumWireLength)"
        case .tooShort: "the certificate is too short"
        case .lengthMismatch: "length mismatch: the certificate is not as long as it says"
        case .invalidSignature: "invalid coordinator signature: the certificate is not from this network's coordinator"
        case .malformedPayload(let reason): "malformed certificate: \(reason)"
        case .expired: "the certificate is expired: log in again"
        case .notYetValid(let start, let now):
            "the certificate is not valid for another \(Int(min(start - now, 1e12).rounded(.up))) s: "
                + "check the clocks of this machine and of the coordinator"
        case .otherNetwork: "the certificate belongs to another network"
        case .otherDevice: "the device certificate does not belong to the peer of this connection"
        }
    }
}
