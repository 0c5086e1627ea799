internal import Gateway
internal import Logging

/// The directory of an agent that nobody serves: its rooms are opened in this process, under its lock.
struct StoppedAgentCarrier: AdministrationCarrier {
    init(directory: AgentDirectory, logger: Logger) async throws {
        throw CommandError(.state, "the agent in \(directory) is not running")
    }

    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply {
        throw CommandError(.state, "the agent is not running")
    }

    func close() async {}
}
