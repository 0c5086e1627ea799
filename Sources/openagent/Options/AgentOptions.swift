internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway

// Which agent does a command on its machine mean? The one that was named, else the one that is found: the order is that
// of `AgentLocator`.

struct AgentOptions: ParsableArguments {
    @Option(
        name: .customLong("agent"),
        help: ArgumentHelp(
            "The agent's directory. Without it and --node: $OPENAGENT_AGENT, $OPENAGENT_NODE, the current directory, "
                + "./my-agent, or the only agent that runs here.", valueName: "dir"))
    var path: String?

    @Option(
        name: .customLong("node"),
        help: ArgumentHelp("The agent of this machine with this node id or name.", valueName: "nodeid|name"))
    var node: String?

    func validate() throws { try Self.refuseBoth(agent: path, node: node) }

    func locate() throws -> AgentDirectory { try Self.locator().locate(choice) }

    func locateRunning() throws -> (directory: AgentDirectory, record: RunRecord) {
        try Self.locator().locateRunning(choice)
    }

    private var choice: AgentLocator.Choice? {
        path.map { .directory($0) } ?? node.map { .node($0) }
    }

    static func refuseBoth(agent: String?, node: String?) throws {
        if agent != nil, node != nil {
            throw ValidationError("--agent and --node both name an agent: give one of them")
        }
    }

    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    static func running() throws -> RunningAgents {
        RunningAgents(home: try UserDirectory.path(environment: environment))
    }

    static func locator() throws -> AgentLocator {
        AgentLocator(
            environment: environment, currentDirectory: FileManager.default.currentDirectoryPath, running: try running()
        )
    }
}
