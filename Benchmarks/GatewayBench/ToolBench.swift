internal import Agent
internal import Foundation
internal import JSON
internal import Logging
internal import Store

// How much time does a tool call cost besides the tool's own? A server that does nothing but answer is called one time after the other,
// through the agent's client, and asked the same thing directly over its pipes, in turns.

struct ToolBench {
    let directory: String
    let calls: Int

    /// Calls before anything counts, and how many are made in a row before it is the others' turn.
    private static let warmUp = 200
    private static let round = 100
    private static let text = "Where is the router, and who has put it there?"

    func run() async throws {
        let program = CommandLine.arguments[0]
        let database = try Database(path: directory + "/tools.db")
        defer { try? database.close() }
        let registry = Registry(
            RegistryRepository(database), http: NetworkHTTP(), now: { Date().timeIntervalSince1970 }
        ) { $0 }
        _ = try await registry.addMCP(
            "echo", MCPChange(command: .words([program, "echo-server"])), by: .init(name: "bench"))
        let servers = MCPServers(registry, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
        let direct = try DirectTool(program)
        defer { direct.close() }
        let (ours, theirs) = try await withThrowingTaskGroup(of: ([Duration], [Duration])?.self) { group in
            group.addTask {
                await servers.run()
                return nil
            }
            group.addTask { try await measure(servers, direct) }
            defer { group.cancelAll() }
            while let result = try await group.next() { if let result { return result } }
            throw BenchError.unexpected("nothing was measured")
        }
        func milliseconds(_ times: [Duration], _ part: Double) -> Double {
            times[min(times.count - 1, Int(Double(times.count) * part))] / .milliseconds(1)
        }
        Report.write([
            ("p50_ms", .number(milliseconds(ours, 0.5))), ("p99_ms", .number(milliseconds(ours, 0.99))),
            ("direct_p50_ms", .number(milliseconds(theirs, 0.5))),
        ])
    }

    private func measure(_ servers: MCPServers, _ direct: DirectTool) async throws -> ([Duration], [Duration]) {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(10)
        while await servers.status()["echo"]?.state != .ready {
            guard clock.now < deadline else { throw BenchError.unexpected("the server does not start") }
            try await Task.sleep(for: .milliseconds(10))
        }
        guard let server = await servers.servers().first else { throw BenchError.unexpected("there is no server") }
        let context = ToolContext(turnID: "t", callID: "c", sessionID: "s", handle: "ana", isAdmin: false)
        var (ours, theirs): ([Duration], [Duration]) = ([], [])
        for number in 0..<(calls + Self.warmUp) {
            let time = try await clock.measure {
                let result = await server.call("echo", ["text": .string(Self.text)], for: context) { _ in }
                guard result.text == "echo" else { throw BenchError.unexpected(result.text) }
            }
            if number >= Self.warmUp { ours.append(time) }
            guard number % Self.round == Self.round - 1 else { continue }
            for _ in 0..<Self.round { theirs.append(try clock.measure { try direct.ask(Self.text) }) }
        }
        return (ours.sorted(), theirs.dropFirst(Self.warmUp).sorted())
    }

    /// A server of MCP that does nothing, over standard input and output.
    static func serve() {
        while let line = readLine() {
            guard let place = line.range(of: #""id":"#) else { continue }
            let id = line[place.upperBound...].prefix { $0.isNumber }
            let result =
                if line.contains(#""initialize""#) {
                    #"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"e","version":"1"}}"#
                } else if line.contains("tools/list") || line.contains(#"tools\/list"#) {
                    #"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#
                } else {
                    #"{"content":[{"type":"text","text":"echo"}]}"#
                }
            print(#"{"jsonrpc":"2.0","id":\#(id),"result":\#(result)}"#)
            fflush(nil)
        }
    }
}

/// The same server, asked by nothing but reads and writes that block.
private final class DirectTool: Sendable {
    private let process: Process
    private let input: FileHandle
    private let output: FileHandle

    init(_ program: String) throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["echo-server"]
        let (toServer, fromServer) = (Pipe(), Pipe())
        process.standardInput = toServer
        process.standardOutput = fromServer
        (input, output) = (toServer.fileHandleForWriting, fromServer.fileHandleForReading)
        try process.run()
    }

    func ask(_ text: String) throws {
        let line =
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\#(text)"}}}"#
        try input.write(contentsOf: Data((line + "\n").utf8))
        while true {
            let piece = output.availableData
            guard let last = piece.last else { throw BenchError.unexpected("the server has ended") }
            if last == UInt8(ascii: "\n") { return }
        }
    }

    func close() {
        try? input.close()
        process.waitUntilExit()
    }
}
