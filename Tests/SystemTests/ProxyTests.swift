import Foundation
import Testing

@Suite struct ProxySystemTests {
    @Test("curl reaches the agent through the proxy, and a revoked device is cut (P-16)")
    func curlThroughTheProxy() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let (proxy, url) = try await world.startProxy()

        #expect(try await curl("\(url)/api/health").contains("\"status\":\"ok\""))
        #expect(try await curl("\(url)/api/agent-info").contains(server.nodeID))
        #expect(try await curlStatus(["\(url)/api/agent-info", "-H", "Origin: https://evil.example"]) == 403)
        #expect(try await curlStatus(["\(url)/api/agent-info", "-H", "Host: evil.example"]) == 403)

        let list = try await world.run(["devices", "list", "--json", "--agent", world.agent.path])
        let devices = try #require(
            try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [String: [[String: Any]]], "\(list)")
        let device = try #require(devices["devices"]?.first?["device"] as? String)
        let revoke = try await world.run(["devices", "revoke", device, "--agent", world.agent.path])
        #expect(revoke.status == 0, "\(revoke)")
        #expect(try await curlStatus(["\(url)/api/agent-info"]) == 401)
        let chat = try await world.run(["chat", "-m", "hello"])
        #expect(chat.status == 77, "\(chat)")

        proxy.signal(SIGTERM)
        #expect(try await proxy.exit() == 0)
    }

    @Test("an agent that can't be reached gives 502 with a reason and something to try")
    func unreachableAgentGives502() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let (_, url) = try await world.startProxy(["--timeout", "1"])
        #expect(try await curlStatus(["\(url)/api/health"]) == 502)
        let body = try await curl("\(url)/api/health")
        #expect(body.contains("\"message\"") && body.contains("\"hint\""), "\(body)")
    }

    @Test("P-14: with --token the local token is needed; its file is private and stays the same")
    func tokenIsNeeded() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let (proxy, url) = try await world.startProxy(["--token"])
        #expect(try await curlStatus(["\(url)/api/agent-info"]) == 401)
        let path = world.home.appendingPathComponent("user/proxy.token")
        let token = try String(contentsOf: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        let mode = try FileManager.default.attributesOfItem(atPath: path.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try await curlStatus(["\(url)/api/agent-info", "-H", "Authorization: Bearer \(token)"]) == 200)
        proxy.signal(SIGINT)
        #expect(try await proxy.exit() == 0)
        _ = try await world.startProxy(["--token"])
        #expect(try String(contentsOf: path, encoding: .utf8).contains(token))
    }

    @Test("a private socket instead of a port")
    func unixSocket() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let path = world.root.appendingPathComponent("proxy.sock").path
        let proxy = try world.start(["proxy", "--unix", path])
        try await proxy.line(containing: path)
        #expect(try await curl("http://localhost/api/health", ["--unix-socket", path]).contains("ok"))
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        #expect(try listeningTCPSockets(of: proxy.pid) == [])
    }

    @Test("a proxy that nobody uses sleeps: keeping its certificate fresh costs nothing")
    func idleProxySleeps() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let (proxy, _) = try await world.startProxy()
        let before = try Self.processorTime(of: proxy)
        // Not a wait for something: the span over which nothing may happen.
        try await Task.sleep(for: .seconds(2))
        let used = try Self.processorTime(of: proxy) - before
        #expect(used < 0.4, "\(used) s of 2 s")
    }

    /// Seconds of processor time that the program has used (proc(5), hundredths of a second).
    private static func processorTime(of program: Program) throws -> Double {
        let fields = try String(contentsOfFile: "/proc/\(program.pid)/stat", encoding: .utf8).split(separator: " ")
        return ((Double(fields[13]) ?? 0) + (Double(fields[14]) ?? 0)) / 100
    }

    @Test("a real browser chats through the proxy")
    func browserChats() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let (_, url) = try await world.startProxy()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Browser/chat_in_browser.py").path
        let browser = try world.launch("/usr/bin/python3", [script, url, "hello"])
        #expect(try await browser.exit(within: 60) == 0, "\(browser.errors)")
        let answer = try #require(
            try JSONSerialization.jsonObject(with: Data(browser.output.utf8)) as? [String: Any], "\(browser.output)")
        let frames = try #require(answer["frames"] as? [[String: Any]])
        #expect(frames.first?["type"] as? String == "auth_ok")
        #expect(frames.contains { $0["type"] as? String == "response" })
        #expect(frames.last?["type"] as? String == "turn_complete")
    }
}

extension TestHome {
    func startProxy(_ arguments: [String] = []) async throws -> (Program, String) {
        let proxy = try start(["proxy"] + arguments)
        let url = try await proxy.line { $0.hasPrefix("http://127.0.0.1:") }
        return (proxy, url)
    }
}

private func curl(_ url: String, _ arguments: [String] = []) async throws -> String {
    let program = try Program("/usr/bin/curl", ["-s", "--max-time", "20", url] + arguments)
    _ = try await program.exit(within: 30)
    return program.output
}

private func curlStatus(_ arguments: [String]) async throws -> Int {
    let program = try Program(
        "/usr/bin/curl", ["-s", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"] + arguments)
    _ = try await program.exit(within: 30)
    return Int(program.output) ?? 0
}
