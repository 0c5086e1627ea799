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

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say whether the agent runs, and where it listens.")

    @OptionGroup var agent: AgentOptions
    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var log: LogOptions

    /// The record, and what the server says when it answers in time.
    private struct Report: Encodable {
        let record: RunRecord
        let system: SystemReport?

        private enum Key: String, CodingKey { case system }

        func encode(to encoder: any Encoder) throws {
            try record.encode(to: encoder)
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encodeIfPresent(system, forKey: .system)
        }
    }

    func run() async throws {
        let (directory, record) = try agent.locateRunning()
        let system = await ask(directory, record)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(Report(record: record, system: system)), as: UTF8.self))
        } else {
            print(
                """
                Agent   \(directory)
                Node    \(record.nodeId)
                Listens \(record.addresses.joined(separator: ", ")) (UDP)
                Process \(record.pid), version \(record.version), since \(record.startedText)
                """)
            print(system.map(Self.text) ?? "Health  it does not answer: see 'openagent doctor \(directory)'")
        }
    }

    /// Nil when there is no answer in two seconds.
    private func ask(_ directory: AgentDirectory, _ record: RunRecord) async -> SystemReport? {
        guard let logger = try? log.fileLogger(environment: AgentOptions.environment),
            let carrier = try? await RunningAgentCarrier(
                directory: directory, record: record, timeout: .seconds(2), logger: logger)
        else { return nil }
        let answer = try? await Administration(carrier).get("/api/system", as: SystemReport.self).value
        await carrier.close()
        return answer
    }

    private static func text(_ report: SystemReport) -> String {
        func room(_ space: SystemSnapshot.Space) -> String {
            "\((space.total - space.used) >> 20) of \(space.total >> 20) MiB free"
        }
        let (system, work) = (report.system, report.work)
        return """
            Health  answers; \(work.turnsRunning) turns running, \(work.turnsWaiting) waiting, \(work.sockets) sockets
            Machine load \(system.cpu.load.first ?? 0), memory \(room(system.memory)), disk \(room(system.disk))
            Memory  \(system.process.memory >> 20) MiB
            """
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
