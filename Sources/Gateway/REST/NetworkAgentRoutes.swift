internal import Certs
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Transport
internal import Wire

// Which agents serve in the network, and where? Every user may know, to reach them; admins name and remove them.

enum NetworkAgentRoutes {
    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .member(.get, "/api/network/agents", .networkAgents) { request, _, _ in
                let (coordinator, addresses) = try administration.here()
                let asked = try request.page(by: ListPlace.self)
                let rows = try await coordinator.agents(after: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows) { ListPlace(at: $0.addedAt, key: $0.handle) }
                return try JSON.response(
                    AgentsBody(
                        agents: page.map { AgentBody($0, of: coordinator, addresses: addresses()) }, nextCursor: next))
            },
            .admin(
                .patch, "/api/network/agents/{handle}", .relabelAgent,
                announces: .updated(.networkAgent, "handle", to: .everybody)
            ) { request, context, caller in
                let (coordinator, addresses) = try administration.here()
                let handle = HandleRule.typed(try context.pathPart("handle"))
                let label = try await request.decode(as: LabelPatch.self, context: context).label
                try await coordinator.relabelAgent(handle, to: label, by: caller.principal)
                guard let agent = try await coordinator.agents().first(where: { $0.handle == handle }) else {
                    throw AdministrationError.unknownAgent(handle)
                }
                return try JSON.response(AgentBody(agent, of: coordinator, addresses: addresses()))
            },
            .admin(
                .delete, "/api/network/agents/{handle}", .removeAgent,
                announces: .deleted(.networkAgent, "handle", to: .everybody)
            ) { _, context, caller in
                let handle = HandleRule.typed(try context.pathPart("handle"))
                try await administration.coordinator.removeAgent(handle, by: caller.principal)
                return try JSON.response(Removal(handle: handle, deleted: true))
            },
        ]
    }
}

extension AgentBody {
    /// - Parameter addresses: where the coordinator's own agent can be reached; it does not report them to itself.
    fileprivate init(_ agent: AgentRecord, of coordinator: Coordinator, addresses: [SocketAddress]) {
        let isCoordinator = agent.nodeID == coordinator.network.coordinator.hex
        self.init(
            handle: agent.handle, nodeID: agent.nodeID, label: agent.label, ownerHandle: agent.ownerHandle,
            addedAt: agent.addedAt, lastSeen: agent.lastSeen,
            addresses: isCoordinator ? addresses.map(\.hostAndPort) : agent.addresses, isCoordinator: isCoordinator)
    }
}
