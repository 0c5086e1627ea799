import Foundation
import TestProviders
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// What do clients see of providers, models and MCP servers, and what never?

@Suite struct RegistryRoutesTests {
    /// Asks as an admin.
    struct Client: Sendable {
        let stream: TestStream

        @discardableResult
        func ask(_ method: String, _ path: String, _ body: String? = nil) async throws -> TestResponse {
            try await stream.ask(method, path, body)
        }
    }

    func with(
        http: any OutboundHTTP = NetworkHTTP(),
        _ body: @escaping @Sendable (Client, TestGateway, TestGateway.Running) async throws -> Void
    ) async throws {
        let gateway = try TestGateway(place: .coordinator, http: http)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            try await body(Client(stream: try await running.stream(admin)), gateway, running)
        }
    }

    // MARK: Shapes

    @Test("OAG-67: providers are added, read, changed, switched and removed with the seed's fields")
    func providers() async throws {
        try await with { client, _, _ in
            let made = try await client.ask(
                "POST", "/api/providers",
                #"{"name":"openai","kind":"llm","api_key":"sk-0123456789abcdef","metadata":{"note":"x"}}"#)
            #expect(made.status == 201)
            let row = try #require(made.json["provider"] as? [String: Any])
            #expect(made.json["ok"] as? Bool == true && row["api_key_display"] as? String == "****cdef")
            #expect(row["api_key"] == nil && row["framework"] as? String == "api-based")
            let again = try await client.ask("POST", "/api/providers", #"{"name":"openai","enabled":false}"#)
            #expect(again.status == 200)
            let list: ProvidersBody = try await client.ask("GET", "/api/providers?limit=1").decode()
            #expect(list.providers.map(\.enabled) == [false] && list.nextCursor == nil)
            #expect(try await client.ask("GET", "/api/providers/1").status == 200)
            let renamed = try await client.ask(
                "PUT", "/api/providers/1", #"{"name":"groq","api_key":"another-key-0123456789"}"#)
            #expect((renamed.json["provider"] as? [String: Any])?["id"] as? Int == 1)
            #expect(try await client.ask("POST", "/api/providers/1/enable").status == 200)
            #expect(try await client.ask("POST", "/api/providers/1/disable").status == 200)
            try await client.ask("POST", "/api/models", #"{"provider_id":1,"model":"m"}"#)
            let removed = try await client.ask("DELETE", "/api/providers/1")
            #expect(removed.json["models_purged"] as? Int == 1 && removed.json["ok"] as? Bool == true)
            for (method, path, body, status) in [
                ("GET", "/api/providers/1", nil, 404), ("GET", "/api/providers/x", nil, 404),
                ("PUT", "/api/providers/1", "{}", 404), ("DELETE", "/api/providers/99999999999999999999", nil, 404),
                ("POST", "/api/providers", "{}", 400), ("POST", "/api/providers", #"{"name":5}"#, 400),
                ("POST", "/api/providers", #"{"name":"local"}"#, 400), ("POST", "/api/providers", "[", 400),
                ("POST", "/api/providers", #"{"name":"openai","kind":"x"}"#, 400),
                ("POST", "/api/providers", #"{"name":"openai","framework":"x"}"#, 400),
                ("POST", "/api/providers", #"{"name":"openai","metadata":{"api_key":"x"}}"#, 400),
                ("POST", "/api/providers", #"{"name":"openai","api_key":"[redacted]"}"#, 400),
            ] as [(String, String, String?, Int)] {
                let answer = try await client.ask(method, path, body)
                #expect(answer.status == status && answer.code != nil, "\(method) \(path) \(body ?? ""): \(answer)")
            }
        }
    }

    @Test("OAG-62, OAG-63, OAG-65, OAG-66: models are listed with what comes with the agent, which can't be changed")
    func models() async throws {
        try await with { client, gateway, _ in
            gateway.agent.known.withLock { $0 = [AgentModel(id: BuiltinModel.runtimeID, name: "Librarian")] }
            try await client.ask("POST", "/api/providers", #"{"name":"openai"}"#)
            let made = try await client.ask(
                "POST", "/api/models",
                #"{"provider_id":1,"model":"gpt-5","notes":"hard","metadata":{"input_cost_per_million":1.25}}"#)
            #expect(made.status == 201)
            let row: ModelBody = try await client.ask("GET", "/api/models/1").decode(OneModel.self).model
            #expect(row.runtimeID == "openai:gpt-5" && row.tierHint == "hard" && row.inputCost == 1.25)
            #expect(row.outputCost == nil && !row.runs && !row.isDefault)
            let all: ModelsBody = try await client.ask("GET", "/api/models").decode()
            #expect(all.models.map(\.runtimeID) == ["builtin:librarian", "openai:gpt-5"])
            #expect(all.models[0].isDefault && all.models[0].runs && all.models[0].id == 0)
            let first: ModelsBody = try await client.ask("GET", "/api/models?limit=1").decode()
            let cursor = try #require(first.nextCursor)
            let second: ModelsBody = try await client.ask("GET", "/api/models?limit=1&cursor=\(cursor)").decode()
            #expect((first.models + second.models).map(\.id) == [0, 1] && second.nextCursor == nil)
            #expect(try await client.ask("POST", "/api/models/1/disable").status == 200)
            for (query, ids) in [
                ("enabled_only=yes", [Int64(0)]), ("provider_id=1", [1]), ("provider_id=2", []),
                ("framework=builtin", [0]), ("framework=api-based&enabled_only=0", [1]),
            ] {
                let some: ModelsBody = try await client.ask("GET", "/api/models?\(query)").decode()
                #expect(some.models.map(\.id) == ids, "\(query)")
            }
            var catalog: ModelCatalogBody = try await client.ask("GET", "/api/models/catalog").decode()
            #expect(catalog.models.map(\.runtimeID) == ["builtin:librarian"])
            try await client.ask("POST", "/api/models/1/enable")
            catalog = try await client.ask("GET", "/api/models/catalog?provider=openai").decode()
            #expect(catalog.models.map(\.inputCost) == [1.25])
            let flagged: ModelChanged = try await client.ask("PUT", "/api/models/1", #"{"is_classifier":true}"#)
                .decode()
            #expect(flagged.model.isClassifier && !flagged.model.isDefault, "what can't run answers nothing yet")
            let vendors: VendorsBody = try await client.ask("GET", "/api/models/providers").decode()
            #expect(vendors.providers.contains("anthropic"))
            for (method, path, body, status) in [
                ("PUT", "/api/models/0", #"{"enabled":false}"#, 400), ("DELETE", "/api/models/0", nil, 400),
                ("POST", "/api/models/0/disable", nil, 400), ("GET", "/api/models/9", nil, 404),
                ("POST", "/api/models", #"{"provider_id":1,"model":"gpt-5"}"#, 409),
                ("POST", "/api/models", #"{"provider_id":9,"model":"a"}"#, 400),
                ("POST", "/api/models", #"{"provider_id":1}"#, 400), ("POST", "/api/models", #"{"model":"a"}"#, 400),
                ("PUT", "/api/models/1", #"{"provider_id":2}"#, 400), ("GET", "/api/models?enabled_only=x", nil, 400),
                ("GET", "/api/models?provider_id=x", nil, 400),
                ("GET", "/api/models/available?provider_id=x", nil, 400),
                ("GET", "/api/models/available?provider=x", nil, 404),
                ("GET", "/api/models/available?provider=openai", nil, 412),
                ("POST", "/api/providers/1/test", "{}", 412),
            ] as [(String, String, String?, Int)] {
                let answer = try await client.ask(method, path, body)
                #expect(answer.status == status && answer.code != nil, "\(method) \(path): \(answer)")
            }
        }
    }

    @Test("OAG-68, OAG-69: MCP servers are added, read, changed, switched and removed with the seed's fields")
    func servers() async throws {
        try await with { client, gateway, _ in
            let made = try await client.ask(
                "POST", "/api/mcps", #"{"name":"files","command":"npx -y 'a b'","args":["/"],"env":{"T":"s3"}}"#)
            #expect(made.status == 201)
            let one = try await client.ask("GET", "/api/mcps/files")
            let row: MCPBody = try one.decode(OneMCP.self).mcp
            #expect(row.command == ["npx", "-y", "a b"] && row.args == ["/"] && row.env == ["T": "[redacted]"])
            #expect(row.kind == "custom" && row.enabled && !row.oauth && row.source == "api")
            // P-18: what was read is written back whole.
            let whole = try #require(one.json["mcp"] as? [String: Any])
            let text = String(decoding: try JSONSerialization.data(withJSONObject: whole), as: UTF8.self)
            #expect(try await client.ask("PUT", "/api/mcps/files", text).status == 200)
            let registry = try #require(gateway.configuration.registry)
            #expect(try await registry.mcp("files").environment == ["T": Secret("s3")])
            try registry.addBuiltinMCPs(["shell"])
            let list: MCPsBody = try await client.ask("GET", "/api/mcps").decode()
            #expect(list.mcps.map(\.name) == ["files", "shell"])
            let tools: MCPToolsBody = try await client.ask("GET", "/api/mcp-tools").decode()
            #expect(tools == MCPToolsBody(mcps: [], running: false))
            for (method, path, body, status) in [
                ("POST", "/api/mcps/shell/disable", nil, 200), ("DELETE", "/api/mcps/shell", nil, 400),
                ("PUT", "/api/mcps/shell", #"{"command":["sh"]}"#, 400),
                ("POST", "/api/mcps", #"{"name":"files","url":"http://a.b"}"#, 409),
                ("POST", "/api/mcps", #"{"name":"x"}"#, 400), ("POST", "/api/mcps", #"{"url":"http://a.b"}"#, 400),
                ("POST", "/api/mcps", #"{"name":"x","builtin_name":"shell"}"#, 400),
                ("POST", "/api/mcps", #"{"name":"x","command":[1]}"#, 400),
                ("POST", "/api/mcps", #"{"name":"x","command":{"a":1}}"#, 400),
                ("POST", "/api/mcps", #"{"name":"../x","command":"a"}"#, 400),
                ("POST", "/api/mcps", #"{"name":"x","url":"file:///etc/passwd"}"#, 400),
                ("PUT", "/api/mcps/files", #"{"name":"other"}"#, 400), ("GET", "/api/mcps/none", nil, 404),
                ("PUT", "/api/mcps/files", #"{"env":{"U":"[redacted]"}}"#, 400),
                ("POST", "/api/mcps/none/enable", nil, 404), ("DELETE", "/api/mcps/files", nil, 200),
                ("DELETE", "/api/mcps/files", nil, 404),
            ] as [(String, String, String?, Int)] {
                let answer = try await client.ask(method, path, body)
                #expect(answer.status == status, "\(method) \(path) \(body ?? ""): \(answer)")
            }
        }
    }

    // MARK: Discovery

    @Test("OAG-64: what a provider has is shown, and every way in which it fails has its status")
    func available() async throws {
        try await FakeProvider.run { fake in
            try await self.with { client, gateway, _ in
                try await client.ask(
                    "POST", "/api/providers",
                    #"{"name":"house","api_key":"sk-0123456789abcdef","base_url":"\#(fake.address)"}"#)
                fake.fail(.status(401))
                for (method, path, body) in [
                    ("GET", "/api/models/available?provider_id=1", nil), ("POST", "/api/providers/1/test", "{}"),
                ] as [(String, String, String?)] {
                    let refused = try await client.ask(method, path, body)
                    #expect(refused.status == 502 && refused.code == "upstream_failed", "\(refused)")
                    #expect(!refused.body.contains("0123456789abcdef"))
                }
                fake.fail(.none)
                try await client.ask("POST", "/api/models", #"{"provider_id":1,"model":"small"}"#)
                let body: AvailableModelsBody = try await client.ask("GET", "/api/models/available?provider=house")
                    .decode()
                #expect(body.models.map(\.runtimeID) == ["house:large", "house:small"])
                #expect(body.models.map(\.added) == [false, true] && !body.stale && body.providerID == 1)
                let tested: ProviderTested = try await client.ask(
                    "POST", "/api/providers/1/test", #"{"model":"small"}"#
                ).decode()
                #expect(tested == ProviderTested(ok: true, models: 2, model: "small", available: true))
                fake.fail(.status(500))
                gateway.clock.advance(by: 601)
                let stale: AvailableModelsBody = try await client.ask("GET", "/api/models/available?provider=house")
                    .decode()
                #expect(stale.stale && stale.models.count == 2)
            }
        }
        struct Silent: OutboundHTTP {
            func send(_ request: OutboundRequest) async throws -> OutboundAnswer { throw OutboundHTTPError.timedOut }
        }
        try await with(http: Silent()) { client, _, _ in
            try await client.ask("POST", "/api/providers", #"{"name":"openai","api_key":"sk-0123456789abcdef"}"#)
            let answer = try await client.ask("GET", "/api/models/available?provider=openai")
            #expect(answer.status == 504 && answer.code == "timed_out")
        }
    }

    // MARK: Sessions

    @Test("a session is pinned to what runs; an unknown model is 404, a disabled one 400, one not for chats 501")
    func pins() async throws {
        try await with { client, gateway, running in
            gateway.agent.known.withLock { $0 = [AgentModel(id: BuiltinModel.runtimeID, name: "Librarian")] }
            try await client.ask("POST", "/api/providers", #"{"name":"openai"}"#)
            try await client.ask("POST", "/api/models", #"{"provider_id":1,"model":"gpt-5"}"#)
            for (model, status, code) in [
                ("builtin:librarian", 200, nil), ("openai:none", 404, "not_found"),
                ("openai:gpt-5", 501, "not_implemented"),
            ] as [(String, Int, String?)] {
                for method in ["POST", "PUT"] {
                    let answer = try await client.ask(method, "/api/sessions/s/pin", #"{"model":"\#(model)"}"#)
                    #expect(answer.status == status && answer.code == code, "\(model): \(answer)")
                }
            }
            let socket = try await running.webSocket(try await gateway.join("root"))
            #expect(try await socket.command("model", argument: "openai:gpt-5").contains("can't run"))
            try await client.ask("POST", "/api/providers/1/disable")
            let disabled = try await client.ask("PUT", "/api/sessions/s/pin", #"{"model":"openai:gpt-5"}"#)
            #expect(disabled.status == 400 && disabled.code == "invalid")
            #expect(try await socket.command("model", argument: "openai:gpt-5").contains("disabled"))
        }
    }

    // MARK: Secrets

    @Test("Weakness: only admins see or set MCP servers and providers; members read names and prices of models")
    func membersReadWhatIsNoSecret() async throws {
        try await with { client, gateway, running in
            try await gateway.fillRegistry()
            let member = try await running.stream(try await gateway.join("ana"))
            for path in ["/api/providers", "/api/providers/1", "/api/mcps", "/api/mcps/files", "/api/models/available"]
            {
                #expect(try await member.ask("GET", path).status == 403, "\(path)")
            }
            for path in ["/api/models", "/api/models/1", "/api/models/catalog", "/api/models/providers"] {
                let answer = try await member.ask("GET", path)
                #expect(answer.status == 200 && !answer.body.contains("127.0.0.1"), "\(path)")
            }
        }
    }

    @Test("P-17: a canary key is in no answer, message, log line, audit row or error text")
    func theCanaryStaysInside() async throws {
        let canary = "canary-7f3a9c1e5b"
        try await FakeProvider.run(["small"]) { fake in
            try await self.with { client, gateway, running in
                let listener = try await running.webSocket(try await gateway.join("root"))
                var told: [String] = []
                func ask(_ method: String, _ path: String, _ body: String? = nil) async throws {
                    let answer = try await client.ask(method, path, body)
                    told.append("\(method) \(path): \(answer.status) \(answer.headers) \(answer.body)")
                }
                let key = "sk-\(canary)-0123456789"
                try await ask(
                    "POST", "/api/providers", #"{"name":"house","api_key":"\#(key)","base_url":"\#(fake.address)"}"#)
                try await ask("POST", "/api/models", #"{"provider_id":1,"model":"small"}"#)
                try await ask(
                    "POST", "/api/mcps",
                    #"{"name":"files","command":"x","env":{"T":"\#(key)"},"headers":{"Authorization":"Bearer \#(key)"}}"#
                )
                // What is refused is not repeated.
                for (method, path, body) in [
                    ("POST", "/api/providers", #"{"name":"\#(key)!","api_key":"\#(key)"}"#),
                    ("POST", "/api/providers", #"{"name":"openai","api_key":"\#(key)\u0000"}"#),
                    ("POST", "/api/providers", #"{"name":"openai","base_url":"https://u:\#(key)@x.y"}"#),
                    ("POST", "/api/providers", #"{"name":"openai","metadata":{"api_key":"\#(key)"}}"#),
                    ("PUT", "/api/providers/1", #"{"base_url":"http://127.0.0.1:1"}"#),
                    ("POST", "/api/mcps", #"{"name":"x","command":"x","headers":{"A":"\#(key)\r\n"}}"#),
                    ("POST", "/api/mcps", #"{"name":"x","command":"'\#(key)"}"#),
                    ("PUT", "/api/mcps/files", #"{"command":"env"}"#),
                ] { try await ask(method, path, body) }
                for fault in [
                    FakeProvider.Fault.none, .status(401), .status(500), .garbage, .redirect(to: fake.address + "/x"),
                ] {
                    fake.fail(fault)
                    // Not so far that certificates end.
                    if fault != .none { gateway.clock.advance(by: 601) }
                    try await ask("POST", "/api/providers/1/test", "{}")
                    try await ask("GET", "/api/models/available?provider_id=1")
                }
                fake.offer([key, "small"])
                fake.fail(.none)
                gateway.clock.advance(by: 601)
                try await ask("GET", "/api/models/available?provider_id=1")
                // Events never end; what they tell is what the listener hears.
                for route in AccessMatrixTests.table.keys where route.hasPrefix("GET ") && route != "GET /api/events" {
                    let path = route.dropFirst(4).replacing("{handle}", with: "root").replacing("{id}", with: "1")
                        .replacing("{path:**}", with: "a.md").namingRows
                    try await ask("GET", String(path))
                }
                try await ask("GET", "/api/audit?limit=1000")
                for (method, path) in [
                    ("POST", "/api/providers/1/disable"), ("POST", "/api/mcps/files/enable"),
                    ("DELETE", "/api/mcps/files"), ("DELETE", "/api/providers/1"),
                ] { try await ask(method, path) }
                var heard: [String] = []
                while !heard.contains(where: { $0.contains("provider") && $0.contains("deleted") }) {
                    heard.append("\(try await listener.resourceEvent())")
                }
                #expect(told.contains { $0.contains("****6789") }, "the rows were there")
                #expect(fake.questions.contains { $0.headers["authorization"] == "Bearer \(key)" })
                #expect(told.contains { $0.contains("provider.create") }, "the audit was read")
                for text in told + heard + gateway.log.all {
                    #expect(!text.contains(canary), "\(text)")
                }
            }
        }
    }
}
