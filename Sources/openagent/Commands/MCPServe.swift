internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import JSON
internal import Synchronization
internal import Wire

// How does a program on this machine use the agent as an MCP server? Over standard input and output: each line is a message, goes to the
// agent's `/mcp` as it is, and what comes back is printed as lines. Nothing else is ever written to standard output; logs go to the file
// of client commands, and why it ends to standard error. It knows no tools: the agent does.

struct MCPServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Be an MCP server on standard input and output: the agent's notes, conversations and schedule.",
        discussion: "For programs that start MCP servers themselves. Others use /mcp through 'openagent proxy'.")

    /// Bytes of a message.
    private static let longestLine = 1 << 20
    /// Messages that are under way at a time.
    private static let most = 64
    /// How long answers may take that are under way when the input ends.
    private static let farewell = Duration.seconds(5)

    @OptionGroup var target: TargetOptions

    func run() async throws {
        if let stopped = try target.stoppedAgent() {
            throw CommandError(
                .state, "nobody serves the agent in \(stopped.path)",
                hint: "start it with: openagent serve \(stopped.path)")
        }
        let bridge = Bridge()
        try await target.ask { agent in
            await withTaskGroup(of: Void.self) { group in
                var running = 0
                for await line in Self.lines() {
                    if running >= Self.most {
                        await group.next()
                        running -= 1
                    }
                    running += 1
                    group.addTask { await bridge.carry(line, to: agent) }
                }
                group.addTask { try? await Task.sleep(for: Self.farewell) }
                // The pause is the last one to be there when all answers came in time.
                while running > 0, await group.next() != nil { running -= 1 }
                group.cancelAll()
            }
        }
    }

    /// What is read, line by line; a line that is too long is nil.
    private static func lines() -> AsyncStream<[UInt8]?> {
        // Reading is held back by nobody but the client itself, who waits for answers.
        AsyncStream { continuation in
            Thread.detachNewThread {
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                var line: [UInt8] = []
                var isTooLong = false
                while true {
                    let count = read(STDIN_FILENO, &buffer, buffer.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { break }
                    for byte in buffer.prefix(count) {
                        if byte == UInt8(ascii: "\n") {
                            continuation.yield(isTooLong ? nil : line)
                            (line, isTooLong) = ([], false)
                        } else if line.count < longestLine {
                            line.append(byte)
                        } else {
                            isTooLong = true
                        }
                    }
                }
                if !line.isEmpty { continuation.yield(isTooLong ? nil : line) }
                continuation.finish()
            }
        }
    }

    /// Carries messages to the agent, and answers to standard output.
    private final class Bridge: Sendable {
        private let output = Mutex(())
        /// Tells this program's requests from those of others of the same device.
        private let session = UUID().uuidString.lowercased()

        func carry(_ line: [UInt8]?, to agent: Administration) async {
            guard let line else { return fail(nil, -32600, "A message may have 1 MiB.") }
            guard line.contains(where: { $0 > 0x20 }) else { return }
            let request = AdministrationRequest(
                method: .POST, path: "/mcp", body: line,
                headers: [
                    ("Accept", "application/json, text/event-stream"), ("Mcp-Session-Id", session),
                    ("Content-Type", "application/json"),
                ])
            do {
                var events = EventLines()
                let reply = try await agent.follow(request) { bytes in
                    for text in events.take(bytes) { self.write(Data(text.utf8)) }
                }
                if reply.body.isEmpty || write(Data(reply.body)) { return }
                let said = (try? JSONDecoder().decode(ErrorBody.self, from: Data(reply.body)))?.error.message
                fail(line, -32603, said ?? String(decoding: reply.body.prefix(200), as: UTF8.self))
            } catch is CancellationError {
                // The client has left.
            } catch {
                fail(line, -32603, CommandError(sorting: error)?.message ?? "the agent could not be asked")
            }
        }

        /// Prints what is a message of the protocol, on one line.
        ///
        /// - Returns: whether it is one.
        @discardableResult
        private func write(_ data: Data) -> Bool {
            guard let value = try? JSONDecoder().decode(JSONValue.self, from: data), value["jsonrpc"] == "2.0" else {
                return false
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            // What was read as JSON has a JSON form.
            guard let text = try? encoder.encode(value) else { return false }
            output.withLock { _ in Output.write(String(decoding: text, as: UTF8.self) + "\n") }
            return true
        }

        /// Answers a request that did not get through; notifications have no answer.
        private func fail(_ line: [UInt8]?, _ code: Int64, _ text: String) {
            var id = JSONValue.null
            if let line {
                guard let named = (try? JSONDecoder().decode(JSONValue.self, from: Data(line)))?["id"] else { return }
                id = named
            }
            let error: JSONValue = [
                "jsonrpc": "2.0", "id": id, "error": ["code": .integer(code), "message": .string(text)],
            ]
            if let data = try? JSONEncoder().encode(error) { write(data) }
        }
    }
}

/// The data of events out of a stream that comes in pieces.
private struct EventLines {
    private var rest: [UInt8] = []

    mutating func take(_ bytes: [UInt8]) -> [String] {
        rest += bytes
        var texts: [String] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<end], as: UTF8.self)
            if line.hasPrefix("data: ") { texts.append(String(line.dropFirst(6))) }
            rest.removeSubrange(...end)
        }
        return texts
    }
}
