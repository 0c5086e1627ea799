internal import ArgumentParser
internal import Foundation
internal import Gateway

// Which agent does a command on its machine mean? The one that was named, else the one that is found: the order is that
// of `AgentLocator`.

struct AgentOptions: ParsableArguments {
    @Option(
        name: .customLong("agent"),
        help: ArgumentHelp(
            "The agent's directory. Without it: $OPENAGENT_AGENT, the current directory, ./my-agent, "
                + "or the only agent that runs here.", valueName: "dir"))
    var path: String?

    func locate() throws -> AgentDirectory { try Self.locator.locate(named: path) }

    func locateRunning() throws -> (directory: AgentDirectory, record: RunRecord) {
        try Self.locator.locateRunning(named: path)
    }

    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    static var running: RunningAgents { RunningAgents(home: RunningAgents.defaultHome(environment: environment)) }

    private static var locator: AgentLocator {
        AgentLocator(
            environment: environment, currentDirectory: FileManager.default.currentDirectoryPath, running: running)
    }
}
