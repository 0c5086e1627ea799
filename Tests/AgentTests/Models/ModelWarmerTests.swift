import Foundation
import Glibc
import Synchronization
import TestProviders
import Testing

@testable import Agent
@testable import Store

// Lists of models are there before anybody asks, outlive a restart, and nobody waits for a provider.

@Suite struct ModelWarmerTests {
    /// A registry over a real database, whose clock a test moves.
    final class World: Sendable {
        let path = NSTemporaryDirectory() + "warmer-\(UUID().uuidString)"
        let seconds = Mutex<Double>(1_000)

        /// As a process that starts sees it.
        func start(_ body: (Registry) async throws -> Void) async throws {
            let database = try Store.Database(path: path + ".db")
            defer { try? database.close() }
            let registry = Registry(
                RegistryRepository(database), http: NetworkHTTP(), now: { self.seconds.withLock { $0 } },
                resolve: { $0 })
            try await body(registry)
        }

        func end() {
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ".db" + suffix) }
        }
    }

    func warmer(_ registry: Registry, path: String = "", servers: [String] = []) -> ModelWarmer {
        ModelWarmer(registry, http: NetworkHTTP(), time: .system, path: path, servers: servers)
    }

    func overview(_ registry: Registry) async throws -> (ids: [String], found: [FoundProvider], isLoading: Bool) {
        let providers = try await registry.providers(after: 0, limit: 100)
        let known = await registry.discovery.overview(providers)
        return (known.lists.values.flatMap { $0.models.map(\.id) }.sorted(), known.found, known.isLoading)
    }

    @Test(
        "P-80: a cold start shows nothing and that it is loading; then a list, which nothing bad replaces, nor a restart"
    )
    func listsStay() async throws {
        let world = World()
        defer { world.end() }
        try await FakeProvider.run { fake in
            try await world.start { registry in
                _ = try await registry.addProvider(
                    .init(name: "house", apiKey: "k", baseURL: fake.address), by: RegistryTests.me)
                fake.fail(.silent)
                let round = Task { await warmer(registry).round() }
                try await soon(10, "the provider to be asked") {
                    while fake.questions.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
                }
                let cold = try await overview(registry)
                #expect(cold.ids.isEmpty && cold.isLoading)
                round.cancel()
                await round.value
                fake.fail(.none)
                await warmer(registry).round()
                let warm = try await overview(registry)
                #expect(warm.ids == ["large", "small"] && !warm.isLoading)
                for fault in [FakeProvider.Fault.empty, .status(500), .silent, .garbage] {
                    world.seconds.withLock { $0 += 601 }
                    fake.fail(fault)
                    await warmer(registry).round()
                    #expect(try await overview(registry).ids == ["large", "small"], "\(fault)")
                }
            }
            // Nobody has been asked by this process, and it shows what the one before knew.
            let before = fake.questions.count
            try await world.start { registry in
                #expect(try await overview(registry).ids == ["large", "small"])
                #expect(fake.questions.count == before)
                let provider = try await registry.provider(named: "house")
                let begin = ContinuousClock.now
                let offered = try await registry.discovery.models(of: provider)
                #expect(offered.isStale && ContinuousClock.now - begin < .seconds(8))
                // Another key is another list.
                _ = try await registry.changeProvider(provider.id, .init(apiKey: "other"), by: RegistryTests.me)
            }
            world.seconds.withLock { $0 += 1 }
            try await world.start { registry in
                _ = try await registry.changeProvider(
                    try await registry.provider(named: "house").id, .init(apiKey: "third"), by: RegistryTests.me)
                #expect(try await overview(registry).ids.isEmpty)
            }
        }
    }

    @Test("servers of models on this machine are found and offered until somebody adds them")
    func localServers() async throws {
        let world = World()
        defer { world.end() }
        /// Sends what goes to Ollama's port to the fake.
        struct Elsewhere: OutboundHTTP {
            var address: String
            func send(_ request: OutboundRequest) async throws -> OutboundAnswer {
                guard request.url.hasPrefix("http://127.0.0.1:11434/") else { throw OutboundHTTPError.unreachable }
                var request = request
                request.url = address + request.url.dropFirst("http://127.0.0.1:11434".count)
                return try await NetworkHTTP().send(request)
            }
        }
        try await FakeProvider.run { fake in
            try await world.start { registry in
                let warmer = ModelWarmer(registry, http: Elsewhere(address: fake.address), time: .system, path: "")
                await warmer.round()
                let found = try await overview(registry).found
                #expect(found.map(\.name) == ["ollama"] && found.first?.address == "http://127.0.0.1:11434")
                #expect(found.first?.models.map(\.id) == ["large", "small"])
                #expect(found.first?.command == "openagent providers add ollama")
                _ = try await registry.addProvider(.init(name: "ollama"), by: RegistryTests.me)
                #expect(try await overview(registry).found.isEmpty)
            }
        }
    }

    @Test(
        "P-22: installed programs are asked for their version alone, with no key, no home and no variable of the agent's"
    )
    func programs() async throws {
        setenv("ANTHROPIC_API_KEY", "sk-ant-canary", 1)
        setenv("OPENAI_API_KEY", "sk-canary", 1)
        defer { for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"] { unsetenv(name) } }
        let stage = try CommandModelTests.Stage()
        let script =
            #"echo "$#:$*" > FOLDER/argv; env > FOLDER/env; cat > FOLDER/stdin; printf '2.1.0 (Claude Code)\n\033[31mx'"#
        _ = try stage.script(script.replacingOccurrences(of: "FOLDER", with: stage.folder), name: "claude")
        _ = try stage.script("exit 1", name: "codex")
        let found = await InstalledPrograms(path: "relative:\(stage.folder):/usr/bin:/bin").look()
        #expect(found == [FoundProvider(name: "claude", framework: "command", version: "2.1.0 (Claude Code)")])
        #expect(found.first?.command == "openagent providers add claude --framework command")
        #expect(try stage.text("argv") == "1:--version\n" && stage.text("stdin").isEmpty)
        let variables = try stage.text("env")
        #expect(!variables.contains("canary") && !variables.contains("API_KEY"), "\(variables)")
        #expect(variables.contains("HOME=/nonexistent\n"))
    }
}
