import Foundation
import JSON
import Synchronization
import Testing

@testable import Agent

// Servers that are an address, as they should be and as they are.

/// A server over HTTP while a test asks it.
enum MCPWeb {
    /// - Parameter body: is given `http://127.0.0.1:PORT`.
    static func run<T: Sendable>(_ body: @escaping @Sendable (String) async throws -> T) async throws -> T {
        let words = MCPPeers.fixture("http_mcp")
        try #require(FileManager.default.fileExists(atPath: words[0]), "run scripts/install-peers")
        let (ports, port) = AsyncStream.makeStream(of: String.self)
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await Command(words, setting: "the test").run { piece in
                    port.yield(String(decoding: piece, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
                }
                return nil
            }
            group.addTask {
                for await port in ports { return try await body("http://127.0.0.1:\(port)") }
                return nil
            }
            defer { group.cancelAll() }
            while let result = try await group.next() { if let result { return result } }
            throw MCPTimeout(what: "the server's port")
        }
    }

    /// What a server was sent: method, headers, and the message's method.
    static func seen(_ server: MCPServer) async throws -> [[JSONValue]] {
        let text = await server.ask("seen").text
        return try JSONDecoder().decode([[JSONValue]].self, from: Data(text.utf8))
    }
}

@Suite struct MCPHTTPTests {
    @Test("answers come as JSON and as events, with progress, and words of the server's own on a stream of their own")
    func exchange() async throws {
        try await MCPWeb.run { address in
            try await RunningMCP.run(url: address + "/mcp") { running in
                #expect(await running.server.tools().count == 9)
                #expect(await running.server.ask("session") == ToolResult("session-1"))
                let steps = Mutex<[String]>([])
                let result = await running.server.call("stream", [:], for: .test) { text in
                    steps.withLock { $0.append(text) }
                }
                #expect(result == ToolResult("streamed") && steps.withLock { $0 } == ["half"])
                #expect(await running.server.ask("announce") == ToolResult("announced"))
                try await MCPPeers.within(10, "the server's own words") { [log = running.log] in
                    while !log.all.contains(where: { $0.contains("own words") }) {
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
                let seen = try await MCPWeb.seen(running.server)
                let calls = seen.filter { $0.count > 2 && $0[2] != "initialize" }
                #expect(calls.allSatisfy { $0[1]["Mcp-Session-Id"] == "session-1" })
                #expect(calls.allSatisfy { $0[1]["MCP-Protocol-Version"] == "2025-06-18" })
                #expect(calls.allSatisfy { $0[1]["Accept"] == "application/json, text/event-stream" })
            }
            try await RunningMCP.run(url: address + "/mcp") { running in
                // Who went before has said so.
                let seen = try await MCPWeb.seen(running.server)
                #expect(seen.contains { $0[0] == "DELETE" && $0[1]["Mcp-Session-Id"] == "session-1" })
            }
        }
    }

    @Test("a session that the server has forgotten is begun anew at once")
    func forgotten() async throws {
        try await MCPWeb.run { address in
            try await RunningMCP.run(url: address + "/mcp") { running in
                #expect(await running.server.ask("forget") == ToolResult("forgotten"))
                #expect(await running.server.ask("session").isError)
                try await running.wait { $0.restarts == 1 && $0.state == .ready }
                #expect(await running.server.ask("session") == ToolResult("session-2"))
            }
        }
    }

    @Test(
        "answers that break off, fail, never come or never end are errors of the call alone, and calls don't wait for each other"
    )
    func faults() async throws {
        var settings = MCPSettings()
        settings.times = { ToolTimes(certain: ["web_sleep": .milliseconds(300)]) }
        try await MCPWeb.run { [settings] address in
            try await RunningMCP.run(url: address + "/mcp", settings: settings) { running in
                let dropped = await running.server.ask("drop")
                #expect(dropped.isError && dropped.text.contains("cut off"), "\(dropped)")
                let broken = await running.server.ask("broken")
                #expect(broken.isError && broken.text.contains("HTTP 500"), "\(broken)")
                async let slow = running.server.ask("sleep")
                #expect(await running.server.ask("session") == ToolResult("session-1"))
                #expect(await slow.text.contains("did not answer within"))
                #expect(await running.server.status.restarts == 0)
                #expect(await running.server.ask("huge").isError)
                try await running.wait { $0.restarts == 1 && $0.state == .ready }
            }
        }
    }

    @Test(
        "P-21: headers go to the address that they stand beside, and nowhere else, by no redirect and to no other server"
    )
    func headers() async throws {
        try await MCPWeb.run { other in
            try await MCPWeb.run { address in
                let token = ["X-Token": "granted-to-one", "Host": "elsewhere", "Mcp-Session-Id": "forged"]
                try await RunningMCP.run(url: address + "/mcp", headers: token) { running in
                    let seen = try await MCPWeb.seen(running.server)
                    #expect(!seen.isEmpty && seen.allSatisfy { $0[1]["X-Token"] == "granted-to-one" })
                    #expect(
                        seen.allSatisfy { ($0[1]["Host"] ?? $0[1]["host"])?.string?.hasPrefix("127.0.0.1:") == true })
                    #expect(seen.allSatisfy { $0[1]["Mcp-Session-Id"] != "forged" })
                }
                try await RunningMCP.run(url: other + "/mcp") { running in
                    let seen = try await MCPWeb.seen(running.server)
                    #expect(seen.allSatisfy { $0[1]["X-Token"] == nil })
                }
                try await RunningMCP.run(url: other + "/elsewhere", headers: token, isReady: false) { running in
                    try await running.wait { $0.state == .backingOff }
                    let error = await running.server.status.error ?? ""
                    #expect(error.contains("redirects are not followed"), "\(error)")
                    #expect(!running.log.all.contains { $0.contains("granted-to-one") })
                }
                try await RunningMCP.run(url: other + "/mcp") { running in
                    let posts = try await MCPWeb.seen(running.server).filter { $0[1]["X-Token"] != nil }
                    #expect(posts.count == 1)
                }
                try await RunningMCP.run(url: other + "/refusing", headers: token, isReady: false) { running in
                    try await running.wait { $0.state == .backingOff }
                    #expect(await running.server.status.error?.contains("look at the headers") == true)
                }
            }
        }
    }

    @Test("an address where nobody is is tried again later")
    func nobody() async throws {
        try await RunningMCP.run(url: "http://127.0.0.1:1/mcp", isReady: false) { running in
            try await running.wait { $0.state == .backingOff }
            #expect(await running.server.status.error == "its address can't be reached")
        }
    }
}
