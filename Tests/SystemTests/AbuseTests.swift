import Foundation
import Synchronization
import Testing

/// What a healthy device notices while strangers attack its gateway, and what is left of them afterwards.
///
/// Gateway, device and attacker are processes of their own (`gateway-bench`, composed of the real endpoint, coordinator
/// and gateway), all on the cores of this machine. An attacker has its own machine in life, so here it gives way (nice)
/// and keeps to a pace: what it spends to build an attack shall not count, what the gateway spends to bear it counts in
/// full. The device's median while the attack runs is compared with the greater one of right before and right after it,
/// because other programs may be busy too; a comparison that fails is made again, twice at most. The tails are printed.
/// `make bench` runs the same attacks harder, without other programs.
@Suite(.serialized, .timeLimit(.minutes(3))) struct AbuseTests {
    @Test("1,000 half preambles slow nobody down, are cut off, and leave nothing behind")
    func halfPreambles() async throws {
        try await expectCalm(under: "half-preambles", count: 1_000, perSecond: 150) { attacker in
            let force = try await attacker.report(within: 60)
            #expect(force["made"] == 1_000)
        } after: { attacker, gateway in
            // The streams go after 5 s, the connections after the strangers' time.
            let end = try await attacker.report(within: 60)
            #expect(end["closed_4002"] == 1_000)
        }
    }

    @Test("Thousands of bad logins slow nobody down and leave nothing behind")
    func badLogins() async throws {
        try await expectCalm(under: "logins", count: 2_000, perSecond: 25) { attacker in
            let force = try await attacker.report(within: 90)
            #expect(force["unconnected"] == nil)
            #expect(force["failed"] == nil)
            let outcomes = ["wrong", "held_up", "turned_away"].compactMap { force[$0] }
            #expect(outcomes.reduce(0, +) == 2_000)
        } after: { _, _ in
        }
    }

    @Test("1,000 connections with unknown protocols slow nobody down and leave nothing behind")
    func unknownProtocols() async throws {
        try await expectCalm(under: "protocols", count: 1_000, perSecond: 200) { attacker in
            let force = try await attacker.report(within: 60)
            #expect(force["refused"] == 1_000)
        } after: { _, _ in
        }
    }

    @Test("A connection that opens streams to the limit and beyond slows nobody down and keeps to the limit")
    func streamsToTheLimit() async throws {
        try await expectCalm(under: "streams", count: 300, perSecond: 1_000, pings: 500) { attacker in
            let force = try await attacker.report(within: 60)
            #expect(force["open"] == 100)
        } after: { _, gateway in
            let status = try await gateway.ask("status")
            #expect(status["connections"] == 2)
            // The device has one.
            #expect(try #require(status["streams"]) <= 101)
        }
    }

    // MARK: The scene

    /// Seconds that a connection may do without a certificate, so that a test needs not wait for the default's 30.
    private static let strangerSeconds = "6"
    /// What may stay in memory: the pools and caches that the first of anything fills.
    private static let toleratedKiB = 12.0 * 1_024
    private static let settlingTime = Duration.seconds(25)

    /// - Parameters:
    ///   - pings: measured once the attack is in force; nil measures until it is.
    ///   - force: returns when the attack is.
    ///   - after: what is to be seen before the attacker leaves.
    private func expectCalm(
        under attack: String, count: Int, perSecond: Int, pings: Int? = nil,
        force: (Party) async throws -> Void, after: (Party, Party) async throws -> Void
    ) async throws {
        let world = try TestHome()
        let directory = world.root.appendingPathComponent("bench")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let gateway = try Party(world, ["serve", directory.path, Self.strangerSeconds])
        let start = try await gateway.texts()
        let ticket = try #require(start["ticket"])
        let device = try Party(world, ["ping", ticket, "ana"])
        _ = try await device.report()

        var isCalm = false
        for attempt in 1...3 where !isCalm {
            let before = try await device.ask("measure 400")
            let idle = try await gateway.ask("trim")
            _ = try await device.ask("begin")
            let attacker = try Party(
                world,
                [
                    "attack", attack, try #require(start["node"]), try #require(start["address"]), "\(count)",
                    "\(perSecond)",
                ],
                niceness: 5)
            try await force(attacker)
            let during = try await device.ask(pings.map { "measure \($0)" } ?? "end")
            try await after(attacker, gateway)
            try await attacker.leave()
            let later = try await device.ask("measure 400")

            try await expectAnHonestDeviceGetsIn(world, ticket, handle: "honest-\(attempt)")
            let settled = try await settle(gateway, to: idle)
            let medians = try [before, during, later].map { try #require($0["p50_us"]) }
            print(
                "abuse \(attack): p50 \(medians.map { Int($0) }) µs before, during, after; p99",
                [before, during, later].map { Int($0["p99_us"] ?? 0) }, "µs; memory",
                [idle, settled].map { Int(($0["resident_kib"] ?? 0) / 1_024) }, "MiB")
            // Where all share one core, the attacker's own work takes time from the device; below 10 ms nobody notices.
            let unnoticed = ProcessInfo.processInfo.activeProcessorCount == 1 ? 10_000.0 : 0
            isCalm = medians[1] <= max(2 * max(medians[0], medians[2]), unnoticed)
        }
        #expect(isCalm)
        try await device.leave()
        try await gateway.leave()
    }

    private func expectAnHonestDeviceGetsIn(_ world: TestHome, _ ticket: String, handle: String) async throws {
        let newcomer = try Party(world, ["login", ticket, handle])
        // Alone it takes a few hundredths; the flood before it must not be waited for.
        #expect(try #require(try await newcomer.report()["seconds"]) < 5)
        try await newcomer.leave()
    }

    /// Waits until the gateway holds what it held before.
    private func settle(_ gateway: Party, to idle: [String: Double]) async throws -> [String: Double] {
        let deadline = ContinuousClock.now + Self.settlingTime
        while true {
            let status = try await gateway.ask("trim")
            let counts = ["connections", "streams", "handshakes"]
            if counts.allSatisfy({ status[$0, default: .infinity] <= idle[$0, default: 0] }),
                status["resident_kib", default: .infinity] <= idle["resident_kib", default: 0] + Self.toleratedKiB
            {
                return status
            }
            guard ContinuousClock.now < deadline else {
                Issue.record("the gateway had \(idle) before and keeps \(status)")
                return status
            }
            // Nothing tells when memory is given back; asking too often would take the time that it needs.
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

/// A running `gateway-bench`, which writes numbered JSON lines.
private final class Party: Sendable {
    private static let binary = URL(fileURLWithPath: TestHome.binary).deletingLastPathComponent()
        .appendingPathComponent("gateway-bench").path

    private let program: Program
    private let line = Mutex(0)

    init(_ world: TestHome, _ arguments: [String], niceness: Int = 0) throws {
        program =
            try niceness == 0
            ? world.launch(Self.binary, arguments)
            : world.launch("/usr/bin/nice", ["-n", "\(niceness)", Self.binary] + arguments)
    }

    /// The numbers of the next line.
    func report(within seconds: Double = 30) async throws -> [String: Double] {
        try await next(within: seconds).compactMapValues { $0 as? Double }
    }

    /// The texts of the next line.
    func texts() async throws -> [String: String] { try await next(within: 30).compactMapValues { $0 as? String } }

    /// The answer to a command.
    func ask(_ command: String) async throws -> [String: Double] {
        try program.type(command + "\n")
        return try await report(within: 60)
    }

    func leave() async throws {
        program.closeInput()
        #expect(try await program.exit() == 0)
    }

    private func next(within seconds: Double) async throws -> [String: Any] {
        let number = line.withLock { line in
            line += 1
            return line
        }
        let text = try await program.line(within: seconds) { Self.object($0)?["line"] as? Int == number }
        let object = Self.object(text) ?? [:]
        if let error = object["error"] { throw Program.Failure(description: "\(error)") }
        return object
    }

    private static func object(_ text: String) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any]
    }
}
