internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Transport
internal import Wire

extension Network {
    /// Makes the network of an agent that has none.
    struct Initialize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init", abstract: "Make the network of an agent that has none; one that is there stays.",
            discussion: "'openagent serve' does the same at its first start.")

        @Option(help: "What the network is called; else network.name or the agent's name of openagent.yaml.")
        var name: String?
        @OptionGroup var agent: AgentOptions
        @OptionGroup var log: LogOptions
        @Flag(help: "Print one JSON document.")
        var json = false

        func validate() throws {
            if let name, AgentConfiguration.checkedName(name) == nil {
                throw ValidationError(AgentConfiguration.nameRule)
            }
        }

        func run() async throws {
            let directory = try agent.locate()
            let (network, isNew) = try await network(of: directory)
            if let name, !isNew, name != network.name {
                throw CommandError(
                    .state, "the agent in \(directory) has a network already: \(network.name)",
                    hint: "a network keeps its name; see: openagent network info --agent \(directory)")
            }
            if json { return Output.write(try Administration.answer(network).json + "\n") }
            print(
                isNew
                    ? "Made the network \(network.name) of the agent in \(directory)."
                    : "The agent in \(directory) has a network already: \(network.name). Nothing was changed.")
            if network.role == "coordinator" {
                print("Invite somebody with: openagent network invite --agent \(directory)")
            }
        }

        private func network(of directory: AgentDirectory) async throws -> (NetworkBody, isNew: Bool) {
            let environment = AgentOptions.environment
            let logger = try log.fileLogger(environment: environment)
            switch InstanceState(directory) {
            case .starting: throw AgentLocatorError.starting(directory)
            case .running(let record):
                let carrier = try await RunningAgentCarrier(
                    directory: directory, record: record, timeout: .seconds(10), logger: logger)
                let result: Result<NetworkBody, any Error>
                do {
                    result = .success(try await Administration(carrier).get("/api/network").value)
                } catch {
                    result = .failure(error)
                }
                await carrier.close()
                return (try result.get(), false)
            case .stopped:
                let configuration = try AgentConfiguration.load(directory, environment: environment).configuration
                let network = try await NetworkCreation.createIfMissing(
                    directory, name: name ?? configuration.networkName ?? configuration.name,
                    now: { Date().timeIntervalSince1970 }, logger: logger)
                return (
                    NetworkBody(
                        role: network.role, networkID: network.networkID, name: network.name, nodeID: network.node.hex,
                        coordinatorNodeID: network.coordinator.hex), network.isNew
                )
            }
        }
    }
}
