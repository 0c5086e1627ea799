import Foundation
import Testing

// What leaves the machine when nobody asked for it? The agent lives in a network of its own with one way out, and whatever
// takes that way is counted.

@Suite struct SilenceTests {
    /// A machine whose only way out leads nowhere.
    private struct Machine {
        private static let setUp = """
            echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 && ip link add out type veth peer name far \
            && ip addr add 192.0.2.1/24 dev out && ip link set lo up && ip link set out up && ip link set far up \
            && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev out && ip route add default via 192.0.2.2 \
            && echo ready && exec cat
            """

        static let canBeMade = Namespaces.allow("--net", "ip link add out type veth peer name far")

        let world: TestHome
        private let holder: Program

        init(_ world: TestHome) async throws {
            self.world = world
            holder = try world.launch("/usr/bin/unshare", ["--net", "sh", "-c", Self.setUp])
            try await holder.line(containing: "ready")
        }

        func start(_ executable: String, _ arguments: [String]) throws -> Program {
            try world.launch(
                "/usr/bin/nsenter", ["--net=/proc/\(holder.pid)/ns/net", executable] + arguments,
                environment: ["OPENAGENT_HOME": world.home.path])
        }

        @discardableResult
        func run(_ arguments: [String]) async throws -> Program {
            let program = try start(TestHome.binary, arguments)
            program.closeInput()
            let status = try await program.exit(within: 60)
            #expect(status == 0, "\(arguments): \(program.output) \(program.errors)")
            return program
        }

        /// Packets that have left.
        func packets() throws -> Int {
            let table = try String(contentsOfFile: "/proc/\(holder.pid)/net/dev", encoding: .utf8)
            let line = try #require(table.split(separator: "\n").first { $0.contains("out:") })
            let columns = line.split(separator: ":")[1].split(separator: " ")
            return try #require(Int(columns[9]))
        }

        func end() async throws {
            holder.closeInput()
            try await holder.exit()
        }
    }

    @Test(
        "P-26: an agent that answers, remembers, keeps time and is administered sends nothing to anybody else",
        .enabled(if: Machine.canBeMade))
    func nothingLeaves() async throws {
        let world = try TestHome()
        let machine = try await Machine(world)
        let agent = world.agent.path
        let serve = try machine.start(TestHome.binary, ["serve", agent])
        let ticket = try await serve.line { $0.hasPrefix("oa1") }
        let password = world.root.path + "/password"
        try Data("correct horse\n".utf8).write(to: URL(fileURLWithPath: password))
        try await machine.run(["join", ticket, "--handle", "alice", "--password-file", password])
        let chat = try await machine.run(["chat", "-m", "remember that the backup runs at 03:00"])
        #expect(chat.output.contains("03:00"), "\(chat.output) \(chat.errors)")
        for words in [
            ["models", "available"], ["doctor", agent], ["network", "doctor"], ["status"], ["devices", "list"],
            ["tasks", "add", "tick", "--every", "1s", "--prompt", "when does the backup run?", "--agent", agent],
        ] { try await machine.run(words) }
        try await until {
            try await machine.run(["tasks", "runs", "tick", "--agent", agent]).output.contains("success", 6)
        }
        serve.signal(SIGTERM)
        #expect(try await serve.exit() == 0)
        #expect(try machine.packets() == 0)

        // Who does send something is noticed: an agent that is told of a provider somewhere.
        let again = try machine.start(TestHome.binary, ["serve", agent])
        try await again.line { $0.hasPrefix("Listens") }
        let far = #"{"name":"far","base_url":"http://198.51.100.1/v1"}"#
        try await machine.run(["api", "POST", "/api/providers", "--data", far, "--agent", agent])
        let asking = try machine.start(TestHome.binary, ["models", "available", "--agent", agent])
        try await until { try machine.packets() > 0 }
        asking.signal(SIGKILL)
        try await asking.exit()
        again.signal(SIGTERM)
        try await again.exit(within: 30)
        try await machine.end()
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            guard ContinuousClock.now < deadline else {
                throw Program.Failure(description: "it did not happen in 60 s")
            }
        }
    }
}

extension String {
    fileprivate func contains(_ word: String, _ count: Int) -> Bool { split(separator: word).count > count }
}
