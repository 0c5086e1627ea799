internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import Transport
internal import Wire

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve an agent: a node on the overlay, with no TCP port.",
        discussion: "Makes the agent when the directory is new. Ends cleanly on SIGTERM and SIGINT.")

    @Argument(help: ArgumentHelp("The agent's directory.", valueName: "dir"))
    var directory: String?

    @OptionGroup var agent: AgentOptions
    @OptionGroup var log: LogOptions

    @Option(help: ArgumentHelp("UDP port; else $OPENAGENT_PORT, the file, the last one, or any.", valueName: "n"))
    var port: UInt16?

    @Option(help: "What the agent is called; else $OPENAGENT_NAME, the file, or the directory's name.")
    var name: String?

    @Option(help: ArgumentHelp("How long running turns may go on after the first signal.", valueName: "seconds"))
    var grace: Double = 10

    func run() async throws {
        let directory = try chooseDirectory()
        _ = try directory.create(name: name)
        let loaded = try AgentConfiguration.load(directory, environment: AgentOptions.environment)
        let configuration = try overridden(loaded.configuration)
        let lock = try InstanceLock(directory)
        defer { lock.release() }

        let output = LogOutput.standardOutput()
        let level = try log.level(file: configuration.logLevel)
        let logger = Logger(label: "openagent") { AgentLogHandler(label: $0, output: output, level: level) }
        for warning in loaded.warnings { logger.warning("config::unknown_key", metadata: ["problem": "\(warning)"]) }

        let signals = await ShutdownSignals()
        let node = AgentNode(
            directory: directory, configuration: configuration, version: OpenAgentVersion.current,
            running: AgentOptions.running, grace: .seconds(grace), now: { Date().timeIntervalSince1970 },
            logger: logger)
        try await node.run(requests: signals.requests, onServing: Self.show) { signal in
            logger.warning("node::forced", metadata: ["signal": "\(signal)"])
            _exit(130)
        }
    }

    private func chooseDirectory() throws -> AgentDirectory {
        if let named = self.directory ?? agent.path { return AgentDirectory(named) }
        if let named = AgentOptions.environment[AgentLocator.variable], !named.isEmpty { return AgentDirectory(named) }
        let here = AgentDirectory(".")
        return here.isAgent ? here : AgentDirectory("my-agent")
    }

    private func overridden(_ file: AgentConfiguration) throws -> AgentConfiguration {
        var configuration = file
        let environment = AgentOptions.environment
        configuration.port = try Setting.resolve(
            flag: port, variable: "OPENAGENT_PORT", environment: environment, file: file.port, parse: UInt16.init)
        configuration.name = try Setting.resolve(
            flag: name, variable: "OPENAGENT_NAME", environment: environment, file: file.name, parse: { $0 })
        return configuration
    }

    /// The greeting is for people. Where standard output carries JSON lines it goes to standard error: a ticket is no log.
    private static func show(_ greeting: AgentNode.Greeting) {
        var text = """
            Agent   \(greeting.name)
            Node    \(greeting.nodeID)
            Listens \(greeting.addresses.map(\.hostAndPort).joined(separator: ", ")) (UDP), no TCP port

            """
        if let ticket = greeting.ticket {
            text += """
                Invite  for the first user, once, within 7 days:

                \(ticket)

                Join    openagent connect oa1…

                """
        }
        let place = isatty(STDOUT_FILENO) == 1 ? FileHandle.standardOutput : FileHandle.standardError
        place.write(Data(text.utf8))
    }
}
