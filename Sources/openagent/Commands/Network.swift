internal import ArgumentParser

struct Network: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, join, leave and examine networks.",
        subcommands: [
            NetworkJoin.self, NetworkLeave.self, NetworkDoctorCommand.self,
        ])
}
