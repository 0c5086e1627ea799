internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Transport
internal import Wire

// How is an agent? Of one on this machine also which process serves it and where it listens; of one elsewhere what it says
// of itself.

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say whether the agent runs, and where it listens.")

    @OptionGroup var agent: AgentOptions
    @Option(
        help: ArgumentHelp(
            "Of an agent elsewhere: the network that this device joined, also handle@network[/agent].",
            valueName: "name"))
    var network: String?
    @Flag(help: "Print one JSON document.")
    var json = false

    @OptionGroup var log: LogOptions

    /// What `--json` prints; what isn't known is left out.
    private struct Report: Encodable, Sendable {
        var nodeID: String
        var version: String
        var name: String?
        var network: String?
        var role: String?
        var pid: Int32?
        var udpPort: UInt16?
        var addresses: [String]?
        var startedAt: Double?
        /// What is wrong with its bridges, by platform; nil when nothing is.
        var bridgeProblems: [String: String]?
        /// Nil when the server does not answer in time.
        var system: SystemReport?

        private enum CodingKeys: String, CodingKey {
            case version, name, network, role, pid, addresses, system
            case nodeID = "node_id"
            case udpPort = "udp_port"
            case startedAt = "started_at"
            case bridgeProblems = "bridge_problems"
        }

        init(_ record: RunRecord, _ system: SystemReport?) {
            nodeID = record.nodeId.hex
            version = record.version
            pid = record.pid
            udpPort = record.udpPort
            addresses = record.addresses
            startedAt = record.startedAt
            self.system = system
        }

        init(_ agent: AgentInformation, _ system: SystemReport) {
            nodeID = agent.nodeID
            version = agent.version
            name = agent.name
            network = agent.network
            role = agent.role
            self.system = system
        }
    }

    func validate() throws {
        if network != nil, agent.path != nil || agent.node != nil {
            throw ValidationError("--network names an agent elsewhere, --agent and --node one of this machine")
        }
    }

    func run() async throws {
        if let network { return try await tellRemote(network) }
        let (directory, record) = try agent.locateRunning()
        let system = await ask(directory, record)
        let problems = BridgeProblems(directory).all
        if json {
            var report = Report(record, system)
            if !problems.isEmpty {
                report.bridgeProblems = Dictionary(
                    uniqueKeysWithValues: problems.map { ($0.platform.rawValue, $0.problem) })
            }
            return try show(report)
        }
        print(
            """
            Agent   \(directory)
            Node    \(record.nodeId)
            Listens \(record.addresses.joined(separator: ", ")) (UDP)
            Process \(record.pid), version \(record.version), since \(record.startedText)
            """)
        print(system.map(Self.text) ?? "Health  it does not answer: see 'openagent doctor \(directory)'")
        for (platform, problem) in problems { print("Bridge  \(platform.rawValue): \(Screen.plain(problem))") }
    }

    private func tellRemote(_ network: String) async throws {
        let client = try await ClientOptions.parse([]).open(network: network)
        let result: Result<(AgentInformation, SystemReport), any Error>
        do {
            let administration = Administration(NetworkCarrier(client))
            result = .success(
                (
                    try await administration.get("/api/agent-info", as: AgentInformation.self).value,
                    try await administration.get("/api/system", as: SystemReport.self).value
                ))
        } catch { result = .failure(error) }
        await client.close()
        let (agent, system) = try result.get()
        if json { return try show(Report(agent, system)) }
        print(
            """
            Agent   \(Screen.plain(agent.name)), in the network \(Screen.plain(agent.network))
            Node    \(Screen.plain(agent.nodeID))
            Version \(Screen.plain(agent.version))
            """)
        print(Self.text(system))
    }

    private func show(_ report: Report) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        Output.write(Screen.json(String(decoding: try encoder.encode(report), as: UTF8.self)) + "\n")
    }

    /// Nil when there is no answer in two seconds.
    private func ask(_ directory: AgentDirectory, _ record: RunRecord) async -> SystemReport? {
        guard let logger = try? log.fileLogger(environment: AgentOptions.environment),
            let carrier = try? await RunningAgentCarrier(
                directory: directory, record: record, timeout: .seconds(2), logger: logger)
        else { return nil }
        let answer = try? await Administration(carrier, patience: .zero).get("/api/system", as: SystemReport.self).value
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
