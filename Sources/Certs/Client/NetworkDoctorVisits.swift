internal import NIOCore
internal import Transport

// What does the other side say to the doctor? The way to the coordinator, its network and clock, its word about this
// device, and the gateways of the agents.

extension NetworkDoctor {
    // MARK: The way to the coordinator

    /// A connection to the coordinator; nil, and a finding, when there is none to be had.
    func reach(_ visit: inout Visit, endpoint: Endpoint) async throws -> Connection? {
        var address = visit.network.coordinatorAddress(nearby: nearby(visit.network.coordinator))
        if let asked = visit.address { address.addresses.insert(asked, at: 0) }
        let tried = address.addresses.map(\.hostAndPort)
        do {
            let connection = try await endpoint.connect(to: address, alpn: ALPN.coordinator, timeout: timeout)
            let reached = connection.remoteAddress.hostAndPort
            visit.reached = reached
            if let asked = visit.address {
                if asked.hostAndPort == reached {
                    try remember(reached, of: visit.network)
                    visit.findings.append(
                        .note(.addressRemembered, "the coordinator answers at \(reached): this device will remember it")
                    )
                } else {
                    visit.findings.append(
                        .note(
                            .unreachable, "the coordinator does not answer at \(asked.hostAndPort), but at \(reached)"))
                }
            }
            return connection
        } catch let error as ConnectError {
            visit.findings.append(unreachable(error, visit, tried: tried))
            return nil
        }
    }

    private func unreachable(_ error: ConnectError, _ visit: Visit, tried: [String]) -> Finding {
        let again = "openagent network doctor \(visit.name) --address IP:PORT"
        switch error {
        case .wrongKey(_, let met):
            return .problem(
                .coordinatorMoved,
                "another node (\(met.short)…) answers where the coordinator of \(visit.network.name) was "
                    + "(tried \(Self.list(tried))): the coordinator has moved",
                fix: "\(again) (where it is now; whoever runs it sees that in: openagent status)")
        case .protocolRefused:
            return .problem(
                .coordinatorMoved,
                "the node of \(visit.network.name) answers but coordinates no network any more (tried \(Self.list(tried)))",
                fix: "ask whoever runs it for a new ticket, then: openagent join oa1…")
        default:
            return .problem(
                .unreachable,
                "the coordinator of \(visit.network.name) cannot be reached (tried \(Self.list(tried))): \(error)",
                fix: "openagent status (on its machine: does it run, is its UDP port open?); if it has moved: \(again)")
        }
    }

    private static func list(_ addresses: [String]) -> String {
        addresses.isEmpty ? "nothing: no address is known" : addresses.joined(separator: ", ")
    }

    private func remember(_ address: String, of network: JoinedNetwork) throws {
        _ = try home.networks.update { networks in
            for index in networks.networks.indices where networks.networks[index].networkID == network.networkID {
                let known = networks.networks[index].coordinatorAddresses.filter { $0 != address }
                networks.networks[index].coordinatorAddresses = Array(([address] + known).prefix(8))
            }
        }
    }

    // MARK: The coordinator's word

    /// - Returns: whether it is worth asking more.
    func examineNetwork(_ visit: inout Visit, client: CoordinatorClient) async -> Bool {
        let info: NetworkInfo
        do { info = try await client.networkInfo() } catch {
            visit.findings.append(noAnswer(error, visit))
            return false
        }
        guard info.networkID == visit.network.networkID else {
            visit.findings.append(
                .problem(
                    .otherNetwork,
                    "the coordinator speaks for another network now ('\(info.name)'): '\(visit.network.name)' is gone",
                    fix: "openagent networks forget \(visit.name), then join with a ticket of the new network"))
            return false
        }
        if let time = info.time {
            let offset = time - now()
            if abs(offset) > Self.clockTolerance {
                visit.clockOffset = offset
                visit.findings.append(
                    .problem(
                        .clockOff,
                        "this device's clock is \(Self.span(abs(offset))) \(offset > 0 ? "behind" : "ahead of") "
                            + "the coordinator's",
                        fix: "timedatectl set-ntp true (here, or on the coordinator's machine if its clock is wrong)"))
            }
        }
        return true
    }

    private static func span(_ seconds: Double) -> String {
        let seconds = Int(min(seconds, 1e12))
        return switch seconds {
        case ..<600: "\(seconds) s"
        case ..<36_000: "\(seconds / 60) min"
        default: "\(seconds / 3_600) h"
        }
    }

    private func noAnswer(_ error: any Error, _ visit: Visit) -> Finding {
        .problem(
            .unreachable, "the coordinator of \(visit.network.name) was reached and gave no answer: \(error)",
            fix: "openagent status (on the coordinator's machine; then look at its log)")
    }

    /// Asks for a renewal: the coordinator says by that what it thinks of this device.
    ///
    /// - Returns: whether the device is in good standing, as far as can be told.
    func examineStanding(
        _ visit: inout Visit, _ certificate: DeviceCertificate, client: CoordinatorClient, now: Double
    ) async -> Bool {
        let asksAdmin = "openagent users resume \(visit.network.handle) (an admin of the network)"
        do {
            let fresh = try await client.renew(certificate)
            try fresh.check(now: now, networkID: visit.network.networkID, peer: certificate.deviceKey)
            _ = try home.store(fresh)
            visit.findings.append(.note(.renewed, "the certificate was due for renewal and has been renewed"))
            return true
        } catch let error as RPCError {
            switch error.code {
            case .notDue: return true
            case .revoked:
                visit.findings.append(
                    .problem(
                        .revoked, "this device was revoked, for good: only a new key can join",
                        fix: "openagent join oa1… --new-key (the ticket: openagent devices invite, on another device)"))
            case .suspended:
                visit.findings.append(
                    .problem(.suspended, "the user '\(visit.network.handle)' is suspended", fix: asksAdmin))
            case .unauthorized:
                visit.findings.append(
                    .problem(
                        .notInNetwork, "the network does not know this device any more: \(error)", fix: Self.newDevice))
            case .unknownMethod:
                // An older coordinator: what it thinks of this device shows at its gateway.
                if now >= certificate.renewalDueAt {
                    visit.findings.append(
                        .note(
                            .renewalDue, "the certificate is half over, and this coordinator cannot renew it",
                            fix: "openagent join oa1… or openagent connect, once it has expired"))
                }
                return true
            default: visit.findings.append(noAnswer(error, visit))
            }
            return false
        } catch {
            visit.findings.append(noAnswer(error, visit))
            return false
        }
    }

    // MARK: Agents

    /// Dials the gateways: the one that was asked about must answer, of the others it is worth knowing.
    func examineAgents(_ visit: inout Visit, client: CoordinatorClient, endpoint: Endpoint) async {
        let network = visit.network
        let listed = try? await client.listAgents().compactMap { KnownAgent($0) }
        let file = home.agents(of: network.networkID)
        let agents = listed.map { (try? file.store($0)) ?? $0 } ?? file.load()
        var wanted: KnownAgent?
        if let name = visit.place.agent {
            guard let agent = AgentFinder.pick(name, from: agents) else {
                let known = agents.map(\.handle).sorted().joined(separator: ", ")
                visit.findings.append(
                    .problem(
                        .agentUnknown, "there is no agent '\(name)' in \(network.name)",
                        fix: known.isEmpty ? "openagent agents list" : "choose one of: \(known)"))
                return
            }
            wanted = agent
        }
        let coordinator = KnownAgent(
            handle: network.name, nodeID: network.coordinator,
            addresses: [visit.reached].compactMap { $0 } + network.coordinatorAddresses)
        let others = agents.filter { $0.nodeID != network.coordinator && $0 != wanted }.prefix(8)
        let needed = wanted.flatMap { $0.nodeID == network.coordinator ? nil : $0 } ?? coordinator
        let failures = await dial([needed] + others, endpoint: endpoint)
        for (agent, error) in failures {
            let message =
                "the agent '\(agent.handle)' cannot be reached (tried \(Self.list(agent.addresses))), though the coordinator "
                + "can: \(error)"
            let fix = "openagent status (on that agent's machine: does it run, is its UDP port open?)"
            visit.findings.append(
                agent == needed
                    ? .problem(.agentUnreachable, message, fix: fix) : .note(.agentUnreachable, message, fix: fix))
        }
    }

    private func dial(
        _ agents: [KnownAgent], endpoint: Endpoint
    ) async -> [(agent: KnownAgent, error: any Error)] {
        await withTaskGroup(of: (Int, (any Error)?).self) { group in
            for (index, agent) in agents.enumerated() {
                let address = NodeAddress(
                    nodeID: agent.nodeID,
                    addresses: nearby(agent.nodeID)
                        + agent.addresses.compactMap { try? SocketAddress(hostAndPort: $0) })
                group.addTask { [timeout] in
                    do {
                        try await endpoint.connect(to: address, alpn: ALPN.gateway, timeout: timeout).close()
                        return (index, nil)
                    } catch { return (index, error) }
                }
            }
            var failures: [(Int, any Error)] = []
            for await (index, error) in group { if let error { failures.append((index, error)) } }
            return failures.sorted { $0.0 < $1.0 }.map { (agents[$0.0], $0.1) }
        }
    }
}
