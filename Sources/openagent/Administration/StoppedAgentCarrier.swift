internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Wire

/// The directory of an agent that nobody serves: its rooms answer in this process, under its lock.
struct StoppedAgentCarrier: AdministrationCarrier {
    private let agent: OfflineAgent

    init(directory: AgentDirectory, logger: Logger) async throws {
        do {
            agent = try await OfflineAgent.open(
                directory, version: OpenAgentVersion.current, environment: AgentOptions.environment,
                now: { Date().timeIntervalSince1970 }, logger: logger)
        } catch let error as OfflineAgentError {
            guard case .running = error else { throw error }
            // It was started, or another command looked, between our looking and our opening.
            throw AgentLocatorError.starting(directory)
        }
    }

    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply {
        let answer = try await agent.request(
            method: request.method, path: request.path, headers: request.fields,
            body: request.body.map { ByteBuffer(bytes: $0) })
        return AdministrationReply(
            status: Int(answer.status.code), body: Array(answer.body.readableBytesView),
            etag: answer.headers.first(name: "ETag"))
    }

    /// In one go: nothing goes on that one could follow, and what is longer is read without a gateway.
    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        let reply = try await exchange(request)
        guard pieces == .all, (200..<300).contains(reply.status) else { return reply }
        try receive(reply.body)
        return AdministrationReply(status: reply.status, body: [])
    }

    /// What was asked is answered and committed; a database that does not close in good order is repaired when it is
    /// opened again.
    func close() async { try? agent.close() }
}
