internal import ArgumentParser
internal import Foundation
internal import Gateway

struct NetworkLeave: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Take a member agent of this machine out of its network.",
        discussion:
            "Its notes stay. Nobody of the network can reach it any more, nor read in another what was said in this one."
    )

    @OptionGroup var agent: AgentOptions

    @Flag(help: "Don't ask.")
    var yes = false

    @Flag(help: "Print one JSON document.")
    var json = false

    @OptionGroup var log: LogOptions

    private struct Document: Encodable {
        var agent: String
        var network: String
        var handle: String
        /// Why the coordinator could not be told; null when it was.
        var notTold: String?

        private enum CodingKeys: String, CodingKey {
            case agent, network, handle
            case notTold = "not_told"
        }

        func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(agent, forKey: .agent)
            try fields.encode(network, forKey: .network)
            try fields.encode(handle, forKey: .handle)
            try fields.encode(notTold, forKey: .notTold)
        }
    }

    func run() async throws {
        let directory = try agent.locate()
        let network = try AgentNetwork.open(directory, log: log)
        let place = try await network.membership()
        try Confirmation.ask("Take the agent in \(directory) out of the network \(place.network)?", given: yes)
        let leaving = try await network.leave()
        if json {
            var document = Document(agent: directory.path, network: place.network, handle: place.handle)
            if case .notTold(let reason) = leaving { document.notTold = reason }
            return Output.write(try Administration.answer(document).json + "\n")
        }
        let (name, handle) = (Screen.plain(place.network), Screen.plain(place.handle))
        switch leaving {
        case .told: print("The agent in \(directory) has left \(name).")
        case .notTold(let reason):
            print(
                """
                The agent in \(directory) has left \(name), whose coordinator could not be told \
                (\(Screen.plain(reason))).
                An admin takes it off the list with: openagent agents remove \(handle)
                """)
        }
    }
}
