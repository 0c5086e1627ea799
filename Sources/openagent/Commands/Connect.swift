internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Wire

struct Connect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Chat with the agent, joining first when given a ticket.",
        discussion: "Ctrl-C stops the answer, a second one leaves. /help lists the commands.")

    @Argument(
        help: ArgumentHelp(
            "A ticket (oa1…) or handle@network[/agent]; nothing when this device has joined one network.",
            valueName: "where"))
    var place: String?

    @OptionGroup var credentials: CredentialOptions
    @Option(name: .customLong("session"), help: ArgumentHelp("The conversation.", valueName: "id"))
    var session = Chat.defaultSession
    @OptionGroup var client: ClientOptions

    func run() async throws {
        var network = place
        if let place, place.trimmingCharacters(in: .whitespacesAndNewlines).hasPrefix(InviteTicket.prefix) {
            network = try await credentials.join(InviteTicket(place), log: client.log).displayName
        } else if let expired = try await client.expired(network: place) {
            _ = try await credentials.login(expired, log: client.log)
        }
        let signals = await ShutdownSignals()
        let client = try await client.open(network: network)
        let home = client.home
        let result: Result<Void, any Error>
        do {
            var terminal = ChatTerminal(
                chat: ChatClient(dialer: client.pool), client: GatewayClient(dialer: client.pool),
                console: try Console(prompt: "› ", historyPath: home.path + "/history"), sessionID: session,
                signals: signals)
            result = .success(try await client.keepingFresh { try await terminal.run() })
        } catch {
            result = .failure(error)
        }
        await client.close()
        try result.get()
    }
}
