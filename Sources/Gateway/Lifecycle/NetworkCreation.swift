internal import Certs
public import Logging
internal import Store
public import Transport

// How does an agent get its network without being served? It gets one at its first start, or here, under the same lock. What
// a network is, the coordinator knows.

/// The network of an agent that nobody serves.
public struct NetworkCreation: Sendable, Equatable {
    public let networkID: String
    public let name: String
    /// `coordinator` or `member`.
    public let role: String
    /// The agent's node id.
    public let node: NodeID
    /// The node id of the agent that coordinates the network.
    public let coordinator: NodeID
    /// Whether it was made just now.
    public let isNew: Bool

    /// Makes the network of the agent in `directory`, unless it has one or is a member of one.
    ///
    /// - Parameters:
    ///   - name: of a new network.
    ///   - now: Unix seconds.
    /// - Throws: ``InstanceError`` while it is being served, `NetworkStateError`, `SecretKeyError`, `DatabaseError`,
    ///   `PrivateFileError`.
    public static func createIfMissing(
        _ directory: AgentDirectory, name: String, now: @escaping @Sendable () -> Double, logger: Logger
    ) async throws -> NetworkCreation {
        try PrivateFile.createFolder(directory.state)
        try PrivateFile.close(toOthers: directory.state)
        let lock = try await InstanceLock.take(directory)
        defer { lock.release() }
        let key = try directory.identity()
        let database = try Database(path: directory.database)
        // What was written is committed; a database that does not close in good order is repaired when it is opened.
        defer { try? database.close() }
        let repository = NetworkRepository(database)
        let before = try await repository.read { try $0.network() }
        let place = try AgentPlace(repository: repository, identity: key, name: name, now: now, logger: logger)
        return NetworkCreation(
            networkID: place.networkID, name: place.networkName, role: place.role, node: key.nodeID,
            coordinator: place.coordinatorNode, isNew: before.map { $0.role == .standalone } ?? true)
    }
}
