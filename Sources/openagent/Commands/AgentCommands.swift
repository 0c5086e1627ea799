internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Transport
internal import Wire

// Small commands on the agent's own machine.

struct Initialize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make an agent's directory; nothing that is there is changed.")

    @Argument(help: ArgumentHelp("The directory to make.", valueName: "dir"))
    var directory = "my-agent"

    @Option(help: "What the agent is called; else the directory's name.")
    var name: String?

    func validate() throws {
        if let name, AgentConfiguration.checkedName(name) == nil { throw ValidationError(AgentConfiguration.nameRule) }
    }

    func run() throws {
        let directory = AgentDirectory(directory)
        let made = try directory.create(name: name)
        let node = try directory.identity().nodeID
        if made.isEmpty {
            print("\(directory) is an agent already; nothing was changed.")
        } else {
            print(
                "Made \(made.joined(separator: ", ")) in \(directory).\nNode    \(node)\nServe it with: openagent serve \(directory)"
            )
        }
    }
}

struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ask the running agent to end, and wait for it.")

    @OptionGroup var agent: AgentOptions
    @Option(help: ArgumentHelp("How long to wait.", valueName: "seconds"))
    var timeout = Seconds(30)

    func run() async throws {
        let (directory, record) = try agent.locateRunning()
        guard kill(record.pid, SIGTERM) == 0 else {
            throw CommandError(.failed, "cannot signal process \(record.pid): \(String(cString: strerror(errno)))")
        }
        let deadline = ContinuousClock.now + timeout.duration
        while ContinuousClock.now < deadline {
            if case .stopped = InstanceState(directory) { return print("Stopped process \(record.pid).") }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw CommandError(
            .failed, "process \(record.pid) still runs after \(timeout.value.formatted()) s",
            hint: "end it with: kill -9 \(record.pid)")
    }
}

struct Identify: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "id", abstract: "Print the agent's node id.")

    @OptionGroup var agent: AgentOptions

    func run() throws {
        let directory = try agent.locate()
        print(try SecretKey.load(path: directory.identityKey).nodeID)
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() { print("openagent \(OpenAgentVersion.current)") }
}
