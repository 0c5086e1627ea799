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

    @Flag(
        name: .customLong("new-key"),
        help: "Join with a fresh key of this device, for one whose key was revoked. The old key is set aside.")
    var newKey = false

    @Flag(help: "With --new-key: also when other networks know this device by its old key.")
    var yes = false

    @OptionGroup var log: LogOptions

    func run() async throws {
        let ticket = try InviteTicket(ticket.trimmingCharacters(in: .whitespacesAndNewlines))
        let network: JoinedNetwork
        if newKey {
            if !yes { try refuseIfOthersKnowTheKey(ticket) }
            let home = try ClientHome(environment: AgentOptions.environment)
            do {
                network = try await credentials.join(ticket, log: log, withNewKey: true)
            } catch let error as RPCError where error.code == .revoked {
                // An earlier attempt came far enough for an admin to revoke this key too: the next one uses another.
                home.discardPendingIdentity()
                throw error
            }
            if let kept = try home.adoptPendingIdentity(now: Date().timeIntervalSince1970) {
                print("This device has a new key; the old one is kept as \(kept).")
            }
        } else {
            network = try await credentials.join(ticket, log: log)
        }
        print(
            Screen.plain(
                "Joined \(network.name) as \(network.handle). Chat with: openagent connect \(network.displayName)"))
    }

    /// A new key would shut this device out of every other network that it has joined.
    private func refuseIfOthersKnowTheKey(_ ticket: InviteTicket) throws {
        let others = try ClientHome(environment: AgentOptions.environment).networks.load().networks
            .filter { $0.networkID != ticket.networkID }
        guard !others.isEmpty else { return }
        let names = others.map(\.displayName).joined(separator: ", ")
        throw CommandError(
            .state, "other networks know this device by its key: \(names)",
            hint: "forget those that you no longer need (openagent networks forget NAME), or add --yes and join them "
                + "again with a device ticket each")
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
    ///
    /// - Parameter withNewKey: with the key that is to replace this device's.
    func join(_ ticket: InviteTicket, log: LogOptions, withNewKey: Bool = false) async throws -> JoinedNetwork {
        try Joining.check(ticket)
        let handle = try handle ?? (ticket.bindTo.isEmpty ? askHandle() : ticket.bindTo)
        // Nobody types a password, twice, for a name that nobody can have.
        try Joining.check(ticket, handle: handle)
        // A user's ticket usually makes an account: a mistyped password would lock its owner out.
        let password = try password(for: handle, at: ticket.networkName, twice: ticket.role == .user)
        return try await run(log: log, password: password, withNewKey: withNewKey) { joining, password, endpoint in
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
        log: LogOptions, password: Password, withNewKey: Bool = false,
        _ body: (Joining, Password, Endpoint) async throws -> JoinResult
    ) async throws -> JoinedNetwork {
        let environment = AgentOptions.environment
        let home = try ClientHome(environment: environment)
        let key = try withNewKey ? home.pendingIdentity() : home.identity()
        let joining = try Joining(
            home: home, label: ProcessInfo.processInfo.hostName, key: key, now: { Date().timeIntervalSince1970 })
        let logger = try log.fileLogger(environment: environment)
        let endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: key, logger: logger))
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
        let line = Input.line()
        if line == nil { Output.write("\n") }
        guard let line, !line.isEmpty else {
            throw CommandError(.usage, "a handle is needed", hint: "type one, or use --handle NAME")
        }
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
