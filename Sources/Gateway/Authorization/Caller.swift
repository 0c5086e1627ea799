internal import Certs
internal import Transport

// Who asks, and why is somebody refused? The answers of authorization as values.

/// An authenticated device and the rights of its user at this moment; or the operator.
struct Caller: Sendable, Equatable {
    let handle: String
    let device: NodeID
    let role: Role
    /// Nil for the operator, who needs none.
    let certificate: DeviceCertificate?
    /// It is the agent itself, in the name of a user.
    let isUnattended: Bool
    /// Many people speak through it, and none of them is the user of its certificate.
    let isBridge: Bool

    /// A user's device.
    init(_ certificate: DeviceCertificate, role: Role) {
        handle = certificate.handle
        device = certificate.deviceKey
        isBridge = certificate.isOfBridge
        // Whatever its user may do: others speak.
        self.role = isBridge ? .member : role
        self.certificate = certificate
        isUnattended = false
    }

    /// The agent in the name of a user, while nobody watches.
    init(unattended handle: String, role: Role, agent: NodeID) {
        self.handle = handle
        self.role = role
        device = agent
        certificate = nil
        isUnattended = true
        isBridge = false
    }

    private init(operatorOf agent: NodeID) {
        handle = Principal.operator.auditName
        device = agent
        role = .admin
        certificate = nil
        isUnattended = false
        isBridge = false
    }

    /// Whoever holds the agent's own key.
    static func `operator`(of agent: NodeID) -> Caller { Caller(operatorOf: agent) }

    var isOperator: Bool { certificate == nil && !isUnattended }

    /// Unix seconds at which its rights end by themselves; nil when they do not.
    var expiresAt: Double? { certificate?.expiresAt }

    /// Whose turns run one after the other.
    func lane(for sessionID: String, by lanes: SessionLane) -> String {
        // What nobody typed keeps nobody waiting, and no chat waits for another.
        switch isUnattended || isBridge ? .session : lanes {
        case .client: device.hex
        case .session: "\(device.hex)/\(sessionID)"
        }
    }

    /// Within whose messages a `message_id` is unique, whatever the lane.
    var sender: String {
        "\(device.hex)/\(handle)" + (isUnattended ? Self.unattended : isBridge ? Self.bridge : "")
    }

    /// How the name of a sender ends that is the agent in the name of a user. No handle has a slash.
    static let unattended = "/unattended"
    /// How that of a bridge ends.
    static let bridge = "/bridge"

    /// Who asks the coordinator for an act of administration.
    var principal: Principal {
        guard !isOperator else { return .operator }
        return switch role {
        case .admin: .admin(handle: handle, device: device)
        case .member: .member(handle: handle, device: device)
        }
    }

    /// Who asks for something that is the caller's own, and may reach nothing else, admin or not.
    var ownPrincipal: Principal { .member(handle: handle, device: device) }
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
