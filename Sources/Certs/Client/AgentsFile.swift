internal import Foundation
internal import Store
public import Transport

// Which agents of a network does this device know, and where were they? What the coordinator said last, kept so that an
// agent can be dialled while the coordinator is away. The file is disposable: one that cannot be read is the same as none.

/// An agent of a network, as its coordinator lists it.
public struct KnownAgent: Sendable, Equatable, Codable {
    public var handle: String
    public var nodeID: NodeID
    public var label: String?
    /// Where it said that it can be reached, `ip:port` each.
    public var addresses: [String]

    public init(handle: String, nodeID: NodeID, label: String? = nil, addresses: [String] = []) {
        self.handle = handle
        self.nodeID = nodeID
        self.label = label
        self.addresses = addresses
    }

    /// Nil for a row without a node id.
    init?(_ record: AgentRecord) {
        guard let node = try? NodeID(record.nodeID) else { return nil }
        self.init(handle: record.handle, nodeID: node, label: record.label, addresses: record.addresses)
    }

    private enum CodingKeys: String, CodingKey {
        case handle, label, addresses
        case nodeID = "node_id"
    }
}

/// The file `agents/<network_id>.json`, mode 0600.
public struct AgentsFile: Sendable {
    /// More agents than this are not remembered.
    public static let maximumAgents = 1_000
    /// More addresses of one agent than this are not remembered.
    static let maximumAddresses = 8

    private static let sizeLimit = 1_024 * 1_024

    private struct Content: Codable {
        var agents: [KnownAgent]
    }

    public let path: String

    /// What was remembered; nothing when there is no file or it is no such file.
    public func load() -> [KnownAgent] {
        guard let bytes = try? PrivateFile.read(path, limit: Self.sizeLimit),
            let content = try? JSONDecoder().decode(Content.self, from: Data(bytes))
        else { return [] }
        return Self.bounded(content.agents)
    }

    /// Remembers what the coordinator said.
    ///
    /// - Returns: what is remembered, which may be less.
    /// - Throws: `PrivateFileError`.
    public func store(_ agents: [KnownAgent]) throws -> [KnownAgent] {
        let agents = Self.bounded(agents)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        if let slash = path.lastIndex(of: "/") { try PrivateFile.createFolder(String(path[..<slash])) }
        try PrivateFile.replace(path, with: Array(try encoder.encode(Content(agents: agents))) + [UInt8(ascii: "\n")])
        return agents
    }

    /// Names are shown in terminals, where control characters are commands.
    private static func bounded(_ agents: [KnownAgent]) -> [KnownAgent] {
        agents.prefix(maximumAgents).compactMap { agent in
            guard !agent.handle.isEmpty, agent.handle.utf8.count <= HandleRule.maximumLength,
                !agent.handle.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else { return nil }
            var agent = agent
            agent.addresses = Array(agent.addresses.filter { $0.utf8.count <= 64 }.prefix(maximumAddresses))
            if let label = agent.label, label.utf8.count > 256 { agent.label = nil }
            return agent
        }
    }
}

extension ClientHome {
    /// What is remembered about the agents of a network.
    public func agents(of networkID: String) -> AgentsFile {
        AgentsFile(path: path + "/agents/" + Self.plain(networkID) + ".json")
    }
}

/// Who an agent's name may stand for.
public enum AgentNameError: Error, Equatable, CustomStringConvertible {
    case unknown(String, network: String, known: [String])

    public var description: String {
        switch self {
        case .unknown(let name, let network, let known) where known.isEmpty:
            "there is no agent '\(name)' in \(network), and no other one is known"
        case .unknown(let name, let network, let known):
            "there is no agent '\(name)' in \(network): there are \(known.joined(separator: ", "))"
        }
    }
}
