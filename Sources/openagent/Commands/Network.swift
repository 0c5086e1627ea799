internal import ArgumentParser

// The network of an agent: what is asked about it and changed in it. One command a file; this file only lists them.

struct Network: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a network, invite to it, join one.",
        subcommands: [
            // One line each, in the order of the help.
            // Initialize.self, …
        ])
}
