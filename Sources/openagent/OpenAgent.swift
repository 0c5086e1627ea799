internal import ArgumentParser
internal import Wire

/// The command line. Each subcommand is a file in `Commands/`; what two of them share is in `Options/`.
@main
struct OpenAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "openagent",
        abstract: "Reach your own AI agent from anywhere, with nothing open to the world.",
        version: OpenAgentVersion.current,
        groupedSubcommands: [
            CommandGroup(
                name: "On the agent's machine:",
                subcommands: [
                    Initialize.self, Serve.self, Status.self, Stop.self, Restart.self, Doctor.self, Restore.self,
                    Identify.self, Service.self,
                ]),
            CommandGroup(
                name: "On your devices:",
                subcommands: [
                    Join.self, Connect.self, Chat.self, Files.self, Proxy.self, Networks.self,
                ]),
            CommandGroup(
                name: "On both, about who may come in:",
                subcommands: [
                    Network.self, Users.self, Devices.self, Agents.self, Audit.self, WhoAmICommand.self,
                ]),
            CommandGroup(
                name: "On both, about your conversations and notes:",
                subcommands: [Sessions.self, Vault.self, MakeBackup.self]),
            CommandGroup(
                name: "On both, about models and tools:",
                subcommands: [Providers.self, Models.self, MCPs.self, Tools.self, ApprovalCommands.self, MCPServe.self]),
            CommandGroup(
                name: "On both, about what the agent does by itself:", subcommands: [Tasks.self, Workflows.self]),
            CommandGroup(name: "On both, about chat platforms:", subcommands: [BridgeCommands.self]),
            CommandGroup(name: "On both, about how the agent works:", subcommands: [Config.self]),
            CommandGroup(
                name: "On both, about what happened and what it cost:", subcommands: [Logs.self, Usage.self]),
            CommandGroup(
                name: "On both, about all that there is:", subcommands: [Information.self, Routes.self, API.self]),
            CommandGroup(name: "Anywhere:", subcommands: [Version.self]),
        ])

    /// Turns every failure into the two lines and the exit code that users and scripts rely on.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            try Output.finish()
        } catch {
            exit(withError: Failures.exit(for: error))
        }
    }
}
