import Foundation
import Testing

@testable import Agent
@testable import Gateway

// Are the tools that come with the agent put together as the configuration says, and does the doctor say which walls stand?

@Suite struct BuiltinToolsWiringTests {
    @Test("an agent that is served has a row for each server, and the shell only where it is allowed")
    func rows() async throws {
        let world = try GatewayCoreTests.World(seed: 1)
        let rows = try await world.core.registry.mcps()
        #expect(rows.filter { !$0.isEnabled }.map(\.name) == ["shell"])
        #expect(rows.allSatisfy { $0.kind == .builtin } && rows.count == 9)
        #expect(!world.core.tools.servers.contains { $0.name == "shell" })
        var offered = 0
        for server in world.core.tools.servers { offered += await server.tools().count }
        #expect(offered > 70)
        let other = try GatewayCoreTests.World(seed: 1, configuration: "shell: {enabled: true}\n")
        #expect(other.core.tools.servers.contains { $0.name == "shell" })
        #expect(try await other.core.registry.mcp("shell").isEnabled)
    }

    @Test("the sections web and shell are read, and what can't be is refused with its line")
    func settings() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        func load(_ yaml: String) throws -> ToolsConfiguration {
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: directory.configuration))
            return try AgentConfiguration.load(directory, environment: [:]).configuration.tools
        }
        let read = try load(
            """
            web:
              allow_private: [Wiki.local, 192.168.1.5, "fd00::1"]
              search_url: http://localhost:8888/search
            shell: {enabled: true, memory_mb: 512}
            """)
        #expect(read.web.privateHosts == ["wiki.local", "192.168.1.5", "fd00::1"])
        #expect(read.web.searchURL == "http://localhost:8888/search")
        #expect(read.shell == ShellSettings(isEnabled: true, memory: 512 << 20))
        #expect(try load("name: a\n") == ToolsConfiguration())
        for yaml in [
            "web:\n  allow_private: wiki\n", "web:\n  allow_private: [http://a]\n", "web:\n  allow_private: [a/b]\n",
            "web:\n  allow_private: [[a]]\n", "web:\n  search_url: ftp://a\n", "web:\n  search_url: http://a/?q=\n",
            "shell:\n  enabled: maybe\n", "shell:\n  memory_mb: 1\n",
        ] {
            let error = #expect(throws: ConfigurationError.self) { try load(yaml) }
            #expect(error?.line == 2, "\(yaml)")
        }
    }

    @Test("P-37: the doctor says which level of isolation is active, and the documents state its limits")
    func level() async throws {
        func finding(_ yaml: String) async throws -> AgentFinding {
            let directory = AgentDirectory(try LifecycleFixture.folder())
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: directory.configuration))
            let doctor = AgentDoctor(directory: directory, environment: [:], now: { 1 }, reach: { _ in nil })
            let found = await doctor.examine().first { $0.name == "sandbox" }
            // It only looks.
            #expect(!FileManager.default.fileExists(atPath: directory.workspace))
            return try #require(found)
        }
        let off = try await finding("name: a\n")
        #expect(off.state == .ok && off.message.hasPrefix("level none: the shell is off"))
        let on = try await finding("shell: {enabled: true}\n")
        #expect(on.state == .ok && on.message.hasPrefix("level bubblewrap"))
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let security = try String(contentsOf: root.appending(path: "docs/security.md"), encoding: .utf8)
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for statement in [
            "The walls around commands are the kernel's namespaces, not a machine of its own",
            "a hole in the kernel is a way out",
            "When bubblewrap is missing or can't make its namespaces, nothing runs",
        ] {
            #expect(security.contains(statement), "\(statement)")
        }
    }

    @Test("P-98: the doctor warns of an address for webhooks that others reach, and says nothing where there is none")
    func webhooks() async throws {
        for (listen, state) in [
            ("8899", AgentFinding.State.ok), ("'[::1]:8899'", .ok), ("0.0.0.0:8899", .warning),
            ("hooks.example:8899", .warning), ("", nil),
        ] {
            let directory = AgentDirectory(try LifecycleFixture.folder())
            let yaml = listen.isEmpty ? "name: a\n" : "webhooks: {listen: \(listen)}\n"
            try Data(yaml.utf8).write(to: URL(fileURLWithPath: directory.configuration))
            let doctor = AgentDoctor(directory: directory, environment: [:], now: { 1 }, reach: { _ in nil })
            let found = await doctor.examine().first { $0.name == "webhooks" }
            #expect(found?.state == state, "\(listen): \(String(describing: found))")
            if state == .warning { #expect(found?.fix?.contains("webhooks.listen 127.0.0.1:8899") == true) }
        }
    }
}
