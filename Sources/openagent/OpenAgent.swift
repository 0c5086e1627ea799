internal import ArgumentParser

@main
struct OpenAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "openagent", abstract: "x", subcommands: [])
}
