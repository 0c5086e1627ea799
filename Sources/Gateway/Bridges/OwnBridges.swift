public import Certs
internal import Synchronization
public import Transport
public import Wire

// Which keys are those of the agent's own bridges? A list in memory, filled by whoever starts them. A key that isn't in it is a
// stranger's, whatever certificate it shows: so nothing is a bridge of this agent because a file or a table says so.

/// The keys with which the agent's own bridges come in at this moment.
public final class OwnBridges: Sendable {
    private let platforms = Mutex<[NodeID: Platform]>([:])

    public init() {}

    /// How handles of bridges begin; no user's does.
    static let handlePrefix = "__bridge_"

    /// As whom an agent's own bridge comes in.
    public static func handle(of platform: Platform) -> String { handlePrefix + platform.rawValue }

    /// Whether no user may have this handle because bridges do.
    static func isReserved(_ handle: String) -> Bool { handle.hasPrefix(handlePrefix) }

    /// Whether an agent's own bridge may have this handle.
    static func isHandle(_ handle: String) -> Bool { Platform.allCases.contains { Self.handle(of: $0) == handle } }

    /// The platform whose bridge has this key; nil: none has.
    public func platform(of node: NodeID) -> Platform? { platforms.withLock { $0[node] } }

    /// From now on the bridge with this key may come in.
    func admit(_ node: NodeID, for platform: Platform) { platforms.withLock { $0[node] = platform } }

    /// From now on it may not.
    func dismiss(_ node: NodeID) { platforms.withLock { $0[node] = nil } }
}
