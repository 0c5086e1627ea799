internal import Certs
internal import Synchronization
internal import Transport
internal import Wire

// As whom does a bridge of the agent's own come in? With a key of its own, kept beside the agent's, and a certificate that the agent
// signs itself: on a member agent, too, where the coordinator's word would have to be fetched first. The key is good for nothing but
// this: a backup doesn't hold it, and a new one is made where it is missing. Nothing is bound to it but what runs at the moment.

/// The key and the certificate of one bridge of the agent's own.
final class BridgeIdentity: Sendable {
    let platform: Platform
    let key: SecretKey

    private let networkID: String
    private let agent: SecretKey
    private let now: @Sendable () -> Double
    private let certificate: Mutex<DeviceCertificate>

    /// Makes the key on the first use.
    ///
    /// - Parameters:
    ///   - agent: signs.
    ///   - now: Unix seconds.
    init(
        _ platform: Platform, of directory: AgentDirectory, networkID: String, agent: SecretKey,
        now: @escaping @Sendable () -> Double
    ) throws(SecretKeyError) {
        self.platform = platform
        self.networkID = networkID
        self.agent = agent
        self.now = now
        key = try SecretKey.loadOrCreate(path: directory.bridgeKey(platform))
        certificate = Mutex(
            Self.issue(platform, key.nodeID, networkID: networkID, signedBy: agent, at: now()))
    }

    /// A certificate that counts for another half of its life at least. In memory only.
    var wire: [UInt8] {
        let now = now()
        return certificate.withLock { certificate in
            if now >= certificate.renewalDueAt || now < certificate.issuedAt {
                certificate = Self.issue(platform, key.nodeID, networkID: networkID, signedBy: agent, at: now)
            }
            return certificate.wire
        }
    }

    static func issue(
        _ platform: Platform, _ device: NodeID, networkID: String, signedBy agent: SecretKey, at now: Double
    ) -> DeviceCertificate {
        DeviceCertificate.issue(
            handle: OwnBridges.handle(of: platform), deviceKey: device, networkID: networkID,
            capabilities: [DeviceCertificate.bridgeCapability], issuedAt: now, signedBy: agent)
    }
}

extension AgentDirectory {
    /// How names of files begin that hold the keys of bridges.
    static let bridgeKeyPrefix = ".bridge-device-"

    /// The key with which the agent's own bridge comes in.
    func bridgeKey(_ platform: Platform) -> String { "\(path)/\(Self.bridgeKeyPrefix)\(platform.rawValue).key" }

    /// Whether a file of this name holds such a key, of whatever agent.
    static func isBridgeKey(_ name: some StringProtocol) -> Bool {
        name.hasPrefix(bridgeKeyPrefix) && name.hasSuffix(".key")
    }

    /// Where bridges keep what they have to remember.
    var bridges: String { path + "/bridges" }
}
