internal import ArgumentParser

// Everything about the network of an agent: made, looked at, opened to others. Each command is in a file of its own; this
// one only lists them, one a line, and the spellings of other OpenAgent programs.

struct Network: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a network, look at it, invite to it, join and leave it.",
        subcommands: [
            Initialize.self,
            Information.self,
            Invite.self,
            Invitations.self,
            NetworkJoin.self,
            NetworkLeave.self,
            NetworkDoctorCommand.self,
            // Spellings of other OpenAgent programs.
            ListUsers.self,
            ListAgents.self,
            RevokeDevice.self,
        ])

    struct ListUsers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "users", abstract: "The same as: openagent users list.", shouldDisplay: false)
        @OptionGroup var command: Users.List
        func run() async throws { try await command.run() }
    }

    struct ListAgents: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "agents", abstract: "The same as: openagent agents list.", shouldDisplay: false,
            aliases: ["list-agents"])
        @OptionGroup var command: Agents.List
        func run() async throws { try await command.run() }
    }

    struct RevokeDevice: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke-device", abstract: "The same as: openagent devices revoke.", shouldDisplay: false)
        @OptionGroup var command: Devices.Revoke
        func run() async throws { try await command.run() }
    }
}
