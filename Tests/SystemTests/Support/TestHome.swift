import Foundation
import Synchronization
import Testing

// One temporary world for a system test: an agent directory, a client home, and the binary under test.

/// Directories of one test; removed at its end.
final class TestHome: Sendable {
    let root: URL
    /// What this test started lives as long as its world.
    private let programs = Mutex<[Program]>([])
    var agent: URL { root.appendingPathComponent("my-agent") }
    var home: URL { root.appendingPathComponent("home") }

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("openagent-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    /// The binary that was built with the tests.
    static let binary: String = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
        let directory =
            bundle?.deletingLastPathComponent()
            ?? URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent()
        return directory.appendingPathComponent("openagent").path
    }()

    /// Starts `openagent` as the user who owns `home` (by default this one's).
    func start(_ arguments: [String], home: URL? = nil, environment: [String: String] = [:]) throws -> Program {
        try launch(
            Self.binary, arguments,
            environment: ["OPENAGENT_HOME": (home ?? self.home).path].merging(environment) { $1 })
    }

    /// Starts any program in this world.
    func launch(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Program {
        let program = try Program(
            executable, arguments,
            environment: ["HOME": root.path, "TMPDIR": root.path].merging(environment) { $1 }, directory: root)
        programs.withLock { $0.append(program) }
        return program
    }

    /// Runs `openagent` to its end.
    func run(
        _ arguments: [String], home: URL? = nil, input: String? = nil, within seconds: Double = 30
    ) async throws -> (status: Int32, output: String, errors: String) {
        let program = try start(arguments, home: home)
        if let input { try program.type(input) }
        program.closeInput()
        let status = try await program.exit(within: seconds)
        return (status, program.output, program.errors)
    }

    /// Starts the agent and waits until it serves.
    func serve(_ arguments: [String] = [], environment: [String: String] = [:]) async throws -> Server {
        let program = try start(["serve", agent.path] + arguments, environment: environment)
        let node = try await program.line { $0.hasPrefix("Node") }
        try await program.line { $0.hasPrefix("Listens") }
        return Server(program: program, nodeID: String(node.split(separator: " ").last ?? ""))
    }

    /// Writes a password file for `handle` and joins with `ticket`.
    func join(
        _ ticket: String, handle: String = "alice", password: String = "correct horse", home: URL? = nil
    ) async throws -> (status: Int32, output: String, errors: String) {
        let file = root.appendingPathComponent("password-\(handle)")
        try Data("\(password)\n".utf8).write(to: file)
        return try await run(["join", ticket, "--handle", handle, "--password-file", file.path], home: home)
    }
}

/// A serving agent.
struct Server: Sendable {
    let program: Program
    let nodeID: String

    /// The ticket that a first start prints.
    func ticket() async throws -> String {
        try await program.line { $0.hasPrefix("oa1") }
    }
}
