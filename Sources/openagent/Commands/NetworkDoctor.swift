internal import ArgumentParser
internal import Certs
internal import Foundation
internal import NIOCore
internal import Transport

struct NetworkDoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say why this device does not get in, and which command puts it right.",
        discussion: "Exits with 0 when nothing has to be done.")

    @Argument(
        help: ArgumentHelp("handle@network[/agent]; without it, every joined network.", valueName: "network"))
    var network: String?

    @Option(
        help: ArgumentHelp("Try the coordinator there too, and remember it when it answers.", valueName: "ip:port"),
        transform: { text in
            guard let address = try? SocketAddress(hostAndPort: text) else {
                throw ValidationError("'\(text)' is not an address: write 192.0.2.7:4433 or [2001:db8::7]:4433")
            }
            return address
        })
    var address: SocketAddress?

    @Option(help: ArgumentHelp("How long to try each way.", valueName: "seconds"))
    var timeout = Seconds(5)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var log: LogOptions

    func run() async throws {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let logger = try log.fileLogger(environment: environment)
        let doctor = NetworkDoctor(
            home: home, now: { Date().timeIntervalSince1970 },
            bind: { try await Endpoint.bind(EndpointConfiguration(secretKey: $0, logger: logger)) },
            nearby: { Client.local($0) }, timeout: timeout.duration)
        var diagnoses: [Diagnosis] = []
        for place in try places(home.networks.load()) {
            diagnoses.append(try await doctor.examine(place, address: address))
        }
        if diagnoses.isEmpty { diagnoses = [NetworkDoctor.noNetwork] }
        try show(diagnoses)
        guard diagnoses.allSatisfy(\.isHealthy) else { throw ExitCode(1) }
    }

    private func places(_ joined: JoinedNetworks) throws -> [NetworkPlace] {
        guard let network else {
            if address != nil, joined.networks.count > 1 {
                throw CommandError(
                    .usage, "--address needs the network that it belongs to",
                    hint: "choose one of: \(joined.networks.map(\.displayName).joined(separator: ", "))")
            }
            return joined.networks.map { NetworkPlace(network: $0, agent: joined.activeAgent(in: $0)) }
        }
        let places = joined.places(network)
        guard !places.isEmpty else {
            let known = joined.networks.map(\.displayName).joined(separator: ", ")
            throw CommandError(
                .usage, "this device has not joined '\(network)'",
                hint: known.isEmpty ? "join it with: openagent join oa1…" : "it has joined: \(known)")
        }
        return places
    }

    private func show(_ diagnoses: [Diagnosis]) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Output.write(String(decoding: try encoder.encode(diagnoses), as: UTF8.self) + "\n")
        }
        var text = ""
        for diagnosis in diagnoses {
            if let network = diagnosis.network {
                text += Screen.plain(network)
                if let address = diagnosis.coordinatorAddress { text += ": the coordinator answers at \(address)" }
                text += "\n"
            }
            for finding in diagnosis.findings {
                text += "  \(finding.isProblem ? "problem" : "note"): \(Screen.plain(finding.message))\n"
                if let fix = finding.fix { text += "    fix: \(Screen.plain(fix))\n" }
            }
            if diagnosis.isHealthy { text += "  all is well\n" }
        }
        Output.write(text)
    }
}
