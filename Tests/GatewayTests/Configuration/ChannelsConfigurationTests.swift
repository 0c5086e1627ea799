import Foundation
import JSON
import Testing

@testable import Gateway
@testable import Wire

// What does the section `channels` say, and where do secrets come from?

@Suite struct ChannelsConfigurationTests {
    private func channels(_ yaml: String, _ environment: [String: String] = [:]) throws -> ChannelsConfiguration {
        let directory = AgentDirectory("/nowhere")
        return try AgentConfiguration.examine(yaml, file: "openagent.yaml", directory, environment: environment)
            .usable().configuration.channels
    }

    @Test("every key of a channel is read, and ids are text, also where YAML has numbers")
    func everyKey() throws {
        let found = try channels(
            """
            channels:
              telegram:
                token: "123:abc"
                api_base: http://127.0.0.1:8081/
                allowed_users: [155490357, "12", 0123]
                allowed_chats: [-1001234567890]
                listen_channels: -5
                dm_only: true
                pairing: true
                live: false
                personality: pirate
            """)
        var expected = ChannelSettings(account: .telegram(token: "123:abc", apiBase: "http://127.0.0.1:8081"))
        expected.access.users = ["155490357", "12", "0123"]
        expected.access.chats = ["-1001234567890"]
        expected.access.listen = ["-5"]
        expected.access.directOnly = true
        expected.access.pairing = true
        expected.live = false
        expected.personality = "pirate"
        #expect(found.settings == [expected] && found.incomplete.isEmpty)
    }

    @Test(
        "each platform has its own secrets; the file wins over the environment that is given, and no other is looked at"
    )
    func secretsOfEachPlatform() throws {
        let environment = [
            "TELEGRAM_BOT_TOKEN": "t", "DISCORD_BOT_TOKEN": "d", "GREEN_API_ID": "1", "GREEN_API_TOKEN": "g",
            "SLACK_BOT_TOKEN": "b", "SLACK_APP_TOKEN": "a", "MINE": "m",
        ]
        let yaml = """
            channels:
              telegram: {token: "${MINE}", allowed_users: [1]}
              discord: {allowed_guilds: [7], enabled: true}
              whatsapp: {allowed_users: ["1"]}
              slack: {bot_token: "{env:MINE}", pairing: true}
            """
        let found = try channels(yaml, environment)
        #expect(
            found.settings.map(\.account) == [
                .telegram(token: "m"), .discord(token: "d"), .whatsapp(id: "1", token: "g"),
                .slack(botToken: "m", appToken: "a"),
            ])
        #expect(found.settings[1].access.guilds == ["7"])
        // Nothing is taken from this process.
        #expect(try channels("channels: {telegram: {live: true}}").settings.isEmpty)
        #expect(try channels("channels: {}", environment).settings.isEmpty, "a token alone starts nothing")
        let off = try channels("channels: {telegram: {enabled: false}}", environment)
        #expect(off.settings.isEmpty && off.incomplete.isEmpty)
    }

    @Test("a channel without its secret isn't started, says how to set it, and keeps no agent from starting")
    func missingSecrets() throws {
        for yaml in [
            "channels: {slack: {bot_token: x}}", "channels: {slack: {bot_token: x, app_token: '{env:UNSET}'}}",
            "channels: {slack: {bot_token: x, app_token: '{file:/nowhere/at/all}'}}",
        ] {
            let found = try channels(yaml)
            #expect(found.settings.isEmpty && found.incomplete.map(\.platform) == [.slack])
            #expect(found.incomplete[0].problem.contains("SLACK_APP_TOKEN or channels.slack.app_token"))
            #expect(!found.incomplete[0].problem.contains("SLACK_BOT_TOKEN"))
        }
    }

    @Test("an empty list of users names nobody")
    func emptyMeansNobody() throws {  // P-36
        for list in ["[]", "~", "''"] {
            let yaml = "channels: {telegram: {token: x, allowed_users: \(list)}}"
            #expect((try? channels(yaml))?.settings.first?.access.users.isEmpty ?? true, "\(list)")
        }
    }

    @Test(arguments: [
        "channels: {telegram: {token: [x]}}", "channels: {telegram: {token: 'a b'}}",
        "channels: {telegram: {token: x, allowed_users: {a: 1}}}", "channels: {telegram: {token: x, pairing: perhaps}}",
        "channels: {telegram: {token: x, api_base: 'ftp://x'}}",
        "channels: {telegram: {token: x, api_base: 'http://a:b@x'}}",
        "channels: telegram", "channels: {telegram: x}",
    ])
    func whatIsWrongIsRefusedWithItsKey(_ yaml: String) {
        let error = #expect(throws: ConfigurationError.self) { try channels(yaml) }
        #expect(error?.problem.hasPrefix("channels") == true)
        #expect(error?.description.contains("a b") != true, "what should be a secret is repeated")
    }

    @Test("P-18: no answer shows a channel's secrets")
    func secretsAreHidden() {
        let keys = Platform.allCases.flatMap(\.credentials).map(\.key).filter { $0 != "green_api_id" }
        let fields = JSONValue.object(Dictionary(uniqueKeysWithValues: Set(keys).map { ($0, "123:abc") }))
        guard
            case .object(let shown)? = ConfigurationSecrets.redacted(["channels": ["any": fields]])["channels"]?["any"]
        else { return _ = Issue.record("the section is gone") }
        #expect(shown.count == Set(keys).count)
        for (key, value) in shown { #expect(value == .string(ConfigurationSecrets.marker), "\(key)") }
    }

    @Test("a file of a bridge that runs elsewhere is read by the same rules")
    func aFileElsewhere() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/channels-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data("s3cret\n".utf8).write(to: URL(filePath: folder + "/token"))
        let file = folder + "/bridge.yaml"
        try Data("channels: {discord: {token: '{file:token}', allowed_users: [5]}}".utf8).write(to: URL(filePath: file))
        let found = try ChannelsConfiguration.load(file: file, environment: [:])
        #expect(found.settings.map(\.account) == [.discord(token: "s3cret")])
        #expect(throws: ConfigurationError.self) {
            try ChannelsConfiguration.load(file: folder + "/none", environment: [:])
        }
    }
}
