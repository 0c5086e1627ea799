internal import ArgumentParser
internal import Wire

// Which agents can the users of a network reach?

struct Agents: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the agents of the network, and remove one.", subcommands: [List.self, Remove.self])

    fileprivate static let path = "/api/network/agents"
    fileprivate static let hint = "see: openagent agents list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List every agent of the network.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(Agents.path, atMost: list.count(or: .max), as: AgentsBody.self)
            } show: { body in
                var table = Table(
                    "HANDLE", "NODE", "ROLE", "OWNER", "LAST SEEN", "ADDRESSES", "LABEL", ids: ["NODE"],
                    texts: ["HANDLE", "OWNER", "ADDRESSES", "LABEL"])
                for agent in body.agents {
                    table.add(
                        agent.handle, agent.nodeID, agent.isCoordinator ? "coordinator" : "member", agent.ownerHandle,
                        agent.lastSeen.map(timeText), agent.addresses.joined(separator: ", "), agent.label)
                }
                table.show(empty: "There is no agent.")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove an agent from the network: it learns of no change any more and lets nobody in.")

        @Argument(help: "The agent's handle.")
        var handle: String
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try Confirmation.ask("Remove the agent \(handle) from the network?", given: yes)
            try await target.run {
                try await $0.delete(Administration.path(Agents.path, handle), as: Removal.self, hint: Agents.hint)
            } show: { removal in
                print("Removed the agent \(Screen.plain(removal.handle)) from the network.")
            }
        }
    }
}
