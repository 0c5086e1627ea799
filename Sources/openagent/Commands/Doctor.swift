internal import ArgumentParser
internal import Foundation
internal import Gateway

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at an agent's files, database, clock and server, and say what to do.",
        discussion:
            "Works whether the agent runs or not. Exits with 0 when there is no problem, with 1 otherwise. "
            + "Whether this device gets in elsewhere says: openagent network doctor")

    @Argument(help: ArgumentHelp("The agent's directory; else as with --agent left out.", valueName: "dir"))
    var directory: String?

    @OptionGroup var agent: AgentOptions

    @Flag(help: "Remove a damaged search index; the next start makes it anew. Nothing else is ever written.")
    var repair = false

    @Flag(help: "Print one JSON document.")
    var json = false

    @Option(help: ArgumentHelp("How long a running server may take to answer.", valueName: "seconds"))
    var timeout = Seconds(5)

    @OptionGroup var log: LogOptions

    func validate() throws {
        if directory != nil, agent.path != nil || agent.node != nil {
            throw ValidationError("the directory is named twice: leave --agent and --node out")
        }
    }

    func run() async throws {
        let environment = AgentOptions.environment
        let logger = try log.fileLogger(environment: environment)
        let place = try directory.map { try AgentOptions.locator().locate(.directory($0)) } ?? agent.locate()
        let doctor = AgentDoctor(
            directory: place, environment: environment, now: { Date().timeIntervalSince1970 },
            reach: { record in
                do {
                    let carrier = try await RunningAgentCarrier(
                        directory: place, record: record, timeout: timeout.duration, logger: logger)
                    let result: Result<AdministrationReply, any Error>
                    do {
                        result = .success(
                            try await carrier.exchange(.init(method: .GET, path: "/api/health", body: nil)))
                    } catch { result = .failure(error) }
                    await carrier.close()
                    let status = try result.get().status
                    return status == 200 ? nil : "it answered \(status)"
                } catch {
                    return "\(error)"
                }
            })
        let findings = await doctor.examine(repair: repair)
        try show(findings, of: place)
        guard !findings.contains(where: { $0.state == .problem }) else { throw ExitCode(1) }
    }

    private func show(_ findings: [AgentFinding], of place: AgentDirectory) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Output.write(Screen.json(String(decoding: try encoder.encode(findings), as: UTF8.self)) + "\n")
        }
        var text = "\(Screen.plain(place.path))\n"
        for finding in findings {
            text += "  \(finding.state.rawValue): \(finding.name): \(Screen.plain(finding.message))\n"
            if let fix = finding.fix { text += "    fix: \(Screen.plain(fix))\n" }
        }
        Output.write(text)
    }
}
