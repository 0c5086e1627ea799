import Foundation
import Testing

// Two agents of one network, each a real process: `home` coordinates it, `work-agent` is a member.

/// A network of two agents, and alice, its admin.
struct TwoAgents {
    let world: TestHome
    let coordinator: Server
    var member: Program

    /// The member's directory, and the home of whoever owns its machine.
    var work: URL { world.root.appendingPathComponent("work") }
    private var machine: URL { world.root.appendingPathComponent("work-machine") }
    /// How devices name the member.
    static let place = "alice@home/work-agent"

    static func start() async throws -> TwoAgents {
        let world = try TestHome()
        let coordinator = try await world.serve(["--name", "home"])
        let joined = try await world.join(try await coordinator.ticket())
        #expect(joined.status == 0, "\(joined)")
        let work = world.root.appendingPathComponent("work")
        var agents = TwoAgents(world: world, coordinator: coordinator, member: coordinator.program)
        let join = try await agents.join()
        #expect(join.status == 0, "\(join)")
        #expect(join.output.contains("member of home as work-agent"), "\(join)")
        #expect(FileManager.default.fileExists(atPath: work.appendingPathComponent("openagent.yaml").path))
        agents.member = try await agents.serveMember()
        return agents
    }

    func invite(_ arguments: [String]) async throws -> String {
        let invite = try await world.run(["network", "invite", "--agent", world.agent.path, "--json"] + arguments)
        let body = try JSONSerialization.jsonObject(with: Data(invite.output.utf8)) as? [String: Any]
        return try #require(body?["ticket"] as? String, "\(invite)")
    }

    /// Joins the member's directory with a new ticket.
    func join() async throws -> (status: Int32, output: String, errors: String) {
        let ticket = try await invite(["--role", "agent"])
        return try await world.run(
            ["network", "join", ticket, "--agent", work.path, "--name", "work-agent", "--label", "Büro"], home: machine)
    }

    /// Starts the member and waits until it watches the roster.
    func serveMember() async throws -> Program {
        let program = try world.start(["serve", work.path], home: machine)
        try await program.line(containing: "Network home")
        try await program.line(containing: "member::in_touch")
        return program
    }

    func leave(_ arguments: [String] = []) async throws -> (status: Int32, output: String, errors: String) {
        try await world.run(["network", "leave", "--agent", work.path] + arguments, home: machine)
    }

    /// Asks the member.
    func ask(
        _ message: String = "hello", as place: String = place, home: URL? = nil
    ) async throws -> (status: Int32, output: String, errors: String) {
        try await world.run(["chat", place, "--timeout", "5", "-m", message], home: home)
    }

    func administer(_ arguments: [String]) async throws -> (status: Int32, output: String, errors: String) {
        try await world.run(arguments + ["--agent", world.agent.path])
    }

    /// Lets bob in from a home of his own.
    func bob() async throws -> URL {
        let home = world.root.appendingPathComponent("bob")
        let joined = try await world.join(try await invite(["bob"]), handle: "bob", home: home)
        #expect(joined.status == 0, "\(joined)")
        return home
    }
}

@Suite struct MemberAgentTests {
    @Test("an agent joins by a ticket, is listed, and answers to alice@home/work-agent from its own notes")
    func memberAnswersFromItsOwnNotes() async throws {
        let agents = try await TwoAgents.start()
        #expect(!agents.member.errors.contains("oa1"), "a member has no tickets to give")
        let list = try await agents.administer(["agents", "list"])
        #expect(list.output.contains("work-agent") && list.output.contains("home"), "\(list)")

        let told = try await agents.ask("remember that the blue key is in the drawer")
        #expect(told.status == 0, "\(told)")
        #expect(try await agents.ask("where is the blue key?").output.contains("drawer"))
        let other = try await agents.ask("where is the blue key?", as: "alice@home")
        #expect(other.status == 0 && !other.output.contains("drawer"), "\(other)")
        let notes = agents.work.appendingPathComponent("memories/remembered").path
        #expect(try !FileManager.default.contentsOfDirectory(atPath: notes).isEmpty)

        let terminal = try agents.world.startInTerminal(["connect", TwoAgents.place])
        try await terminal.line(containing: "Connected to work")
        // Every way to name it leads there.
        let node = try await agents.world.run(["id", "--agent", agents.work.path]).output
        for way in [["--node", "home/work-agent"], ["--node", node], ["--agent", agents.work.path]] {
            let answer = try await agents.world.run(["chat", "-m", "where is the blue key?"] + way)
            #expect(answer.output.contains("drawer"), "\(way): \(answer)")
        }
        #expect(try await agents.world.run(["networks", "use", TwoAgents.place]).status == 0)
        let chosen = try await agents.world.run(["chat", "-m", "where is the blue key?"])
        #expect(chosen.output.contains("drawer"), "\(chosen)")
        let nobody = try await agents.ask(as: "alice@home/nobody")
        #expect(nobody.status == 64, "\(nobody)")
        #expect(nobody.errors.contains("home, work-agent"), "\(nobody)")
        let doctor = try await agents.world.run(["network", "doctor", TwoAgents.place])
        #expect(doctor.status == 0, "\(doctor)")

        // Once known, the agent is reached while the coordinator is away.
        agents.coordinator.program.signal(SIGTERM)
        try await agents.coordinator.program.exit()
        #expect(try await agents.ask().status == 0)
    }

    @Test("a device that is revoked at the coordinator loses its open chats on the member, and comes in no more")
    func revocationReachesTheMember() async throws {
        let agents = try await TwoAgents.start()
        let bob = try await agents.bob()
        let terminal = try agents.world.startInTerminal(["connect", TwoAgents.place])
        try await terminal.line(containing: "Connected")
        let devices = try await agents.administer(["devices", "list", "--json"])
        let body = try JSONSerialization.jsonObject(with: Data(devices.output.utf8)) as? [String: Any]
        let rows = try #require(body?["devices"] as? [[String: Any]], "\(devices)")
        let device = try #require(rows.first { $0["handle"] as? String == "alice" }?["device"] as? String)

        let revoked = try await agents.administer(["devices", "revoke", device, "--yes"])
        #expect(revoked.status == 0, "\(revoked)")
        let status = try await terminal.exit(within: 2)
        #expect(status == 77, "\(terminal.output)")
        let next = try await agents.ask()
        #expect(next.status == 77, "\(next)")
        #expect(try await agents.ask(as: "bob@home/work-agent", home: bob).status == 0, "nobody else notices")
    }

    @Test("a member whose coordinator was killed serves whom it knows for 30 s, then nobody, and comes back with it")
    func memberFailsClosed() async throws {
        let agents = try await TwoAgents.start()
        #expect(try await agents.ask().status == 0)
        let terminal = try agents.world.startInTerminal(["connect", TwoAgents.place])
        try await terminal.line(containing: "Connected")
        agents.coordinator.program.signal(SIGKILL)
        try await agents.coordinator.program.exit()
        let killed = ContinuousClock.now
        let known = try await agents.ask()
        #expect(known.status == 0, "\(known)")
        try await agents.member.line(containing: "member::serves_only_whom", within: 45)
        let time = ContinuousClock.now - killed
        #expect(time > .seconds(20) && time < .seconds(40), "\(time)")
        let refused = try await agents.ask()
        #expect(refused.status != 0, "\(refused)")
        #expect(refused.errors.contains("device membership unavailable"), "\(refused)")
        try await terminal.text("connection lost")

        let before = agents.member.output.split(separator: "\n").filter { $0.contains("member::in_touch") }.count
        let again = try await agents.world.serve()
        #expect(again.nodeID == agents.coordinator.nodeID)
        try await agents.member.lines(before + 1, containing: "member::in_touch", within: 30)
        #expect(try await agents.ask().status == 0)
        // An open chat was not told that it was revoked: it comes back by itself.
        try await terminal.text("connected again", within: 60)
    }

    @Test("an agent that was removed serves nobody and says so; a new ticket brings it back")
    func removedAgentServesNobody() async throws {
        var agents = try await TwoAgents.start()
        #expect(try await agents.ask().status == 0)
        let removed = try await agents.administer(["agents", "remove", "work-agent", "--yes"])
        #expect(removed.status == 0, "\(removed)")
        try await agents.member.line(containing: "member::removed")
        #expect(agents.member.output.contains("openagent network join oa1"))
        let refused = try await agents.ask()
        #expect(refused.status != 0, "\(refused)")

        let running = try await agents.join()
        #expect(running.status == 73 && running.errors.contains("openagent stop"), "\(running)")
        agents.member.signal(SIGTERM)
        #expect(try await agents.member.exit() == 0)
        #expect(try await agents.join().status == 0)
        agents.member = try await agents.serveMember()
        #expect(try await agents.ask().status == 0)
    }

    @Test("suspension, resumption and promotion of a user are known to the member at once")
    func changesOfUsersReachTheMember() async throws {
        let agents = try await TwoAgents.start()
        let bob = try await agents.bob()
        let place = "bob@home/work-agent"
        #expect(try await agents.ask(as: place, home: bob).status == 0)
        #expect(try await agents.administer(["users", "suspend", "bob"]).status == 0)
        let suspended = try await agents.ask(as: place, home: bob)
        #expect(suspended.status != 0, "\(suspended)")
        #expect(try await agents.ask().status == 0, "alice is not touched")
        #expect(try await agents.administer(["users", "resume", "bob"]).status == 0)
        #expect(try await agents.ask(as: place, home: bob).status == 0)

        let proxy = try agents.world.start(["proxy", place], home: bob)
        let url = try await proxy.line { $0.hasPrefix("http://") }
        func whoami() async throws -> String {
            let answer = try await agents.world.run(["whoami", "--proxy", url, "--json"], home: bob)
            let body = try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any]
            #expect(body?["agent"] as? String == "work", "\(answer)")
            return try #require(body?["role"] as? String, "\(answer)")
        }
        #expect(try await whoami() == "member")
        #expect(try await agents.administer(["users", "promote", "bob"]).status == 0)
        #expect(try await whoami() == "admin")
        proxy.signal(SIGTERM)
        try await proxy.exit()
    }

    @Test("an agent that leaves is off the list; one with users of its own joins nobody")
    func leavingAndRefusing() async throws {
        let agents = try await TwoAgents.start()
        let running = try await agents.leave(["--yes"])
        #expect(running.status == 73 && AdministrationTests.isAdvice(running.errors), "\(running)")
        agents.member.signal(SIGTERM)
        try await agents.member.exit()
        let unsure = try await agents.leave()
        #expect(unsure.status == 64, "\(unsure)")
        let left = try await agents.leave(["--yes"])
        #expect(left.status == 0 && left.output.contains("has left home"), "\(left)")
        #expect(!left.output.contains("could not be told"), "\(left)")
        // For programs, too, and back in between.
        let ticketBack = try await agents.invite(["--role", "agent"])
        let back = try await agents.world.run(["network", "join", ticketBack, "--agent", agents.work.path, "--json"])
        #expect(back.output.contains(#""handle":"work","network":"home"}"#), "\(back)")
        let json = try await agents.leave(["--yes", "--json"])
        #expect(json.output.contains(#""handle":"work","network":"home","told":true}"#), "\(json)")
        #expect(try await !agents.administer(["agents", "list"]).output.contains("work-agent"))
        let twice = try await agents.leave(["--yes"])
        #expect(twice.status == 73 && twice.errors.contains("hint: "), "\(twice)")

        agents.coordinator.program.signal(SIGTERM)
        try await agents.coordinator.program.exit()
        let ticket = try await agents.invite(["--role", "agent"])
        let own = try await agents.world.run(["network", "join", ticket, "--agent", agents.world.agent.path])
        #expect(own.status == 73, "\(own)")
        let other = try TestHome()
        let server = try await other.serve()
        _ = try await other.join(try await server.ticket())
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let refused = try await other.run(["network", "join", ticket, "--agent", other.agent.path])
        #expect(refused.status == 73 && refused.errors.contains("1 user and 0 other agents"), "\(refused)")
    }
}
