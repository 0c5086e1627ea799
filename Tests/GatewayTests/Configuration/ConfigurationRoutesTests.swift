import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// The configuration over REST, as its clients see it.

@Suite struct ConfigurationRoutesTests {
    private static let canary = "canary-7f3e91"
    private static let text = """
        # mine
        name: Ada # hello
        channels:
          telegram:
            token: \(canary)   # from BotFather
            chat: 5
          matrix: {password: "\(canary)", user: "${USER_NAME}"}
          mail:
            api_key: "{env:MAIL}"
        providers:
          openai: {key: \(canary)}
        """ + "\n"

    private func run(
        _ text: String = text, environment: [String: String] = [:], overrides: ConfigurationOverrides = .init(),
        agent: ScriptedAgent = ScriptedAgent(),
        _ body:
            @escaping @Sendable (TestConfiguration, TestGateway, TestGateway.Running, TestStream) async throws -> Void
    ) async throws {
        let config = try TestConfiguration(text, environment: environment, overrides: overrides)
        let gateway = try TestGateway(agent, store: config.store)
        try await gateway.run { running in
            try await body(config, gateway, running, try await running.operatorStream())
        }
    }

    @Test("P-18: GET then PUT of the same body changes nothing, and no answer holds a secret")
    func readAndWrittenBackIsTheSame() async throws {
        try await run { config, _, _, stream in
            let read = try await stream.ask("GET", "/api/config")
            let tag = try #require(read.headers["etag"])
            #expect(read.status == 200 && !read.body.contains(Self.canary), "\(read.body)")
            #expect(read.body.contains(#""user":"${USER_NAME}""#) && read.body.contains(#""api_key":"{env:MAIL}""#))
            let written = try await stream.ask("PUT", "/api/config", read.body, headers: ["If-Match": tag])
            #expect(written.status == 200 && written.headers["etag"] == tag, "\(written)")
            #expect(try config.text() == Self.text)
            #expect(!FileManager.default.fileExists(atPath: config.directory.configuration + ".bak"))
            // The same beside a change.
            let changed = try await stream.ask(
                "PUT", "/api/config", read.body.replacing("\"Ada\"", with: "\"Grace\""), headers: ["If-Match": tag])
            #expect(changed.status == 200 && !changed.body.contains(Self.canary), "\(changed)")
            #expect(try config.text() == Self.text.replacing("Ada", with: "Grace"))
            #expect(try config.text(".bak") == Self.text)
            #expect(try config.mode() == 0o600 && config.mode(".bak") == 0o600)
            let patched = try await stream.ask(
                "PATCH", "/api/config/channels", #"{"telegram":{"token":"[redacted]","chat":6}}"#)
            #expect(patched.status == 200 && !patched.body.contains(Self.canary), "\(patched)")
            #expect(try config.text().contains("token: \(Self.canary)   # from BotFather\n    chat: 6\n"))
            #expect(!config.log.all.joined().contains(Self.canary))
        }
    }

    @Test("P-19: after PATCH the file's bytes hold the reference, and a missing variable is named")
    func referencesStayReferences() async throws {
        try await run(environment: ["WHO": "Ada"]) { config, _, _, stream in
            let set = try await stream.ask("PATCH", "/api/config/name", #""{env:WHO}""#)
            #expect(set.status == 200 && set.json["name"] as? String == "{env:WHO}", "\(set)")
            #expect(try config.text().contains(#"name: "{env:WHO}" # hello"#))
            #expect(config.store.active.name == "Ada")
            let missing = try await stream.ask("PATCH", "/api/config/name", #""${NOBODY_KNOWS}""#)
            #expect(missing.status == 400 && missing.message?.contains("NOBODY_KNOWS") == true, "\(missing)")
            #expect(try config.text().contains("{env:WHO}") && config.store.active.name == "Ada")
        }
    }

    @Test func aChangeOfAnotherVersionIsRefusedWith412() async throws {
        try await run { config, _, _, stream in
            let old = try #require(try await stream.ask("GET", "/api/config").headers["etag"])
            try config.put(Self.text + "# by hand\n")
            let refused = try await stream.ask("PATCH", "/api/config/name", #""X""#, headers: ["If-Match": old])
            #expect(refused.status == 412 && refused.code == "precondition_failed")
            let put = try await stream.ask("PUT", "/api/config", #"{"name":"X"}"#, headers: ["If-Match": old])
            #expect(put.status == 412)
            #expect(try config.text() == Self.text + "# by hand\n")
            let now = try #require(try await stream.ask("GET", "/api/config").headers["etag"])
            let done = try await stream.ask(
                "PATCH", "/api/config/name", #""X""#, headers: ["If-Match": "\"0\", \(now)"])
            #expect(done.status == 200 && done.json["etag"] as? String == done.headers["etag"])
            #expect(try config.text().hasSuffix("# by hand\n"))
        }
    }

    @Test func whatIsNoConfigurationIsRefusedWithItsKeys() async throws {
        try await run { config, _, _, stream in
            let both = try await stream.ask("PUT", "/api/config", #"{"network":{"port":0},"limits":{"file_size":"x"}}"#)
            #expect(both.status == 400 && both.code == "invalid")
            #expect(
                both.message?.contains("network.port") == true && both.message?.contains("limits.file_size") == true)
            for (method, path, body) in [
                ("PUT", "/api/config", "[]"), ("PUT", "/api/config", ""), ("PUT", "/api/config", "{"),
                ("PATCH", "/api/config/providers", "{}"), ("PATCH", "/api/config/mcp", "null"),
                ("PATCH", "/api/config/name", #""[redacted]""#), ("PATCH", "/api/config/x", #"{"token":"[redacted]"}"#),
                ("PATCH", "/api/config/%00", "1"), ("PATCH", "/api/config/x", String(repeating: "[", count: 400_000)),
                ("PATCH", "/api/config/network", "5"), ("PATCH", "/api/config/logging", #"{"level":"loud"}"#),
            ] {
                let answer = try await stream.ask(method, path, body)
                #expect(answer.status == 400, "\(method) \(path) \(body.prefix(40)): \(answer)")
            }
            #expect(try config.text() == Self.text)
            #expect(config.store.health.error == nil)
        }
    }

    @Test(
        "keys of the database are dropped from a PUT and left as they are in the file; unknown ones are kept and told")
    func whatTheDatabaseOwns() async throws {
        try await run { config, _, _, stream in
            let answer = try await stream.ask(
                "PUT", "/api/config", #"{"name":"Ada","mcps":{"x":1},"themes":{"enabled":true,"time":"3:00"}}"#)
            #expect(answer.status == 200 && answer.json["restart_required"] as? Bool == false)
            #expect(try config.text().contains("providers:\n  openai: {key: \(Self.canary)}"))
            #expect(try config.text().contains("themes:\n  enabled: true\n  time: \"3:00\"\n"))
            #expect(try !config.text().contains("mcps"))
            let warnings = try #require(answer.json["warnings"] as? [String])
            #expect(warnings.contains("themes is not known to this version and is ignored"), "\(warnings)")
            let gone = try await stream.ask("PATCH", "/api/config/themes", "null")
            #expect(gone.status == 200 && gone.json["themes"] is NSNull, "\(gone)")
            let left = try config.text()
            #expect(!left.contains("themes"), "\(left)")
        }
    }

    @Test func theModelsThatAreFallenBackToAreASetting() async throws {
        try await run { config, _, _, stream in
            let answer = try await stream.ask("PATCH", "/api/config/models", #"{"fallback":["builtin:librarian"]}"#)
            #expect(answer.status == 200, "\(answer)")
            #expect(config.store.active.turns.turns.fallback == ["builtin:librarian"])
        }
    }

    @Test func onlyWhatCanNotBeFollowedNeedsARestart() async throws {
        let overrides = ConfigurationOverrides(name: "Flag")
        try await run(overrides: overrides) { config, _, _, stream in
            func patch(_ section: String, _ body: String) async throws -> [String]? {
                let answer = try await stream.ask("PATCH", "/api/config/\(section)", body)
                let keys = answer.json["restart_keys"] as? [String]
                #expect(answer.status == 200 && answer.json["restart_required"] as? Bool == (keys?.isEmpty == false))
                return keys
            }
            #expect(try await patch("limits", #"{"waiting_turns":5,"note_size":4096}"#) == ["limits.note_size"])
            #expect(try await patch("limits", #"{"waiting_turns":6}"#) == [])
            #expect(try await patch("network", #"{"port":4433}"#) == ["network.port"])
            #expect(try await patch("librarian", #"{"words_per_second":3}"#) == [])
            #expect(config.store.active.librarianWordsPerSecond == 3)
            // What the command line says wins, and whoever writes it into the file is told.
            let answer = try await stream.ask("PATCH", "/api/config/name", #""File""#)
            #expect((answer.json["warnings"] as? [String])?.contains { $0.hasPrefix("name was given") } == true)
            #expect(config.store.active.name == "Flag")
        }
    }

    @Test("P-76: a change in the middle of a turn disturbs neither the turn nor its socket, and counts at once")
    func changesDisturbNobody() async throws {
        let agent = ScriptedAgent()
        let config = try TestConfiguration(Self.text)
        let gateway = try TestGateway(agent, place: .coordinator, store: config.store)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let socket = try await running.webSocket(admin)
            let listener = try await running.webSocket(try await gateway.join("root"))
            try await socket.send(text: #"{"type":"text_final","session_id":"s","text":"hello"}"#)
            let run = try await agent.nextRun()
            run.delta("one ")
            let stream = try await running.stream(admin)
            #expect(try await stream.ask("PATCH", "/api/config/name", #""Grace""#).status == 200)
            #expect(try await stream.ask("PATCH", "/api/config/limits", #"{"waiting_turns":0}"#).status == 400)
            #expect(config.store.active.name == "Grace")
            let event = try await listener.resourceEvent { $0.resource == "config" }
            #expect(event.action == "updated" && event.id == "name")
            run.delta("two")
            run.answer("one two")
            let messages = try await socket.messages { $0.isTurnEnd }
            #expect(messages.contains { $0.responseText == "one two" })
            #expect(messages.last?.endReason == .completed, "\(messages)")
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
        }
    }

    @Test("an edit by hand is noticed, told and taken up; a bad one is not, and everybody who may know is told")
    func editsByHand() async throws {
        let config = try TestConfiguration(Self.text)
        let gateway = try TestGateway(place: .coordinator, store: config.store)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let listener = try await running.webSocket(admin)
            let stream = try await running.stream(admin)
            let stranger = try await running.connection(of: admin.nodeID).stream()
            try await stranger.sendPreamble([])
            @Sendable func health() async throws -> HealthBody { try await stream.ask("GET", "/api/health").decode() }
            try await config.watched {
                #expect(try await health().config == ConfigurationHealth(ok: true))
                // The watch has begun once the file has been looked at.
                let start = ContinuousClock.now
                try config.put(Self.text.replacing("Ada", with: "Grace"))
                #expect(try await listener.resourceEvent { $0.resource == "config" }.id == "name")
                #expect(ContinuousClock.now - start < .seconds(5))
                #expect(config.store.active.name == "Grace")

                try config.put("name: Eve\nnetwork:\n  port: 99999\n")
                try await config.waitForLog("config::refused")
                #expect(config.store.active.name == "Grace")
                let bad = try #require(try await health().config)
                #expect(!bad.ok && bad.line == 3 && bad.problem?.hasPrefix("network.port: ") == true, "\(bad)")
                // It may repeat what stands in the file.
                let member = try await running.stream(try await gateway.join("ana"))
                let seen: HealthBody = try await member.ask("GET", "/api/health").decode()
                #expect(seen.config == ConfigurationHealth(ok: false), "\(seen)")
                let open = try await stranger.ask("GET", "/api/health")
                #expect(open.status == 200 && open.json["config"] == nil && open.json["agent"] == nil, "\(open)")

                try config.put("name: [\n")
                try await config.waitForLog("line=2")
                let read = try await stream.ask("GET", "/api/config")
                #expect(read.status == 200 && read.json["name"] as? String == "Grace")
                #expect(try await stream.ask("PATCH", "/api/config/name", #""X""#).status == 409)

                try config.put("name: Zoe\n")
                try await config.waitForLog("config::repaired")
                #expect(try await health().config == ConfigurationHealth(ok: true))
                #expect(config.store.active.name == "Zoe")
                #expect(!config.log.all.joined().contains(Self.canary))

                try FileManager.default.removeItem(atPath: config.directory.configuration)
                try await config.waitForLog("the file is gone")
                #expect(config.store.active.name == "Zoe")
                // Writing repairs it.
                #expect(try await stream.ask("PATCH", "/api/config/name", #""Ida""#).status == 200)
                #expect(try config.text() == "name: Ida\n")
                #expect(try await health().config == ConfigurationHealth(ok: true))
            }
        }
    }

    @Test("the ETag names a text for whoever has it, and confirms no guess at a secret in it")
    func tagsAreNoOracle() async throws {
        let config = try TestConfiguration("pin: 1234\n")
        let stores = try [[1], [1], [2]].map { key in
            ConfigurationStore(
                directory: config.directory,
                configuration: try AgentConfiguration.load(config.directory, environment: [:]).configuration,
                environment: [:], tagKey: key, logger: .init(label: "test"))
        }
        var tags: [String] = []
        for store in stores { tags.append(try await store.read().tag) }
        #expect(tags[0] == tags[1] && tags[0] != tags[2])
    }

    @Test func whatAKilledProcessLeftIsRemovedAndALinkStaysALink() async throws {
        let config = try TestConfiguration(nil)
        let real = config.directory.path + "/real.yaml"
        try Data("name: a\n".utf8).write(to: URL(filePath: real))
        try FileManager.default.createSymbolicLink(
            atPath: config.directory.configuration, withDestinationPath: "real.yaml")
        let leftover = real + ".123.456.tmp"
        try Data("token: \(Self.canary)\n".utf8).write(to: URL(filePath: leftover))
        try Data("mine".utf8).write(to: URL(filePath: real + ".old.tmp"))
        try await config.watched {
            try await config.waitForLog("config::changed")
            #expect(!FileManager.default.fileExists(atPath: leftover))
            #expect(FileManager.default.fileExists(atPath: real + ".old.tmp"))
            _ = try await config.store.write(.section("name", "b"), by: "test") { _ in true }
            #expect(try String(contentsOfFile: real, encoding: .utf8) == "name: b\n")
            let path = config.directory.configuration
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "real.yaml")
        }
    }
}
