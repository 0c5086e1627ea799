public import Logging
public import NIOCore
public import NIOHTTP1
internal import Store
public import Transport
public import Wire

// How is an agent administered while nobody serves it? By its own gateway in the process of the command: the same routes,
// rules and audit rows, asked as the operator, without a socket. The lock keeps a server from starting meanwhile. No turn
// runs: the gateway answers, and nothing else of it is started.

/// An agent that is asked in this process, by whoever can read its directory.
public struct OfflineAgent: Sendable {
    private let core: GatewayCore
    private let lock: InstanceLock
    /// The agent's node id.
    public let nodeID: NodeID

    /// Locks the agent and opens its database. What a first start would make (identity, network) is made.
    ///
    /// - Parameters:
    ///   - directory: of an agent that exists.
    ///   - version: of this program.
    ///   - environment: what the configuration may refer to.
    ///   - now: Unix seconds.
    /// - Throws: ``OfflineAgentError``, and when a room cannot be started; the error says which and why.
    public static func open(
        _ directory: AgentDirectory, version: String, environment: [String: String],
        now: @escaping @Sendable () -> Double,
        logger: Logger = Logger(label: "openagent.offline") { _ in SwiftLogNoOpLogHandler() }
    ) async throws -> OfflineAgent {
        guard directory.isAgent else { throw OfflineAgentError.notAnAgent(directory) }
        // All that the lock and the database need. Notes and configuration are a first start's business.
        try PrivateFile.createFolder(directory.state)
        try PrivateFile.close(toOthers: directory.state)
        let lock: InstanceLock
        do { lock = try await InstanceLock.take(directory) } catch .alreadyRunning(let record, _) {
            throw OfflineAgentError.running(directory, record)
        }
        do {
            let configuration = try AgentConfiguration.load(directory, environment: environment).configuration
            let key = try directory.identity()
            let core = try GatewayCore.build(
                key: key, directory: directory, configuration: configuration, version: version,
                seams: .init(now: now, environment: environment), logger: logger)
            return OfflineAgent(core: core, lock: lock, nodeID: key.nodeID)
        } catch {
            lock.release()
            throw error
        }
    }

    /// Answers a request as the agent's operator. Any status is an answer, no error.
    ///
    /// - Parameters:
    ///   - path: origin form with query, `/api/network/users`.
    ///   - maximumBody: the largest answer to take, in bytes.
    /// - Throws: ``GatewayClientError/bodyTooLarge(limit:)``.
    public func request(
        method: HTTPMethod = .GET, path: String, headers: HTTPHeaders = [:], body: ByteBuffer? = nil,
        maximumBody: Int = 16 << 20
    ) async throws -> GatewayResponse {
        try await core.gateway.respond(
            method: method, path: path, headers: headers, body: body ?? ByteBuffer(), maximumBody: maximumBody)
    }

    /// Closes the database and lets a server start. To be called once, when nothing asks any more.
    ///
    /// - Throws: when the database cannot be closed; the agent is free also then.
    public func close() throws {
        defer { lock.release() }
        try core.close()
    }
}

/// Why an agent cannot be asked in this process.
public enum OfflineAgentError: Error, Equatable, CustomStringConvertible {
    case notAnAgent(AgentDirectory)
    /// A process serves it, and is to be asked instead. The record is nil while that process still starts.
    case running(AgentDirectory, RunRecord?)

    public var description: String {
        switch self {
        case .notAnAgent(let directory): "there is no agent in \(directory): make one with: openagent init \(directory)"
        case .running(let directory, let record?):
            "the agent in \(directory) is being served by process \(record.pid): ask it instead"
        case .running(let directory, nil):
            "the agent in \(directory) is just starting or stopping: try again in a moment"
        }
    }
}
