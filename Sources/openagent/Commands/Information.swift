internal import ArgumentParser
internal import Wire

struct Information: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Say which agent it is: its name, node id, network and version.")

    @OptionGroup var target: TargetOptions

    func run() async throws {
        try await target.run {
            try await $0.get("/api/agent-info", as: AgentInformation.self)
        } show: { agent in
            var facts = Facts()
            facts.add("Agent", agent.name)
            facts.add("Node", agent.nodeID)
            facts.add("Network", "\(agent.network) (\(agent.role))")
            facts.add("Directory", agent.agentDirectory)
            facts.add("Version", agent.version)
            facts.show()
        }
    }
}
