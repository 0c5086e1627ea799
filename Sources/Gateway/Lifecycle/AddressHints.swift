internal import Foundation
public import NIOCore
public import Store
public import Transport

// Where did this agent listen last? Devices that joined know its UDP address, so a restart should come back on the same
// port. The file is the reference's (network.md §5); a file that cannot be read is the same as none.

/// What `coordinator_addr.json` holds.
public struct AddressHints: Sendable, Equatable, Codable {
    public var nodeID: NodeID
    public var relayURL: String?
    /// As `host:port`.
    public var addresses: [String]
    /// In whole Unix seconds.
    public var writtenAt: Int64

    private enum CodingKeys: String, CodingKey {
        case nodeID = "node_id"
        case relayURL = "relay_url"
        case addresses
        case writtenAt = "written_at"
    }

    public init(nodeID: NodeID, relayURL: String? = nil, addresses: [SocketAddress], writtenAt: Double) {
        self.nodeID = nodeID
        self.relayURL = relayURL
        self.addresses = addresses.map(\.hostAndPort)
        self.writtenAt = Int64(writtenAt)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(nodeID, forKey: .nodeID)
        // Written also when it is null: readers of the reference expect the key.
        try container.encode(relayURL, forKey: .relayURL)
        try container.encode(addresses, forKey: .addresses)
        try container.encode(writtenAt, forKey: .writtenAt)
    }

    /// The UDP port to try first at the next start; nil when no address can be read.
    public var port: UInt16? {
        for text in addresses {
            guard let port = (try? SocketAddress(hostAndPort: text))?.port, port > 0 else { continue }
            return UInt16(exactly: port)
        }
        return nil
    }

    /// Replaces the file, mode 0600.
    ///
    /// - Throws: ``PrivateFileError``
    public func write(_ directory: AgentDirectory) throws(PrivateFileError) {
        try PrivateFile.replace(directory.addressHints, with: smallFileJSON(self))
    }

    /// The hints of the agent's own node, or nil: hints of another key were copied from elsewhere and say nothing.
    public static func read(_ directory: AgentDirectory, of node: NodeID) -> AddressHints? {
        guard let bytes = try? PrivateFile.read(directory.addressHints),
            let hints = try? JSONDecoder().decode(Self.self, from: Data(bytes)), hints.nodeID == node
        else { return nil }
        return hints
    }
}
