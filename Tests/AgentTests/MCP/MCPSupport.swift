import Foundation
import JSON
import Logging
import Synchronization
import Testing

@testable import Agent
@testable import Store

// What tests of MCP servers have in common: a clock that they turn, programs of others, and a server that runs while a test does.

/// Lines of a log.
struct KeptLog: LogHandler {
    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        lines.add(
            "\(event.level) \(event.message) "
                + all.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " "))
    }
}

struct MCPTimeout: Error { var what: String }

enum MCPPeers {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// A fixture of our own, in plain Python.
    static func fixture(_ name: String, _ arguments: String...) -> [String] {
        [root + "/.build/peers/bin/python", root + "/Tests/Peers/\(name).py"] + arguments
    }

    /// A program of others.
    static func program(_ name: String) throws -> String {
        let path = root + "/.build/peers/bin/\(name)"
        try #require(
            FileManager.default.isExecutableFile(atPath: path), "\(path) is missing: run scripts/install-peers")
        return path
    }

    /// Fails instead of hanging.
    static func within<T: Sendable>(
        _ seconds: Double = 20, _ what: String = "it", _ body: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        try await withThrowingTaskGroup(of: T.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw MCPTimeout(what: what)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw MCPTimeout(what: what) }
            return first
        }
    }

    /// Whether nothing is left of a process, not even a zombie.
    static func isGone(_ process: Int32) -> Bool { !FileManager.default.fileExists(atPath: "/proc/\(process)") }
}

extension ToolContext {
    static let test = ToolContext(turnID: "t", callID: "c", sessionID: "s", handle: "ana", isAdmin: false)
}

extension ToolServer {
    func ask(_ tool: String, _ arguments: [String: JSONValue] = [:]) async -> ToolResult {
        await call(tool, arguments, for: .test) { _ in }
    }
}

/// A server while a test uses it.
final class RunningMCP: Sendable {
    let server: MCPServer
    let log: KeptLog.Lines
    private let changes: AsyncStream<Void>

    private init(_ server: MCPServer, _ log: KeptLog.Lines, _ changes: AsyncStream<Void>) {
        (self.server, self.log, self.changes) = (server, log, changes)
    }

    static func run<T: Sendable>(
        _ words: [String], environment: [String: String] = [:], settings: MCPSettings = MCPSettings(),
        time: TimeSource = .system, isReady: Bool = true, name: String = "odd",
        _ body: @escaping @Sendable (RunningMCP) async throws -> T
    ) async throws -> T {
        let lines = KeptLog.Lines()
        let log = MCPLog(name, logger: Logger(label: "test") { _ in KeptLog(lines: lines) }, now: time.now)
        let transport = MCPProgram(
            words: words, environment: { environment }, folder: settings.folder, memory: settings.memory, time: time,
            log: log)
        return try await run(transport, log, lines, settings, time, isReady, name, body)
    }

    static func run<T: Sendable>(
        url: String, headers: [String: String] = [:], settings: MCPSettings = MCPSettings(), isReady: Bool = true,
        _ body: @escaping @Sendable (RunningMCP) async throws -> T
    ) async throws -> T {
        let lines = KeptLog.Lines()
        let time = TimeSource.system
        let log = MCPLog("web", logger: Logger(label: "test") { _ in KeptLog(lines: lines) }, now: time.now)
        let transport = MCPHTTP(url: url, headers: { headers }, time: time, log: log)
        return try await run(transport, log, lines, settings, time, isReady, "web", body)
    }

    private static func run<T: Sendable>(
        _ transport: any MCPTransport, _ log: MCPLog, _ lines: KeptLog.Lines, _ settings: MCPSettings,
        _ time: TimeSource, _ isReady: Bool, _ name: String, _ body: @escaping @Sendable (RunningMCP) async throws -> T
    ) async throws -> T {
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let server = MCPServer(
            name: name, transport: transport, settings: settings, time: time, random: { 0.5 }, log: log
        ) { change.yield() }
        let running = RunningMCP(server, lines, changes)
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                await server.run()
                return nil
            }
            group.addTask {
                if isReady { try await running.wait { $0.state == .ready } }
                let result = try await body(running)
                await server.stop()
                return result
            }
            var result: T?
            while let one = try await group.next() { result = one ?? result }
            return try #require(result)
        }
    }

    /// Waits for a status. One waiter.
    func wait(for isWanted: @escaping @Sendable (MCPServer.Status) -> Bool) async throws {
        try await MCPPeers.within(30, "a status") { [self] in
            if isWanted(await server.status) { return }
            for await _ in changes where isWanted(await server.status) { return }
        }
    }

    var pid: Int32 {
        get async throws { try #require(Int32(await server.ask("pid").text)) }
    }
}
