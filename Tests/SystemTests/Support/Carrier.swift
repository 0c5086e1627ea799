import Foundation
import Testing

// The four ways to administer an agent from the command line, each as a world in which one of them leads to it.

/// A way to an agent.
enum Carrier: String, CaseIterable, CustomTestStringConvertible {
    case running = "the server on this machine"
    case stopped = "the directory of an agent that is stopped"
    case network = "the coordinator, with an admin's certificate"
    case proxy = "openagent proxy"

    var testDescription: String { rawValue }
}

/// A network with alice, its admin, and bob, and one way to it.
struct AdministeredWorld {
    let home: TestHome
    let server: Server
    let bob: URL
    /// What names the way on the command line.
    let target: [String]

    init(_ carrier: Carrier) async throws {
        home = try TestHome()
        bob = home.root.appendingPathComponent("bob")
        server = try await home.serve()
        let joined = try await home.join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")
        try await home.admit("bob", home: bob)
        switch carrier {
        case .running: target = ["--agent", home.agent.path]
        case .stopped:
            server.program.signal(SIGTERM)
            try await server.program.exit()
            target = ["--agent", home.agent.path]
        case .network: target = ["--node", "alice@my-agent"]
        case .proxy: target = ["--proxy", try await home.startProxy(["alice@my-agent"]).1]
        }
    }

    func run(_ arguments: [String]) async throws -> (status: Int32, output: String, errors: String) {
        try await home.run(arguments + target)
    }

    /// Runs a command with `--json` that has to succeed.
    func document(_ arguments: [String]) async throws -> [String: Any] {
        let result = try await run(arguments + ["--json"])
        #expect(result.status == 0, "\(arguments) \(result)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(arguments) \(result)"
        )
    }
}

extension TestHome {
    /// Invites `handle` as the operator, and joins as them from a device of their own.
    func admit(_ handle: String, home: URL, _ options: [String] = []) async throws {
        let invited = try await run(["network", "invite", handle, "--agent", agent.path] + options)
        #expect(invited.status == 0, "\(invited)")
        let ticket = try #require(invited.output.split(separator: "\n").first.map(String.init))
        #expect(ticket.hasPrefix("oa1"), "the ticket is the first line")
        let joined = try await join(ticket, handle: handle, home: home)
        #expect(joined.status == 0, "\(joined)")
    }

    /// Runs `openagent` to its end on a terminal of this size, with `input` typed into it.
    func runInTerminal(
        _ arguments: [String], columns: Int, lines: Int, input: String? = nil, home: URL? = nil
    ) async throws -> (status: Int32, output: String) {
        let command = ([Self.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
        let terminal = try launch(
            "/usr/bin/script", ["-qfec", "stty cols \(columns) rows \(lines); exec " + command, "/dev/null"],
            environment: ["OPENAGENT_HOME": (home ?? self.home).path, "TERM": "xterm"])
        if let input {
            try await terminal.prompt("[y/N]")
            try terminal.type(input)
        }
        let status = try await terminal.exit()
        return (status, terminal.output.replacingOccurrences(of: "\r", with: ""))
    }
}
