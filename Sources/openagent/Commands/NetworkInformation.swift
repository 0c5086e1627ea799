internal import ArgumentParser
internal import Wire

extension Network {
    struct Information: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "info", abstract: "Say which network it is, and which agent coordinates it.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get("/api/network", as: NetworkBody.self)
            } show: { network in
                var facts = Facts()
                facts.add("Network", network.name)
                facts.add("Id", network.networkID)
                facts.add("Agent", "\(network.nodeID) (\(network.role))")
                facts.add("Coordinator", network.coordinatorNodeID)
                facts.show()
            }
        }
    }
}
