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

    func run() async throws {
        let directory = try agent.locate()
        let network = try AgentNetwork.open(directory, log: log)
        let place = try await network.membership()
        try Confirmation.ask(
            "Take the agent in \(directory) out of the network \(Screen.plain(place.network))?", given: yes)
        let leaving = try await network.leave()
        if json {
            let left = NetworkJoin.Membership(
                directory: directory.path, network: place.network, handle: place.handle, told: leaving == .told)
            return Output.write(try Administration.answer(left).json + "\n")
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
