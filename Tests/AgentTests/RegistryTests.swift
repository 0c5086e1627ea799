import Foundation
import Testing

@testable import Agent
@testable import Store

// Which changes of providers, models and MCP servers are refused, and what becomes of their secrets?

@Suite struct RegistryTests {
    static let me = Registry.Actor(name: "ana", device: [1, 2])
    let path = FileManager.default.temporaryDirectory.appending(path: "registry-\(UUID().uuidString).db").path

    struct NoNetwork: OutboundHTTP {
        func send(_ request: OutboundRequest) async throws -> OutboundAnswer { throw OutboundHTTPError.unreachable }
    }

    func with(_ body: (Registry, Store.Database) async throws -> Void) async throws {
        let database = try Store.Database(path: path)
        defer {
            try? database.close()
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
        try await body(Registry(RegistryRepository(database), http: NoNetwork(), now: { 1 }) { $0 }, database)
    }

    func add(_ registry: Registry, _ change: ProviderChange) async throws -> ProviderRecord {
        try await registry.addProvider(change, by: Self.me).provider
    }

    // MARK: Providers

    @Test("Weakness: renaming a provider changes its row and makes no second one")
    func renamedInPlace() async throws {
        try await with { registry, _ in
            let row = try await add(registry, .init(name: "house", apiKey: "k1", baseURL: "http://127.0.0.1:9"))
            let model = try await registry.addModel(.init(model: "m"), to: row.id, by: Self.me)
            #expect(model.runtimeID == "house:m")
            let renamed = try await registry.changeProvider(row.id, .init(name: "home"), by: Self.me)
            #expect(renamed.id == row.id && renamed.name == "home" && renamed.apiKey == Secret("k1"))
            #expect(try await registry.providers(after: 0, limit: 10).count == 1)
            #expect(try await registry.model(model.model.id).runtimeID == "home:m")
            _ = try await add(registry, .init(name: "other", baseURL: "http://127.0.0.1:9"))
            await #expect(throws: RegistryError.self) {
                try await registry.changeProvider(row.id, .init(name: "other"), by: Self.me)
            }
        }
    }

    @Test func addingTheSameNameAndFrameworkChangesTheRow() async throws {
        try await with { registry, _ in
            let first = try await registry.addProvider(.init(name: "openai", apiKey: "one"), by: Self.me)
            let second = try await registry.addProvider(.init(name: "openai", apiKey: "two"), by: Self.me)
            #expect(first.isNew && !second.isNew && first.provider.id == second.provider.id)
            #expect(second.provider.apiKey == Secret("two"))
            let other = try await registry.addProvider(.init(name: "openai", framework: "litellm"), by: Self.me)
            #expect(other.isNew)
            for change in [ProviderChange(framework: "agno"), .init(kind: "tts")] {
                await #expect(throws: RegistryError.self) {
                    try await registry.changeProvider(first.provider.id, change, by: Self.me)
                }
            }
        }
    }

    @Test("P-18: a key is shown by its end at most, and what is shown, written back, changes nothing")
    func keysAreWriteOnly() async throws {
        for (key, shown) in [
            ("abc", "****"), ("sk-123456789012", "****"), ("sk-1234567890123", "****0123"),
            ("${OPENAI_API_KEY}", "${OPENAI_API_KEY}"), ("{env:KEY}", "{env:KEY}"), ("{file:keys/a}", "{file:keys/a}"),
            ("${sk-secret-1234567}", "****567}"), ("${A}and-more-than-that", "****that"),
        ] {
            #expect(Secret(key).display == shown)
        }
        try await with { registry, _ in
            let key = "sk-0123456789abcdef"
            let row = try await add(registry, .init(name: "openai", apiKey: key + "\n"))
            for same in [nil, Secret.marker, "****cdef"] {
                let changed = try await registry.changeProvider(row.id, .init(apiKey: same), by: Self.me)
                #expect(changed.apiKey == Secret(key), "\(same ?? "nil")")
            }
            for other in ["****", "****0000", "—"] {
                await #expect(throws: RegistryError.self, "\(other)") {
                    try await registry.changeProvider(row.id, .init(apiKey: other), by: Self.me)
                }
            }
            let cleared = try await registry.changeProvider(row.id, .init(apiKey: ""), by: Self.me)
            #expect(cleared.apiKey == nil)
            #expect(try await registry.changeProvider(row.id, .init(apiKey: "—"), by: Self.me).apiKey == nil)
            await #expect(throws: RegistryError.self) {
                try await registry.changeProvider(row.id, .init(apiKey: Secret.marker), by: Self.me)
            }
            for bad in ["a\nb", "ключ", String(repeating: "x", count: 8_193)] {
                await #expect(throws: RegistryError.self) {
                    try await registry.changeProvider(row.id, .init(apiKey: bad), by: Self.me)
                }
            }
        }
    }

    @Test("P-21: a stored key goes only to the address that it was stored for")
    func aKeyStaysWithItsAddress() async throws {
        try await with { registry, _ in
            let row = try await add(registry, .init(name: "openai", apiKey: "sk-0123456789abcdef"))
            for change in [
                ProviderChange(baseURL: "https://evil.example/v1"), .init(name: "groq"),
                .init(apiKey: Secret.marker, baseURL: "http://api.openai.com/v1"),
                .init(apiKey: "—", baseURL: "https://evil.example/v1"),
            ] {
                await #expect(throws: RegistryError.self) {
                    try await registry.changeProvider(row.id, change, by: Self.me)
                }
            }
            await #expect(throws: RegistryError.self) {
                try await registry.addProvider(.init(name: "openai", baseURL: "https://evil.example"), by: Self.me)
            }
            let same = try await registry.changeProvider(
                row.id, .init(baseURL: "https://API.openai.com:443/v2"), by: Self.me)
            #expect(same.apiKey != nil)
            let moved = try await registry.changeProvider(
                row.id, .init(apiKey: "another", baseURL: "https://other.example"), by: Self.me)
            #expect(moved.apiKey == Secret("another"))
            // A reference is no secret, and whoever may change the address may write it anew.
            _ = try await registry.changeProvider(row.id, .init(apiKey: "{env:KEY}"), by: Self.me)
            _ = try await registry.changeProvider(row.id, .init(baseURL: "https://third.example"), by: Self.me)
        }
    }

    @Test(arguments: [
        "", "ftp://x", "http://", "https://user:pass@host/", "https://user@host", "https://host/?key=1",
        "https://host/#x", "javascript:alert(1)", "//host", "http://ho st", "http://host:0", "http://host:99999",
        "https://ü.example", "http://" + String(repeating: "a", count: 2_100),
    ])
    func anAddressIsPlainHTTP(_ url: String) {
        #expect(throws: RegistryError.self) { try RegistryRules.url(url, "base_url", query: false) }
    }

    @Test func namesAndMetadataAreChecked() async throws {
        try await with { registry, _ in
            for name in ["", "A", "-a", "a b", "ä", "builtin", "../x", String(repeating: "a", count: 65)] {
                await #expect(throws: RegistryError.self, "\(name)") {
                    try await registry.addProvider(.init(name: name, baseURL: "http://127.0.0.1"), by: Self.me)
                }
            }
            await #expect(throws: RegistryError.self, "nobody knows where it is") {
                try await registry.addProvider(.init(name: "unheard-of"), by: Self.me)
            }
            let deep = String(repeating: #"{"a":"#, count: 200) + "1" + String(repeating: "}", count: 200)
            for metadata in [
                #"{"api_keys":["sk-0123"]}"#, #"{"nested":[{"tokens":["x"]}]}"#, #"{"passwords":"x"}"#,
                "[]", "x", #"{"api_key":"x"}"#, #"{"a":[{"Authorization":"x"}]}"#, deep,
                #"{"input_cost_per_million":-1}"#, #"{"input_cost_per_million":"1"}"#,
                #"{"a":"\#(String(repeating: "x", count: 16_384))"}"#,
            ] {
                #expect(throws: RegistryError.self, "\(metadata.prefix(80))") { try RegistryRules.metadata(metadata) }
            }
            _ = try RegistryRules.metadata(#"{"max_tokens":5,"input_cost_per_million":1.5,"prices":{"m":{}}}"#)
        }
    }

    // MARK: Models

    @Test func oneModelIsTheDefaultAndAllGoWithTheirProvider() async throws {
        try await with { registry, _ in
            let provider = try await add(registry, .init(name: "openai"))
            let one = try await registry.addModel(.init(model: "a", isDefault: true), to: provider.id, by: Self.me)
            let two = try await registry.addModel(.init(model: "b", isDefault: true), to: provider.id, by: Self.me)
            #expect(try await registry.models().filter(\.model.isDefault).map(\.model.model) == ["b"])
            _ = try await registry.changeModel(one.model.id, .init(isDefault: true), by: Self.me)
            #expect(try await registry.models().filter(\.model.isDefault).map(\.model.model) == ["a"])
            for change in [
                ModelChange(model: "b"), .init(kind: "tts"), .init(model: "a b"), .init(displayName: "a\nb"),
            ] {
                await #expect(throws: RegistryError.self) {
                    try await registry.changeModel(one.model.id, change, by: Self.me)
                }
            }
            await #expect(throws: RegistryError.self) {
                try await registry.addModel(.init(model: "a"), to: provider.id, by: Self.me)
            }
            #expect(try await registry.model(runtimeID: "openai:b")?.model.id == two.model.id)
            #expect(try await registry.removeProvider(provider.id, by: Self.me) == 2)
            #expect(try await registry.models().isEmpty)
        }
    }

    @Test func aModelsPriceIsItsOwnOrItsProviders() async throws {
        try await with { registry, _ in
            let provider = try await add(
                registry,
                .init(
                    name: "openai",
                    metadata: #"{"prices":{"a":{"input_cost_per_million":2,"output_cost_per_million":8}}}"#))
            let general = try await registry.addModel(.init(model: "a"), to: provider.id, by: Self.me)
            #expect(ModelPrice(general) == ModelPrice(input: 2, output: 8))
            let own = try await registry.changeModel(
                general.model.id, .init(metadata: #"{"input_cost_per_million":1.23456}"#), by: Self.me)
            #expect(ModelPrice(own) == ModelPrice(input: 1.2346, output: 8))
        }
    }

    // MARK: MCP servers

    @Test("P-18, P-21: a server's secrets are kept by their marker, and go to no other command or address")
    func secretsOfServersStay() async throws {
        try await with { registry, _ in
            let row = try await registry.addMCP(
                "files",
                .init(command: .line(#"npx -y "a b" 'c'\ d"#), environment: ["TOKEN": "secret", "REF": "{env:X}"]),
                by: Self.me)
            #expect(row.command == ["npx", "-y", "a b", "c d"] && row.url == nil)
            #expect(row.environment.mapValues(\.redacted) == ["TOKEN": Secret.marker, "REF": "{env:X}"])
            let kept = try await registry.changeMCP(
                "files", .init(environment: row.environment.mapValues(\.redacted)), by: Self.me)
            #expect(kept.environment == row.environment)
            for change in [
                MCPChange(command: .words(["env"])), .init(arguments: ["-c", "env"]),
                .init(url: "https://evil.example"),
                .init(command: .words(["env"]), environment: ["TOKEN": Secret.marker]),
                .init(environment: ["NEW": Secret.marker]), .init(environment: ["1A": "x"]),
                .init(headers: ["A": "x\r\ny"]), .init(headers: ["A b": "x"]), .init(headers: ["a": "1", "A": "2"]),
                .init(command: .words([])), .init(command: .line("'open")), .init(command: .words(["a\0"])),
                .init(command: .words(["a"]), url: "https://b.example"), .init(url: "https://u:p@b.example"),
            ] {
                await #expect(throws: RegistryError.self, "\(change)") {
                    try await registry.changeMCP("files", change, by: Self.me)
                }
            }
            let other = try await registry.changeMCP(
                "files", .init(command: .words(["env"]), environment: ["REF": "{env:X}", "TOKEN": "again"]), by: Self.me
            )
            #expect(other.environment["TOKEN"] == Secret("again"))
            await #expect(throws: RegistryError.self) { try await registry.addMCP("none", .init(), by: Self.me) }
            await #expect(throws: RegistryError.self) {
                try await registry.addMCP("files", .init(url: "https://b.example"), by: Self.me)
            }
        }
    }

    @Test func whatComesWithTheAgentIsOnlySwitched() async throws {
        try await with { registry, _ in
            try registry.addBuiltinMCPs(["vault", "shell"])
            #expect(try await registry.changeMCP("vault", .init(isEnabled: false), by: Self.me).isEnabled == false)
            try registry.addBuiltinMCPs(["vault", "shell"])
            #expect(try await registry.mcp("vault").isEnabled == false, "a restart leaves it as its users did")
            await #expect(throws: RegistryError.self) {
                try await registry.changeMCP("vault", .init(arguments: ["x"]), by: Self.me)
            }
            await #expect(throws: RegistryError.self) { try await registry.removeMCP("vault", by: Self.me) }
        }
    }

    // MARK: What others learn

    @Test("P-76: whoever runs servers hears of a change, once for all that they missed")
    func changesAreTold() async throws {
        try await with { registry, _ in
            let mcps = registry.changes.of([.mcps])
            let models = registry.changes.of([.models])
            for number in 1...5 { _ = try await registry.addMCP("m\(number)", .init(url: "http://a.b"), by: Self.me) }
            var told = mcps.makeAsyncIterator()
            await told.next()
            _ = try? await registry.addMCP("m1", .init(url: "http://a.b"), by: Self.me)
            _ = try await add(registry, .init(name: "openai"))
            var others = models.makeAsyncIterator()
            await others.next()
            try await registry.removeMCP("m1", by: Self.me)
            await told.next()
            #expect(try await registry.mcps().count == 4)
        }
    }

    @Test("P-17: a change is audited without what is secret in it, and a secret shows nothing of itself")
    func secretsAreNotTold() async throws {
        try await with { registry, database in
            let canary = "sk-canary-0123456789"
            let row = try await add(registry, .init(name: "openai", apiKey: canary))
            let server = try await registry.addMCP(
                "m", .init(url: "http://a.b", headers: ["X-Key": canary]), by: Self.me)
            let audit = try await NetworkRepository(database).read { try $0.audit(limit: 10) }
            #expect(Set(audit.map(\.action)) == ["mcp.create", "provider.create"])
            #expect(audit.allSatisfy { $0.actor == "ana" && $0.actorDevice == [1, 2] })
            var dumped = ""
            dump(row, to: &dumped)
            dump(server, to: &dumped)
            for text in ["\(row)", "\(server)", String(reflecting: row), dumped, "\(audit)"] {
                #expect(!text.contains("canary"), "\(text)")
            }
        }
    }

    @Test(arguments: [
        ("a b", ["a", "b"]), ("  a   'b c'  ", ["a", "b c"]), (#"a"b"c"#, ["abc"]), (#"'' """#, ["", ""]),
        (#""a\"b\\c\d""#, [#"a"b\c\d"#]), (#"a\ b"#, ["a b"]), ("", []),
        ("$(x) ; `y` && z", ["$(x)", ";", "`y`", "&&", "z"]),
    ])
    func commandsAreDividedWithoutAShell(_ text: String, _ words: [String]) {
        #expect(ShellWords.split(text) == words)
    }

    @Test(arguments: ["'a", "\"a", "a\\", #""a\"#]) func aCommandThatDoesNotEndIsNone(_ text: String) {
        #expect(ShellWords.split(text) == nil)
    }
}
