internal import NIOCore
internal import Store
public import Transport

// How does a person's device get into a network, and back in? Ticket, handle and password become a certificate and a row in
// networks.toml; later the password alone does. Every step can be repeated: whatever was interrupted, the same ticket with
// the same handle and password goes on where it stopped, and nothing is stored before the certificate is verified.
//
//   ticket ─▶ network_info ─▶ register ─────────────▶ login ─▶ verify ─▶ certificate file ─▶ networks.toml
//                 (user tickets)  └ taken or spent: it may have been us ┘

/// A network that was joined, and the certificate to use in it.
public struct JoinResult: Sendable {
    public let network: JoinedNetwork
    public let certificate: DeviceCertificate
}

/// Joins networks and logs in again.
public struct Joining: Sendable {
    private let home: ClientHome
    private let device: NodeID
    private let label: String?
    private let now: @Sendable () -> Double

    /// - Parameters:
    ///   - label: what this device is called in lists.
    ///   - key: the key to join with when it isn't this device's yet, see ``ClientHome/pendingIdentity()``.
    ///   - now: Unix seconds.
    /// - Throws: ``SecretKeyError`` when the device's key cannot be used.
    public init(
        home: ClientHome, label: String?, key: SecretKey? = nil, now: @escaping @Sendable () -> Double
    ) throws {
        self.home = home
        self.label = label
        self.now = now
        device = try (key ?? home.identity()).nodeID
    }

    /// Joins the network of a ticket.
    ///
    /// - Parameters:
    ///   - handle: who to be; may be nil when the ticket names somebody.
    ///   - endpoint: bound with the key of `home`.
    /// - Throws: ``JoinError``, ``RPCError``, ``ConnectError``, ``CoordinatorClientError`` or ``ClientHomeError``.
    public func join(
        _ ticket: InviteTicket, handle: String?, password: Password, endpoint: Endpoint
    ) async throws -> JoinResult {
        let addresses = ticket.addresses.compactMap { try? SocketAddress(hostAndPort: $0) }
        let address = NodeAddress(nodeID: ticket.node, addresses: addresses, relayURL: ticket.relayURL)
        return try await withClient(of: address, endpoint: endpoint) { client, reached in
            try await join(ticket, handle: handle, password: password, through: client, reached: reached)
        }
    }

    /// Gets a new certificate for a network that was joined before.
    public func login(
        _ network: JoinedNetwork, password: Password, endpoint: Endpoint
    ) async throws -> JoinResult {
        try await withClient(of: network.coordinatorAddress(), endpoint: endpoint) { client, reached in
            try await login(network, password: password, through: client, reached: reached)
        }
    }

    private func withClient<R: Sendable>(
        of address: NodeAddress, endpoint: Endpoint,
        _ body: (CoordinatorClient, _ reached: String) async throws -> R
    ) async throws -> R {
        guard endpoint.nodeID == device else { throw JoinError.foreignEndpoint }
        let connection = try await endpoint.connect(to: address, alpn: ALPN.coordinator)
        defer { connection.close() }
        return try await body(CoordinatorClient(connection: connection), connection.remoteAddress.hostAndPort)
    }

    func join(
        _ ticket: InviteTicket, handle: String?, password: Password, through client: CoordinatorClient, reached: String?
    ) async throws -> JoinResult {
        let handle = try Self.handle(of: ticket, asked: handle)
        let known = try home.networks.load().networks.first { $0.networkID == ticket.networkID }
        if let known, known.coordinator != ticket.node { throw JoinError.otherCoordinator(network: known.name) }
        guard try await client.networkInfo().networkID == ticket.networkID else { throw JoinError.otherNetwork }

        let isReturning = try home.networks.load().networks.contains {
            $0.networkID == ticket.networkID && $0.handle == handle
        }
        let account = Account(handle: handle, password: password, ticket: ticket)
        let certificate = try await admit(account, isReturning: isReturning, client: client)
        let network = JoinedNetwork(
            name: ticket.networkName, networkID: ticket.networkID, coordinator: ticket.node, handle: handle,
            addedAt: now(), certificatePath: "", coordinatorRelayURL: ticket.relayURL,
            coordinatorAddresses: ticket.addresses)
        return try store(certificate, for: network, reached: reached)
    }

    func login(
        _ network: JoinedNetwork, password: Password, through client: CoordinatorClient, reached: String?
    ) async throws -> JoinResult {
        let certificate = try await client.login(
            handle: network.handle, password: password, deviceKey: device, label: label)
        return try store(certificate, for: network, reached: reached)
    }

    /// Refuses what no coordinator would take, before anybody is asked for a password.
    ///
    /// - Parameter handle: nil while nobody has chosen one.
    /// - Throws: ``JoinError``.
    public static func check(_ ticket: InviteTicket, handle: String? = nil) throws(JoinError) {
        guard ticket.role != .agent else { throw .agentTicket }
        if let handle { _ = try Self.handle(of: ticket, asked: handle) }
    }

    /// Who to be. A device ticket that names somebody is for nobody else; a user ticket only proposes a name.
    private static func handle(of ticket: InviteTicket, asked: String?) throws(JoinError) -> String {
        guard ticket.role != .agent else { throw .agentTicket }
        let bound = HandleRule.typed(ticket.bindTo)
        let asked = HandleRule.typed(asked ?? "")
        if ticket.role == .device, !bound.isEmpty, !asked.isEmpty, asked != bound { throw .boundTo(bound) }
        let handle = asked.isEmpty ? bound : asked
        guard !handle.isEmpty else { throw .handleMissing }
        if let problem = HandleRule.problem(with: handle) { throw .handleInvalid(problem) }
        return handle
    }

    /// Who joins, and with what.
    private struct Account {
        let handle: String
        let password: Password
        let ticket: InviteTicket
    }

    /// Registers where that is needed, and logs in. Whoever was here before is known to the network, unless they were
    /// removed from it since: then their new ticket makes the account again.
    private func admit(
        _ account: Account, isReturning: Bool, client: CoordinatorClient
    ) async throws -> DeviceCertificate {
        guard account.ticket.role == .user else { return try await login(account, client: client) }
        if isReturning {
            do { return try await login(account, client: client) } catch let error as RPCError
                where error.code == .unauthorized
            {
                guard try await register(account, client: client) == nil else { throw error }
                return try await login(account, client: client)
            }
        }
        let refusal = try await register(account, client: client)
        do { return try await login(account, client: client) } catch let error as RPCError
            where error.code == .unauthorized
        {
            switch refusal?.code {
            case .conflict?: throw JoinError.handleTaken(account.handle)
            case .some: throw JoinError.ticketSpent(account.handle)
            case nil: throw error
            }
        }
    }

    private func login(_ account: Account, client: CoordinatorClient) async throws -> DeviceCertificate {
        try await client.login(
            handle: account.handle, password: account.password, deviceKey: device, label: label,
            invite: account.ticket.code)
    }

    /// Registers.
    ///
    /// - Returns: the refusal when the user may exist already: an earlier attempt may have come this far.
    private func register(_ account: Account, client: CoordinatorClient) async throws -> RPCError? {
        do {
            _ = try await client.register(
                invite: account.ticket.code, handle: account.handle, password: account.password)
            return nil
        } catch let error as RPCError where [.conflict, .invalidInvite].contains(error.code) {
            return error
        }
    }

    /// Verifies that the certificate says what was asked for, and stores it and the network.
    private func store(
        _ certificate: DeviceCertificate, for network: JoinedNetwork, reached: String?
    ) throws -> JoinResult {
        try certificate.check(now: now(), networkID: network.networkID, peer: device)
        guard certificate.handle.utf8.elementsEqual(network.handle.utf8) else { throw JoinError.otherHandle }
        var row = network
        row.certificatePath = try home.store(certificate)
        row.lastLoginAt = now()
        _ = try home.networks.update { networks in
            if let index = networks.networks.firstIndex(where: { $0.isSame(as: row) }) {
                row.name = networks.networks[index].name
                row.addedAt = networks.networks[index].addedAt
                row.coordinatorAddresses += networks.networks[index].coordinatorAddresses
                row.coordinatorAddresses = Self.addresses(row.coordinatorAddresses, reached: reached)
                networks.networks[index] = row
            } else {
                row.name = Self.freeName(for: row, among: networks.networks)
                row.coordinatorAddresses = Self.addresses(row.coordinatorAddresses, reached: reached)
                networks.networks.append(row)
            }
            if networks.activeNetwork == nil { networks.activeNetwork = row.name }
        }
        return JoinResult(network: row, certificate: certificate)
    }

    /// The address that worked first, each once, not more than eight.
    private static func addresses(_ known: [String], reached: String?) -> [String] {
        var result: [String] = []
        for address in (reached.map { [$0] } ?? []) + known where !result.contains(address) { result.append(address) }
        return Array(result.prefix(8))
    }

    /// Rows are unique by name and handle, but two networks may bear one name.
    private static func freeName(for network: JoinedNetwork, among networks: [JoinedNetwork]) -> String {
        let taken = Set(networks.filter { $0.handle == network.handle }.map(\.name))
        var name = network.name
        var number = 2
        while taken.contains(name) {
            name = "\(network.name)-\(number)"
            number += 1
        }
        return name
    }
}

/// Why a network could not be joined.
public enum JoinError: Error, Equatable, CustomStringConvertible {
    case handleMissing
    case handleInvalid(String)
    case boundTo(String)
    case agentTicket
    case otherNetwork
    case otherCoordinator(network: String)
    case otherHandle
    case handleTaken(String)
    case ticketSpent(String)
    case foreignEndpoint

    public var description: String {
        switch self {
        case .handleMissing: "the ticket is open, and no handle was chosen"
        case .handleInvalid(let problem): problem
        case .boundTo(let handle): "the ticket is for '\(handle)' only"
        case .agentTicket:
            "the ticket is for an agent, not for a person"
        case .otherNetwork: "the coordinator speaks for another network than the ticket"
        case .otherCoordinator(let network):
            "the network '\(network)' was joined with another coordinator key"
        case .otherHandle: "the coordinator issued a certificate for somebody else"
        case .handleTaken(let handle):
            "the handle '\(handle)' is taken"
        case .ticketSpent: "the ticket is used up or expired"
        case .foreignEndpoint: "the endpoint was not bound with this device's key"
        }
    }

    /// What to do.
    public var hint: String {
        switch self {
        case .handleMissing: "choose one with: --handle NAME"
        case .handleInvalid: "choose another one with: --handle NAME"
        case .boundTo(let handle): "join as '\(handle)', or ask for a ticket of your own"
        case .agentTicket:
            "let an agent join with: openagent network join oa1…; a person needs a user or device ticket"
        case .otherNetwork: "ask for a new ticket"
        case .otherCoordinator(let network):
            "if it was really moved, forget it first with: openagent networks forget \(network)"
        case .otherHandle: "tell whoever runs it"
        case .handleTaken: "choose another one with: --handle NAME; if it is yours, check the password"
        case .ticketSpent(let handle): "ask for a new one; if you joined as '\(handle)' before, check the password"
        case .foreignEndpoint: "report this: it is a mistake in the program"
        }
    }
}
