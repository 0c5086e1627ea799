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
        discussion:
            "Makes the agent when the directory is new. Ends cleanly on SIGTERM and SIGINT, and with 75 for a restart.")

    /// By this exit code a service manager knows that the agent is to be started again.
    private static let restartCode: Int32 = 75

    @Argument(help: ArgumentHelp("The agent's directory.", valueName: "dir"))
    var directory: String?

    @Option(
        help: ArgumentHelp(
            "The same; else $OPENAGENT_AGENT, this folder if it is an agent's, or ./my-agent.", valueName: "dir"))
    var agent: String?

    @OptionGroup var log: LogOptions

    @Option(
        help: ArgumentHelp(
            "UDP port; else $OPENAGENT_PORT, the file, the last one, or any. 0 is as if not given.", valueName: "n"))
    var port: UInt16?

    @Option(help: "What the agent is called; else $OPENAGENT_NAME, the file, or the directory's name.")
    var name: String?

    @Option(help: ArgumentHelp("How long running turns may go on after the first signal.", valueName: "seconds"))
    var grace = Seconds(20)

    func run() async throws {
        let directory = Self.directory(named: self.directory ?? agent)
        _ = try directory.create(name: name)
        let loaded = try AgentConfiguration.load(directory, environment: AgentOptions.environment)
        var overrides = try overrides()
        overrides.logLevel = try log.chosenLevel()
        let level = LogLevel(overrides.applied(to: loaded.configuration).logLevel)
        let lock = try await InstanceLock.take(directory)
        defer { lock.release() }

        let output = LogOutput.standardOutput()
        let (journal, problem) = Self.journal(directory, loaded.configuration.logFiles)
        defer { journal?.close() }
        let logger = Logger(label: "openagent") {
            AgentLogHandler(label: $0, output: output, journal: journal, level: level)
        }
        if let problem { logger.error("log::not_kept", metadata: ["error": "\(problem)"]) }
        for warning in loaded.warnings { logger.warning("config::unknown_key", metadata: ["problem": "\(warning)"]) }

        let signals = await ShutdownSignals()
        let node = AgentNode(
            directory: directory, configuration: loaded.configuration, version: OpenAgentVersion.current,
            running: try AgentOptions.running(), grace: grace.duration, environment: AgentOptions.environment,
            now: { Date().timeIntervalSince1970 }, overrides: overrides, logLevel: level, journal: journal,
            runBridge: BridgeWiring.run, logger: logger)
        let ending = try await node.run(requests: signals.requests, onServing: Self.show) { signal in
            logger.warning("node::forced", metadata: ["signal": "\(signal)"])
            journal?.flush()
            _exit(130)
        }
        if ending == .restart { throw ExitCode(Self.restartCode) }
    }

    func validate() throws {
        if directory != nil, agent != nil { throw ValidationError("the directory is named twice: leave --agent out") }
        if let name, AgentConfiguration.checkedName(name) == nil { throw ValidationError(AgentConfiguration.nameRule) }
    }

    /// The agent's log, or why there is none: an agent without one serves all the same.
    private static func journal(
        _ directory: AgentDirectory, _ limits: LogFileLimits
    ) -> (LogJournal?, (any Error)?) {
        do {
            return (try LogJournal(directory.eventLog, limits: limits) { Date().timeIntervalSince1970 }, nil)
        } catch {
            return (nil, error)
        }
    }

    /// The directory that commands mean which may make it.
    static func directory(named path: String?) -> AgentDirectory {
        if let path { return AgentDirectory(path) }
        if let named = AgentOptions.environment[AgentLocator.variable], !named.isEmpty { return AgentDirectory(named) }
        let here = AgentDirectory(".")
        return here.isAgent ? here : AgentDirectory("my-agent")
    }

    /// What wins over the file for as long as the agent runs.
    private func overrides() throws -> ConfigurationOverrides {
        let environment = AgentOptions.environment
        return ConfigurationOverrides(
            name: try Setting.resolve(
                flag: name, variable: "OPENAGENT_NAME", environment: environment, parse: AgentConfiguration.checkedName),
            port: try Setting.resolve(
                flag: port, variable: "OPENAGENT_PORT", environment: environment, parse: { UInt16($0) }))
    }

    /// The greeting is for people. Where standard output carries JSON lines it goes to standard error: a ticket is no log.
    private static func show(_ greeting: AgentNode.Greeting) {
        var text = """
            Agent   \(greeting.name)
            Node    \(greeting.nodeID)
            Listens \(greeting.addresses.map(\.hostAndPort).joined(separator: ", ")) (UDP), no TCP port

            """
        if greeting.isMember {
            text += """
                Network \(Screen.plain(greeting.networkName)), which another agent coordinates

                """
        }
        if let ticket = greeting.ticket {
            text += """
                Invite  for the first user, once, within 7 days:

                \(ticket)

                Join    openagent connect oa1…

                """
        }
        let place = isatty(STDOUT_FILENO) == 1 ? FileHandle.standardOutput : FileHandle.standardError
        Output.write(text, to: place)
    }
}
