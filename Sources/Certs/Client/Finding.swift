// What can be wrong between a device and its network, and which command puts it right? The doctor's words: a stable code for
// programs, a sentence for people, a command to type.

/// One thing that the doctor found.
public struct Finding: Sendable, Equatable, Codable {
    /// Stable words.
    public enum Code: String, Sendable, Codable, CaseIterable {
        case noNetwork = "no_network"
        case keyMissing = "key_missing"
        case keyReadableByOthers = "key_readable_by_others"
        case keyDamaged = "key_damaged"
        case noCertificate = "no_certificate"
        case certificateDamaged = "certificate_damaged"
        case certificateOfAnotherKey = "certificate_of_another_key"
        case certificateOfAnotherNetwork = "certificate_of_another_network"
        case certificateNotYetValid = "certificate_not_yet_valid"
        case expired
        case renewalDue = "renewal_due"
        case renewed
        case clockOff = "clock_off"
        case otherNetwork = "other_network"
        case coordinatorMoved = "coordinator_moved"
        case addressRemembered = "address_remembered"
        case unreachable
        case revoked
        case suspended
        case notInNetwork = "not_in_network"
        case agentUnknown = "agent_unknown"
        case agentUnreachable = "agent_unreachable"
    }

    public var code: Code
    /// Whether something has to be done; else it is only worth knowing.
    public var isProblem: Bool
    public var message: String
    /// The command that puts it right, or what a person has to do.
    public var fix: String?

    private enum CodingKeys: String, CodingKey {
        case code, message, fix
        case isProblem = "problem"
    }

    static func problem(_ code: Code, _ message: String, fix: String?) -> Finding {
        Finding(code: code, isProblem: true, message: message, fix: fix)
    }

    static func note(_ code: Code, _ message: String, fix: String? = nil) -> Finding {
        Finding(code: code, isProblem: false, message: message, fix: fix)
    }
}

/// What the doctor says about one network.
public struct Diagnosis: Sendable, Equatable, Codable {
    /// `handle@network`; nil when no network is joined.
    public var network: String?
    /// Where the coordinator answered, `ip:port`.
    public var coordinatorAddress: String?
    /// The most important one first.
    public var findings: [Finding]

    /// Whether nothing has to be done.
    public var isHealthy: Bool { !findings.contains(where: \.isProblem) }

    private enum CodingKeys: String, CodingKey {
        case network, findings
        case coordinatorAddress = "coordinator_address"
    }
}
