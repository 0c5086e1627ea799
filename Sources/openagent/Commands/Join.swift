internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Store
internal import Transport

struct Join: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Join a network with a ticket, without opening a chat.")

    @Argument(help: "The ticket, oa1…")
    var ticket: String
    @OptionGroup var credentials: CredentialOptions
    @OptionGroup var log: LogOptions

    func run() async throws {
        let network = try await credentials.join(InviteTicket(ticket), log: log)
        print("Joined \(network.name) as \(network.handle). Chat with: openagent connect \(network.displayName)")
    }
}

struct CredentialOptions: ParsableArguments {
    @Option(help: "Who to be. Asked for when it is missing.")
    var handle: String?

    @Option(
        name: .customLong("password-file"),
        help: ArgumentHelp("A file whose first line is the password; - is standard input.", valueName: "file"))
    var passwordFile: String?

    /// Joins the network of `ticket`, asking for what was not given.
    func join(_ ticket: InviteTicket, log: LogOptions) async throws -> JoinedNetwork {
        let handle = try handle ?? (ticket.bindTo.isEmpty ? askHandle() : ticket.bindTo)
        // A user's ticket usually makes an account: a mistyped password would lock its owner out.
        let password = try password(for: handle, at: ticket.networkName, twice: ticket.role == .user)
        return try await run(log: log, password: password) { joining, password, endpoint in
            try await joining.join(ticket, handle: handle, password: password, endpoint: endpoint)
        }
    }

    /// Gets a new certificate for a network that was joined before.
    func login(_ network: JoinedNetwork, log: LogOptions) async throws -> JoinedNetwork {
        let password = try password(for: network.handle, at: network.name)
        return try await run(log: log, password: password) { joining, password, endpoint in
            try await joining.login(network, password: password, endpoint: endpoint)
        }
    }

    private func run(
        log: LogOptions, password: Password,
        _ body: (Joining, Password, Endpoint) async throws -> JoinResult
    ) async throws -> JoinedNetwork {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let joining = try Joining(
            home: home, label: ProcessInfo.processInfo.hostName, now: { Date().timeIntervalSince1970 })
        let logger = try log.fileLogger(environment: environment)
        let endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: try home.identity(), logger: logger))
        let result: Result<JoinResult, any Error>
        do {
            result = .success(try await body(joining, password, endpoint))
        } catch {
            result = .failure(error)
        }
        await endpoint.close()
        return try result.get().network
    }

    private func askHandle() throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandError(.usage, "a handle is needed", hint: "use --handle NAME")
        }
        Output.write("Handle: ")
        guard let line = readLine(), !line.isEmpty else { throw CommandError(.usage, "a handle is needed") }
        return line
    }

    private func password(for handle: String, at network: String, twice: Bool = false) throws -> Password {
        if let passwordFile { return try Password(PasswordPrompt.read(path: passwordFile)) }
        let password = try PasswordPrompt.ask("Password of \(handle) at \(network): ")
        if twice, try PasswordPrompt.ask("Once more: ") != password {
            throw CommandError(.usage, "the two passwords differ", hint: "run the command again; nothing was changed")
        }
        return try Password(password)
    }
}
