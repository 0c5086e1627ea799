import Foundation
import Store
import Testing
import Wire

// P-70 at every single place: the server dies before and after each commit of the turn path, by its own hand and without
// another word; whatever was accepted is answered once all the same. A release cannot be made to do so.

@Suite struct FailurePointTests {
    /// The points, each with the visits at which it matters most: of the journal a call, its result and the answer; of
    /// the others the first and a later one.
    static var points: [String] {
        SessionCommit.allCases.flatMap { commit in
            let visits: [Int] =
                switch commit {
                case .appendJournal: [1, 2, 3]
                case .acceptTurn, .startTurn, .finishTurn: [1, 3]
                default: [1]
                }
            return visits.flatMap { ["before:\(commit.rawValue):\($0)", "after:\(commit.rawValue):\($0)"] }
        }
    }

    @Test(
        "P-70: wherever in the turn path the server dies, everything accepted is answered once, seen once, noted once")
    func nothingIsLostAtAnyPoint() async throws {
        let home = try TestHome()
        try await home.prepareAgent(wordsPerSecond: 0, storyWords: 1_000)
        let server = try await home.serve()
        let homes = try await home.admitDevices([("alice", 1)], ticket: try await server.ticket())
        let device = try JoinedDevice(home: homes[0], port: try await server.port())
        server.program.signal(SIGTERM)
        try await server.program.exit()
        for (index, point) in Self.points.enumerated() {
            // As fast as can be, an answer has 133 pieces, and eight of them use up a block of event numbers. A slower one can
            // be interrupted, on a busy machine too.
            try await home.setPace(wordsPerSecond: point.contains("reserveSequences") ? 0 : 5_000)
            try await Self.visit(point, number: index, home: home, device: device)
        }
    }

    /// Commands that write, and some that only read.
    private static let commands: [(name: String, argument: String?)] = [
        ("status", nil), ("model", "builtin:librarian"), ("usage", nil), ("context", nil), ("compact", nil),
        ("clear", nil),
    ]

    /// Uploads a new file, over as many connections as that takes.
    private static func upload(_ home: TestHome, _ device: JoinedDevice) async -> Bool {
        let path = home.root.appendingPathComponent("\(UUID().uuidString).txt")
        guard (try? Data("kept".utf8).write(to: path)) != nil, let file = try? FileUpload(path: path.path) else {
            return false
        }
        for _ in 0..<100 {
            // The server may die at any moment.
            let kept = try? await device.withPool { pool in
                try await GatewayClient(dialer: pool).upload(file, patience: .milliseconds(10))
            }
            if kept != nil { return true }
        }
        return false
    }

    /// One scenario that comes by every point, killed at one of them.
    private static func visit(_ point: String, number: Int, home: TestHome, device: JoinedDevice) async throws {
        let pulse = Pulse()
        let typist = QuickTypist(device: device, session: "typed-\(number)")
        let (long, short) = ("long-\(number)", "short-\(number)")
        let client = ChaosClient(
            name: "p\(number)", device: device, sessions: [long, short], pulse: pulse, seed: 0)
        let world = ChaosWorld(home: home, clients: [client], pulse: pulse)
        for index in 0..<10 { client.begin(session: long, note: index < 2) }
        // What is worth a summary.
        for _ in 0..<2 { client.begin(session: short) }
        let dying = try world.start(failingAt: point)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await client.run() }
            let next = try await withThrowingTaskGroup(of: Program?.self) { group in
                group.addTask {
                    let status = try? await dying.exit(within: 20)
                    #expect(status == -SIGKILL, "\(point) is reached by this scenario")
                    if status == nil { dying.signal(SIGKILL) }
                    try await dying.exit()
                    // Otherwise they would find out by themselves, a few seconds later.
                    client.dropConnections()
                    typist.dropConnections()
                    return try world.start()
                }
                group.addTask {
                    await pulse.wait(atMost: .seconds(60)) { client.unanswered.isEmpty }
                    for (command, argument) in commands {
                        let isAnswered = await client.command(command, session: short, argument: argument)
                        #expect(isAnswered, "\(point): /\(command)")
                    }
                    return nil
                }
                group.addTask {
                    // Behind the notes, so that the steps that are counted are theirs.
                    await pulse.wait(atMost: .seconds(60)) { client.unanswered.allSatisfy { $0.fact == nil } }
                    #expect(await typist.run(), "\(point): what was typed in quick succession was answered")
                    #expect(await upload(home, device), "\(point): a file was kept")
                    return nil
                }
                var next: Program?
                for try await program in group { next = program ?? next }
                return next
            }
            group.cancelAll()
            next?.signal(SIGTERM)
            #expect(try await next?.exit() == 0, "\(point)")
        }
        var ledger = ChaosLedger(database: world.database, folder: home.root)
        try ledger.read()
        let (turns, said) = try ledger.contents()
        let verdict = ChaosVerdict(
            clients: [client], ledger: ledger, turns: turns, said: said, notes: try world.remembered(),
            forgotten: short)
        #expect(verdict.isClean, "\(point): \(verdict)\n\(verdict.problems.prefix(20).joined(separator: "\n"))")
        #expect(verdict.messages == 12 && verdict.notes == 2)
        for (id, answer) in ledger.answers(in: typist.session) {
            #expect(answer == (1, 1), "\(point): \(id) was answered \(answer) times")
        }
        // Between a call and its result nobody can know; everywhere else it is known.
        let isUnknown = ["after:appendJournal:1", "before:appendJournal:2"].contains(point)
        #expect(verdict.unknownOutcomes.said == (isUnknown ? 1 : 0), "\(point): \(verdict)")
    }

    @Test("a release has no failure points: neither the variable's name nor its effect")
    func aReleaseHasNone() async throws {
        let binary = ReleaseBinaryTests.binary
        let bytes = try Data(contentsOf: URL(fileURLWithPath: binary), options: .mappedIfSafe)
        #expect(bytes.range(of: Data("OPENAGENT_FAILURE_POINT".utf8)) == nil)
        let debug = try Data(contentsOf: URL(fileURLWithPath: TestHome.binary), options: .mappedIfSafe)
        #expect(debug.range(of: Data("OPENAGENT_FAILURE_POINT".utf8)) != nil, "the search finds what is there")

        let home = try TestHome()
        let serve = try home.launch(
            binary, ["serve", home.agent.path],
            environment: ["OPENAGENT_HOME": home.home.path, "OPENAGENT_FAILURE_POINT": "before:openSession"])
        let ticket = try await serve.line { $0.hasPrefix("oa1") }
        #expect(try await home.join(ticket).status == 0)
        let chat = try await home.run(["chat", "-m", "hello"])
        #expect(chat.status == 0, "\(chat)")
        serve.signal(SIGTERM)
        #expect(try await serve.exit() == 0)
    }
}
