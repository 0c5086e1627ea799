internal import NIOCore
internal import Synchronization
internal import Transport

// Where can this agent be reached at this moment? The endpoint knows, once there is one; before, and while nobody serves,
// the last answer that was written down is the best one.

/// Where an agent can be reached.
final class AdvertisedAddresses: Sendable {
    private let source: Mutex<@Sendable () -> [SocketAddress]>

    /// What an earlier process wrote down.
    init(_ directory: AgentDirectory, node: NodeID) {
        source = Mutex {
            (AddressHints.read(directory, of: node)?.addresses ?? []).compactMap { try? SocketAddress(hostAndPort: $0) }
        }
    }

    /// From here on the answer is asked of the endpoint.
    func follow(_ source: @escaping @Sendable () -> [SocketAddress]) { self.source.withLock { $0 = source } }

    var current: [SocketAddress] {
        let source = source.withLock { $0 }
        return source()
    }
}
