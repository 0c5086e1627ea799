internal import Foundation
internal import Store
internal import TOMLKit
public import Transport

// Which networks has this person joined? The file networks.toml of network.md §8, shared with other OpenAgent clients: keys
// that this program does not know are kept, and a file of a newer schema is left alone. Every change is read, made and
// written under a lock, so two programs that join at once lose nothing.

/// One network of a person.
public struct JoinedNetwork: Sendable, Equatable {
    /// What the person calls it; unique together with the handle.
    public var name: String
    public var networkID: String
    /// The coordinator's node id and signing key.
    public var coordinator: NodeID
    public var handle: String
    /// Unix seconds.
    public var addedAt: Double
    /// Absolute path of the certificate.
    public var certificatePath: String
    /// Unix seconds.
    public var lastLoginAt: Double?
    public var coordinatorRelayURL: String?
    /// Where the coordinator was found, `ip:port` each, the most recent success first.
    public var coordinatorAddresses: [String]

    public init(
        name: String, networkID: String, coordinator: NodeID, handle: String, addedAt: Double, certificatePath: String,
        lastLoginAt: Double? = nil, coordinatorRelayURL: String? = nil, coordinatorAddresses: [String] = []
    ) {
        self.name = name
        self.networkID = networkID
        self.coordinator = coordinator
        self.handle = handle
        self.addedAt = addedAt
        self.certificatePath = certificatePath
        self.lastLoginAt = lastLoginAt
        self.coordinatorRelayURL = coordinatorRelayURL
        self.coordinatorAddresses = coordinatorAddresses
    }

    /// `handle@network`, as it is typed.
    public var displayName: String { "\(handle)@\(name)" }

    func isSame(as other: JoinedNetwork) -> Bool { networkID == other.networkID && handle == other.handle }
}

/// What networks.toml says.
public struct JoinedNetworks: Sendable, Equatable {
    /// In the order of the file.
    public var networks: [JoinedNetwork] = []
    /// Name or id of the network that is used when none is named.
    public var activeNetwork: String?
    /// Handle of the agent that is used when none is named.
    public var activeAgent: String?

    public init() {}

    /// The networks that a name, an id or `handle@network` means. Case and surrounding space do not matter.
    public func matching(_ text: String) -> [JoinedNetwork] {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let names = parts.map { HandleRule.typed(String($0)) }
        guard let wanted = names.last else { return [] }
        return networks.filter { network in
            let isNetwork = HandleRule.typed(network.name) == wanted || network.networkID == wanted
            return isNetwork && (names.count == 1 || network.handle == names[0])
        }
    }
}

/// The file networks.toml, mode 0600.
public struct NetworksFile: Sendable {
    /// The schema that this program reads and writes.
    public static let schemaVersion = 1

    public let path: String

    private static let sizeLimit = 1_024 * 1_024

    /// What the file says; nothing when there is none.
    ///
    /// - Throws: ``ClientHomeError`` for a newer schema and for a file that is not of this form.
    public func load() throws -> JoinedNetworks { try decode(table()) }

    /// Reads the file, changes it by `body` and writes it.
    ///
    /// - Returns: what the file says now.
    public func update(_ body: (inout JoinedNetworks) throws -> Void) throws -> JoinedNetworks {
        try PrivateFile.withLock(path) {
            let old = try table()
            var networks = try decode(old)
            try body(&networks)
            try PrivateFile.replace(path, with: Array(encode(networks, over: old).utf8))
            return networks
        }
    }

    private enum Key {
        static let schema = "schema_version"
        static let activeNetwork = "active_network"
        static let activeAgent = "active_agent"
        static let networks = "networks"
        static let name = "name"
        static let networkID = "network_id"
        static let nodeID = "coordinator_node_id"
        static let publicKey = "coordinator_pubkey_hex"
        static let handle = "handle"
        static let addedAt = "added_at"
        static let certificate = "cert_path"
        static let lastLogin = "last_login_at"
        static let relay = "coordinator_relay_url"
        static let addresses = "coordinator_addresses"

        static let ofFile: Set = [schema, activeNetwork, activeAgent, networks]
        static let ofRow: Set = [
            name, networkID, nodeID, publicKey, handle, addedAt, certificate, lastLogin, relay, addresses,
        ]
    }

    private func table() throws -> TOMLTable {
        guard let bytes = try PrivateFile.read(path, limit: Self.sizeLimit) else { return TOMLTable() }
        do { return try TOMLTable(string: String(decoding: bytes, as: UTF8.self)) } catch {
            throw ClientHomeError.malformed(path: path, reason: "it is not TOML")
        }
    }

    private func decode(_ table: TOMLTable) throws -> JoinedNetworks {
        if let value = table[Key.schema] {
            guard let version = value.int else { throw malformed("\(Key.schema) is not a number") }
            guard version <= Self.schemaVersion else {
                throw ClientHomeError.newerSchema(path: path, version: version)
            }
        }
        var result = JoinedNetworks()
        result.activeNetwork = table[Key.activeNetwork]?.string
        result.activeAgent = table[Key.activeAgent]?.string
        guard let value = table[Key.networks] else { return result }
        guard let rows = value.array else { throw malformed("networks is not an array of tables") }
        for row in rows {
            guard let row = row.table else { throw malformed("networks is not an array of tables") }
            result.networks.append(try network(row))
        }
        return result
    }

    private func network(_ row: TOMLTable) throws -> JoinedNetwork {
        func text(_ key: String) throws -> String {
            guard let text = row[key]?.string, !text.isEmpty else { throw malformed("a network has no \(key)") }
            return text
        }
        guard let coordinator = try? NodeID(text(Key.publicKey)) else {
            throw malformed("\(Key.publicKey) is not a key")
        }
        return JoinedNetwork(
            name: try text(Key.name), networkID: try text(Key.networkID), coordinator: coordinator,
            handle: try text(Key.handle), addedAt: Self.number(row[Key.addedAt]) ?? 0,
            certificatePath: row[Key.certificate]?.string ?? "", lastLoginAt: Self.number(row[Key.lastLogin]),
            coordinatorRelayURL: row[Key.relay]?.string,
            coordinatorAddresses: row[Key.addresses]?.array?.compactMap(\.string) ?? [])
    }

    private static func number(_ value: (any TOMLValueConvertible)?) -> Double? {
        value?.double ?? value?.int.map(Double.init)
    }

    private func malformed(_ reason: String) -> ClientHomeError { .malformed(path: path, reason: reason) }

    /// The text of the file: the known keys from `networks`, all others as they are in `old`.
    private func encode(_ networks: JoinedNetworks, over old: TOMLTable) -> String {
        let table = TOMLTable()
        Self.copy(old, to: table, except: Key.ofFile)
        table[Key.schema] = Self.schemaVersion
        table[Key.activeNetwork] = networks.activeNetwork
        table[Key.activeAgent] = networks.activeAgent
        let oldRows = old[Key.networks]?.array?.compactMap(\.table) ?? []
        let rows = TOMLArray()
        for network in networks.networks {
            let row = TOMLTable()
            let before = oldRows.first {
                $0[Key.networkID]?.string == network.networkID && $0[Key.handle]?.string == network.handle
            }
            if let before { Self.copy(before, to: row, except: Key.ofRow) }
            Self.write(network, to: row)
            rows.append(row)
        }
        if !networks.networks.isEmpty { table[Key.networks] = rows }
        return table.convert(to: .toml) + "\n"
    }

    private static func copy(_ source: TOMLTable, to target: TOMLTable, except known: Set<String>) {
        for key in source.keys where !known.contains(key) { target[key] = source[key] }
    }

    private static func write(_ network: JoinedNetwork, to row: TOMLTable) {
        row[Key.name] = network.name
        row[Key.networkID] = network.networkID
        row[Key.nodeID] = network.coordinator.hex
        row[Key.publicKey] = network.coordinator.hex
        row[Key.handle] = network.handle
        row[Key.addedAt] = network.addedAt
        row[Key.certificate] = network.certificatePath
        row[Key.lastLogin] = network.lastLoginAt
        row[Key.relay] = network.coordinatorRelayURL
        row[Key.addresses] = network.coordinatorAddresses.isEmpty ? nil : TOMLArray(network.coordinatorAddresses)
    }
}
