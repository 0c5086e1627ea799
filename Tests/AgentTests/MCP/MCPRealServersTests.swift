import Foundation
import Glibc
import JSON
import Synchronization
import Testing

@testable import Agent

// The servers that others have written speak with us.

@Suite struct MCPRealServersTests {
    @Test("mcp-server-time tells the time, and its mistakes are errors that can be read")
    func time() async throws {
        let program = try MCPPeers.program("mcp-server-time")
        try await RunningMCP.run([program, "--local-timezone=Europe/Paris"], name: "time") { running in
            #expect(await running.server.tools().map(\.name).sorted() == ["convert_time", "get_current_time"])
            let result = await running.server.ask("get_current_time", ["timezone": "Europe/Paris"])
            #expect(!result.isError && result.text.contains("Europe/Paris"), "\(result)")
            let converted = await running.server.ask(
                "convert_time",
                ["source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Asia/Kathmandu"])
            #expect(converted.text.contains("08:45"), "\(converted)")
            let wrong = await running.server.ask("get_current_time", ["timezone": "Mars/Olympus"])
            #expect(wrong.isError && wrong.text.contains("Mars"), "\(wrong)")
        }
    }

    @Test("mcp-server-git reads a repository")
    func git() async throws {
        let program = try MCPPeers.program("mcp-server-git")
        let folder = NSTemporaryDirectory() + "mcp-git-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let script = """
            cd "$1" && git init -q . && echo hello > file && git add file \
            && git -c user.name=Ada -c user.email=a@b.c commit -qm 'First words' && echo more >> file
            """
        _ = try await Command(["/bin/sh", "-c", script, "sh", folder], setting: "the test").output()
        try await RunningMCP.run([program, "--repository", folder], name: "git") { running in
            let log = await running.server.ask("git_log", ["repo_path": .string(folder)])
            #expect(!log.isError && log.text.contains("First words"), "\(log)")
            let status = await running.server.ask("git_status", ["repo_path": .string(folder)])
            #expect(status.text.contains("file"), "\(status)")
            #expect(await running.server.ask("git_log", ["repo_path": "/"]).isError)
        }
    }

    @Test("mcp-server-fetch reads a page")
    func fetch() async throws {
        let program = try MCPPeers.program("mcp-server-fetch")
        try await MCPWeb.run { address in
            let words = [program, "--ignore-robots-txt", "--allow-private-ips"]
            // Where it finds Node it loads a script from the internet at its first call.
            try await RunningMCP.run(words, environment: ["PATH": "/nowhere"], name: "fetch") { running in
                let page = await running.server.ask("fetch", ["url": .string(address + "/page")])
                #expect(!page.isError && page.text.contains("Words of the page"), "\(page)")
                #expect(await running.server.ask("fetch", ["url": .string(address + "/none")]).isError)
            }
        }
    }

    /// What the server made with the SDK can do, however it is reached.
    private static func useExample(_ running: RunningMCP) async throws {
        let tools = await running.server.tools()
        #expect(tools.map(\.name).sorted() == ["add", "count", "fail", "wait"])
        #expect(tools.first { $0.name == "add" }?.effect == .query)
        #expect(tools.first { $0.name == "count" }?.effect == .action)
        #expect(await running.server.ask("add", ["a": 2, "b": 3]).text == "5")
        let steps = Mutex<[String]>([])
        let counted = await running.server.call("count", ["to": 3], for: .test) { text in
            steps.withLock { $0.append(text) }
        }
        #expect(counted == ToolResult("counted to 3"))
        #expect(steps.withLock { $0 } == ["at 1", "at 2", "at 3"])
        let failed = await running.server.ask("fail")
        #expect(failed.isError, "\(failed)")
        #expect(await running.server.ask("add", ["a": "two"]).isError)
        // Given up after its time, while others go on.
        let slow = await running.server.ask("wait", ["seconds": 30])
        #expect(slow.isError && slow.text.contains("did not answer within"), "\(slow)")
        #expect(await running.server.ask("add", ["a": 1, "b": 1]).text == "2")
        #expect(await running.server.status.restarts == 0)
    }

    private static var settings: MCPSettings {
        var settings = MCPSettings()
        settings.times = { ToolTimes(certain: ["odd_wait": .milliseconds(500), "web_wait": .milliseconds(500)]) }
        return settings
    }

    @Test("a server made with the SDK is used over its pipes")
    func sdkOverPipes() async throws {
        _ = try MCPPeers.program("python")
        try await RunningMCP.run(MCPPeers.fixture("sdk_server"), settings: Self.settings) { running in
            try await Self.useExample(running)
        }
    }

    @Test("a server made with the SDK is used over streamable HTTP")
    func sdkOverHTTP() async throws {
        _ = try MCPPeers.program("python")
        let port = try Self.freePort()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await Command(MCPPeers.fixture("sdk_server", "\(port)"), setting: "the test").run { _ in }
                return false
            }
            group.addTask {
                // Until it listens it is tried again.
                try await RunningMCP.run(
                    url: "http://127.0.0.1:\(port)/mcp", settings: Self.settings, isReady: false
                ) { running in
                    try await running.wait { $0.state == .ready }
                    let before = await running.server.status.restarts
                    #expect(before < 6)
                    #expect(await running.server.ask("add", ["a": 2, "b": 3]).text == "5")
                    #expect(await running.server.ask("count", ["to": 2]).text == "counted to 2")
                    let slow = await running.server.ask("wait", ["seconds": 30])
                    #expect(slow.isError && slow.text.contains("did not answer within"), "\(slow)")
                    #expect(await running.server.ask("add", ["a": 1, "b": 1]).text == "2")
                    #expect(await running.server.status.restarts == before)
                }
                return true
            }
            while let isDone = try await group.next() { if isDone { break } }
            group.cancelAll()
        }
    }

    private static func freePort() throws -> UInt16 {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> UInt16 in
                guard bind(socket, address, length) == 0, getsockname(socket, address, &length) == 0 else { return 0 }
                return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin_port)
                }
            }
        }
        return try #require(port == 0 ? nil : port)
    }
}
