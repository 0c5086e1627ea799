internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import Transport

struct NetworkJoin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make an agent of this machine a member of another agent's network.",
        discussion: "The ticket is for an agent: openagent network invite --role agent, on the coordinator's machine.")

    @Argument(help: "The ticket, oa1…")
    var ticket: String

    @Option(
        help: ArgumentHelp(
            "The agent's directory, made if it is new; else $OPENAGENT_AGENT, this folder if it is an agent's, or "
                + "./my-agent.", valueName: "dir"))
    var agent: String?

    @Option(help: ArgumentHelp("What the network calls this agent; else the agent's name.", valueName: "handle"))
    var name: String?

    @Option(help: ArgumentHelp("What lists say about it.", valueName: "text"))
    var label: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    @OptionGroup var log: LogOptions

    func run() async throws {
        let ticket = try InviteTicket(ticket.trimmingCharacters(in: .whitespacesAndNewlines))
        let directory = Serve.directory(named: agent)
        _ = try directory.create()
        let place = try await AgentNetwork.open(directory, log: log).join(ticket, handle: name, label: label)
        if json {
            let membership = Membership(directory: directory.path, network: place.network, handle: place.handle)
            return Output.write(try Administration.answer(membership).json + "\n")
        }
        print(
            """
            The agent in \(directory) is a member of \(Screen.plain(place.network)) as \(Screen.plain(place.handle)).
            Serve it with: openagent serve \(directory)
            """)
    }
}

extension NetworkJoin {
    /// What an agent became, or was until now.
    struct Membership: Encodable {
        var directory: String
        var network: String
        var handle: String
        /// Whether the coordinator knows that the agent has left; nil when it has not.
        var told: Bool?
    }
}

extension AgentNetwork {
    /// Of the agent in `directory`, which exists.
    static func open(_ directory: AgentDirectory, log: LogOptions) throws -> AgentNetwork {
        let environment = AgentOptions.environment
        let logger = try log.fileLogger(environment: environment)
        let loaded = try AgentConfiguration.load(directory, environment: environment)
        return AgentNetwork(
            directory: directory, name: loaded.configuration.name, now: { Date().timeIntervalSince1970 },
            logger: logger)
    }
}
