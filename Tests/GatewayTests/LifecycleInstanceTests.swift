import Foundation
import Testing
import Transport

@testable import Gateway

/// P-68 and P-71: one server for an agent, and it is found without configuration.
@Suite struct LifecycleInstanceTests {
    let home: String

    init() throws { home = try LifecycleFixture.folder() }

    func agent(_ name: String) throws -> AgentDirectory {
        let directory = AgentDirectory(home + "/" + name)
        _ = try directory.create()
        return directory
    }

    func record(pid: Int32 = 4711) -> RunRecord {
        RunRecord(
            pid: pid, nodeId: SecretKey().nodeID, udpPort: 4433, addresses: ["127.0.0.1:4433"], version: "0.1.0",
            startedAt: 1_795_248_000)
    }

    /// Another process that holds the lock until it is killed, by SIGKILL: children of a dispatch thread are born with
    /// its other signals blocked.
    func holder(_ directory: AgentDirectory) async throws -> Process {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        process.arguments = ["--no-fork", directory.lock, "sh", "-c", "echo held; exec sleep 600"]
        process.standardOutput = output
        try process.run()
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        return process
    }

    @Test func aSecondServerIsToldWhoRuns() async throws {
        let directory = try agent("a")
        let process = try await holder(directory)
        defer { kill(process.processIdentifier, SIGKILL) }
        try record(pid: process.processIdentifier).write(directory)
        let error = await #expect(throws: InstanceError.self) { try await InstanceLock.take(directory) }
        let text = try #require(error?.description)
        #expect(text.contains("process \(process.processIdentifier) since 2026-11-21T08:00:00Z"), "\(text)")
        #expect(RunRecord.read(directory) != nil, "the other's record must stay")
    }

    @Test func theLockOfAKilledProcessIsFreeAtOnce() async throws {
        let directory = try agent("a")
        let process = try await holder(directory)
        try record(pid: process.processIdentifier).write(directory)
        #expect(InstanceState(directory) == .running(try #require(RunRecord.read(directory))))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        guard case .stopped(.some) = InstanceState(directory) else {
            Issue.record("\(InstanceState(directory))")
            return
        }
        let lock = try await InstanceLock.take(directory)
        #expect(RunRecord.read(directory) == nil, "a stale record is removed")
        lock.release()
    }

    /// The number of a dead server may belong to anybody by now.
    @Test func aRecordThatNamesAnUnrelatedLiveProcessIsStale() async throws {
        let directory = try agent("a")
        let leftover = record(pid: getppid())
        try leftover.write(directory)
        #expect(InstanceState(directory) == .stopped(leftover: leftover))
        let lock = try await InstanceLock.take(directory)
        #expect(InstanceState(directory) == .starting)
        let own = record(pid: getpid())
        try own.write(directory)
        #expect(InstanceState(directory) == .running(own))
        RunRecord.remove(directory)
        lock.release()
        #expect(InstanceState(directory) == .stopped(leftover: nil))
        lock.release()
    }

    @Test func askingDoesNotKeepAServerOut() async throws {
        let directory = try agent("a")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { for _ in 0..<500 { _ = InstanceState(directory) } } }
            group.addTask { for _ in 0..<50 { try await InstanceLock.take(directory).release() } }
            try await group.waitForAll()
        }
    }

    @Test func theRunRecordIsPrivateAndHasTheAgreedNames() throws {
        let directory = try agent("a")
        let record = record()
        try record.write(directory)
        #expect(try LifecycleFixture.mode(of: directory.runRecord) == 0o600)
        #expect(
            try String(contentsOfFile: directory.runRecord, encoding: .utf8)
                == #"{"addresses":["127.0.0.1:4433"],"nodeId":"\#(record.nodeId.hex)","pid":4711,"startedAt":1795248000,"#
                + #""udpPort":4433,"version":"0.1.0"}"# + "\n")
        try Data("{}".utf8).write(to: URL(fileURLWithPath: directory.runRecord))
        #expect(RunRecord.read(directory) == nil)
    }

    // MARK: Finding

    func locator(in current: String, _ environment: [String: String] = [:]) -> AgentLocator {
        AgentLocator(environment: environment, currentDirectory: current, running: RunningAgents(home: home + "/home"))
    }

    @Test func theNearestNamedAgentWins() throws {
        let named = try agent("named")
        let inEnvironment = try agent("env")
        let current = try agent("current")
        _ = try agent("current/my-agent")
        let environment = [AgentLocator.variable: inEnvironment.path]
        #expect(try locator(in: current.path, environment).locate(.directory("../named")) == named)
        #expect(try locator(in: current.path, environment).locate(nil) == inEnvironment)
        #expect(try locator(in: current.path).locate(nil) == current)
        _ = try agent("my-agent")
        #expect(try locator(in: home).locate(nil).path == home + "/my-agent")
        #expect(throws: AgentLocatorError.notAnAgent(AgentDirectory(home + "/none"), source: "--agent")) {
            try locator(in: home).locate(.directory("none"))
        }
        #expect(throws: AgentLocatorError.notAnAgent(AgentDirectory(home), source: "OPENAGENT_AGENT")) {
            try locator(in: home, [AgentLocator.variable: home]).locate(nil)
        }
    }

    @Test func anAgentIsFoundByItsNodeIDAndByItsNames() throws {
        let (first, second) = (try agent("first"), try agent("second"))
        let key = try SecretKey.loadOrCreate(path: first.identityKey)
        try Data("name: Ada\nnetwork:\n  name: home\n".utf8).write(to: URL(fileURLWithPath: first.configuration))
        let running = RunningAgents(home: home + "/home")
        for directory in [first, second] { try running.add(SecretKey().nodeID, directory: directory) }
        let elsewhere = locator(in: try LifecycleFixture.folder())
        for name in [key.nodeID.hex, "ada", "Home", "first"] {
            #expect(try elsewhere.locate(.node(name)) == first, "\(name)")
        }
        #expect(try locator(in: home, [AgentLocator.nodeVariable: "second"]).locate(nil) == second)
        #expect(try locator(in: home, [AgentLocator.nodeVariable: "second"]).locate(.node("Ada")) == first)
        #expect(throws: AgentLocatorError.unknown("none", source: "--node", known: [first, second])) {
            try elsewhere.locate(.node("none"))
        }
        try Data("name: ada\n".utf8).write(to: URL(fileURLWithPath: second.configuration))
        #expect(throws: AgentLocatorError.ambiguous("Ada", [first, second])) { try elsewhere.locate(.node("Ada")) }
    }

    @Test func theOnlyRunningAgentIsFoundFromAnywhere() async throws {
        let elsewhere = try LifecycleFixture.folder()
        let running = RunningAgents(home: home + "/home")
        #expect(throws: AgentLocatorError.noneRuns(stopped: [])) { try locator(in: elsewhere).locate(nil) }

        let (first, second) = (try agent("first"), try agent("second"))
        let (one, two) = (record(pid: getpid()), record(pid: getpid()))
        try running.add(one.nodeId, directory: first)
        try running.add(two.nodeId, directory: second)
        #expect(throws: AgentLocatorError.noneRuns(stopped: [first, second])) {
            try locator(in: elsewhere).locate(nil)
        }

        let lock = try await InstanceLock.take(first)
        #expect(throws: AgentLocatorError.starting(first)) { try locator(in: elsewhere).locateRunning(nil) }
        try one.write(first)
        let found = try locator(in: elsewhere).locateRunning(nil)
        #expect(found.directory == first && found.record == one)

        let otherLock = try await InstanceLock.take(second)
        #expect(throws: AgentLocatorError.severalRun([first, second])) { try locator(in: elsewhere).locate(nil) }
        otherLock.release()

        running.remove(one.nodeId)
        lock.release()
        #expect(throws: AgentLocatorError.notRunning(first, leftover: one)) {
            try locator(in: elsewhere).locateRunning(.directory(first.path))
        }
        #expect(running.directories() == [second])
    }

    @Test func damagedOrForeignRegistrationsAreIgnored() throws {
        let running = RunningAgents(home: home + "/home")
        let directory = try agent("a")
        try running.add(SecretKey().nodeID, directory: directory)
        for (name, text) in [("x.json", "{"), ("y.json", #"{"directory":"relative"}"#), ("z.txt", "")] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: home + "/home/running/" + name))
        }
        #expect(running.directories() == [directory])
    }
}
