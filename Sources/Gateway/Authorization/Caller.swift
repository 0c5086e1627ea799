internal import Certs
internal import Transport

// Who asks, and why is somebody refused? The answers of authorization as values.

/// An authenticated device and the rights of its user at this moment.
struct Caller: Sendable, Equatable {
    let handle: String
    let device: NodeID
    let role: Role
    /// Unix seconds at which its certificate ends.
    let expiresAt: Double

    /// Whose turns run one after the other.
    var lane: String { device.hex }
}

/// What a route or message asks of its caller.
enum Role: Int, Sendable, Comparable {
    case member, admin

    static func < (left: Role, right: Role) -> Bool { left.rawValue < right.rawValue }
}

/// Why a request is not served.
enum Refusal: Error, Equatable {
    case missingCertificate
    case badCertificate(CertificateError)
    case revoked
    case inactive
    /// Nobody who knows the network's members could be asked.
    case membershipUnavailable
    /// The caller is known and may not do this.
    case forbidden

    /// What the peer is told: no more than it needs to tell a renewal from a lost cause (network.md §3.1).
    var text: String {
        switch self {
        case .missingCertificate: "missing device cert"
        case .badCertificate(.expired): "cert rejected: expired"
        case .badCertificate: "cert rejected: invalid"
        case .revoked: "device revoked"
        case .inactive: "device inactive or removed"
        case .membershipUnavailable: "device membership unavailable"
        case .forbidden: "forbidden"
        }
    }
}
