internal import Foundation
public import Transport

// Which network, and which agent in it, does a person mean, and how is one forgotten? Names are looked up in what
// networks.toml says; nothing here speaks to anybody.

/// A network of this device, and the agent in it that was named.
public struct NetworkPlace: Sendable, Equatable {
    public var network: JoinedNetwork
    /// Handle of an agent; nil is whichever the person uses when they name none.
    public var agent: String?

    public init(network: JoinedNetwork, agent: String? = nil) {
        self.network = network
        self.agent = agent
    }

    /// `handle@network/agent`, as it is typed.
    public var displayName: String { network.displayName + (agent.map { "/" + $0 } ?? "") }
}

extension JoinedNetworks {
    /// The places that `network`, `handle@network` or either of them with `/agent` means. A network whose own name has a
    /// slash comes first.
    public func places(_ text: String) -> [NetworkPlace] {
        let whole = matching(text)
        if !whole.isEmpty { return whole.map { NetworkPlace(network: $0) } }
        guard let slash = text.lastIndex(of: "/") else { return [] }
        let agent = HandleRule.typed(String(text[text.index(after: slash)...]))
        guard !agent.isEmpty else { return [] }
        return matching(String(text[..<slash])).map { NetworkPlace(network: $0, agent: agent) }
    }

    /// The network that is used when none is named.
    public var active: JoinedNetwork? { activeNetwork.flatMap { matching($0).first } }

    /// The agent that is used in `network` when none is named; nil is the one that coordinates it.
    public func activeAgent(in network: JoinedNetwork) -> String? {
        guard let active, active.isSame(as: network), let activeAgent, !activeAgent.isEmpty else { return nil }
        return activeAgent
    }

    /// How `network` is written so that it alone is meant: by its name, where that is enough.
    func unambiguousName(of network: JoinedNetwork) -> String {
        if matching(network.name).count == 1 { return network.name }
        if matching(network.displayName).count == 1 { return network.displayName }
        return "\(network.handle)@\(network.networkID)"
    }
}

extension ClientHome {
    /// Makes a network the one that is used when none is named.
    ///
    /// - Parameter agent: the agent that is used when none is named; nil is the one that coordinates the network.
    /// - Throws: ``ClientHomeError``, `PrivateFileError`.
    public func use(_ network: JoinedNetwork, agent: String? = nil) throws {
        _ = try networks.update { networks in
            networks.activeNetwork = networks.unambiguousName(of: network)
            networks.activeAgent = agent
        }
    }

    /// Forgets a network: its row first, then its certificate and what is known about its agents, so that an interrupted
    /// call leaves nothing but files that nobody asks for. The network's coordinator is not told.
    ///
    /// - Returns: whether there was such a network.
    /// - Throws: ``ClientHomeError``, `PrivateFileError`.
    public func forget(_ network: JoinedNetwork) throws -> Bool {
        var forgotten: [JoinedNetwork] = []
        let left = try networks.update { networks in
            let wasActive = networks.active.map { $0.isSame(as: network) } ?? false
            forgotten = networks.networks.filter { $0.isSame(as: network) }
            networks.networks.removeAll { $0.isSame(as: network) }
            if wasActive {
                networks.activeNetwork = nil
                networks.activeAgent = nil
            }
        }
        for row in forgotten {
            remove(certificatePath(networkID: row.networkID, handle: row.handle))
            remove(bridgeCertificatePath(networkID: row.networkID, handle: row.handle))
            // A path from the file is only trusted where this program itself would have put it.
            if row.certificatePath.hasPrefix(path + "/certs/"), !row.certificatePath.contains("..") {
                remove(row.certificatePath)
            }
        }
        if !left.networks.contains(where: { $0.networkID == network.networkID }) {
            remove(agents(of: network.networkID).path)
        }
        return !forgotten.isEmpty
    }

    private func remove(_ file: String) { try? FileManager.default.removeItem(atPath: file) }
}
