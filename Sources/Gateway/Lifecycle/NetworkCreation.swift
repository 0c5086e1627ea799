internal import Certs
internal import Store
public import Transport

// How does an agent get its network without being served? The one that coordinates gets it at its first start, or here,
// under the same lock. What a network is, the coordinator knows.

/// The network of an agent that coordinates it.
public struct NetworkCreation: Sendable, Equatable {
    public let networkID: String
    public let name: String
    public let coordinator: NodeID
    /// Whether it was made just now.
    public let isNew: Bool

    /// Makes the network of the agent in `directory`, unless it has one. Nobody may be serving it.
    ///
    /// - Parameters:
    ///   - name: of a new network.
    ///   - now: Unix seconds.
    /// - Throws: ``InstanceError``, `NetworkStateError` for a member of another's network, `SecretKeyError`,
    ///   `DatabaseError`, `PrivateFileError`.
    public static func createIfMissing(
        _ directory: AgentDirectory, name: String, now: Double
    ) async throws -> NetworkCreation {
        _ = try directory.create()
        let lock = try await InstanceLock.take(directory)
        defer { lock.release() }
        let key = try SecretKey.loadOrCreate(path: directory.identityKey)
        let database = try Database(path: directory.database)
        defer { try? database.close() }
        let repository = NetworkRepository(database)
        let before = try await repository.read { try $0.network() }
        let network = try Coordinator.createNetworkIfMissing(
            repository: repository, identity: key, name: name, now: now)
        return NetworkCreation(
            networkID: network.networkID, name: network.name, coordinator: network.coordinator,
            isNew: before.map { $0.role == .standalone } ?? true)
    }
}
