public import Transport

// What does the gateway tell about the agent that it serves? Facts that are fixed while it runs, but for its
// name.

/// The agent behind a gateway.
public struct AgentDescription: Sendable {
    /// The name that users see.
    public var name: String { currentName() }
    private let currentName: @Sendable () -> String
    /// The agent's directory on its machine.
    public var directory: String
    public var nodeID: NodeID
    public var networkID: String
    public var networkName: String
    /// `coordinator` or `member`.
    public var networkRole: String
    /// The version of this program.
    public var version: String

    /// - Parameter name: asked each time when somebody wants to know.
    public init(
        name: @autoclosure @escaping @Sendable () -> String, directory: String, nodeID: NodeID, networkID: String,
        networkName: String,
        networkRole: String = "coordinator", version: String
    ) {
        currentName = name
        self.directory = directory
        self.nodeID = nodeID
        self.networkID = networkID
        self.networkName = networkName
        self.networkRole = networkRole
        self.version = version
    }
}
