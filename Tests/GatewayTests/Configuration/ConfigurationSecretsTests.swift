import JSON
import Testing

@testable import Gateway
@testable import Wire

// What is a secret, and does it come back to where it was and nowhere else?

@Suite struct ConfigurationSecretsTests {
    @Test(arguments: [
        "token", "bot_token", "botToken", "TELEGRAM_BOT_TOKEN", "api_key", "apiKey", "apikey", "key", "signing-key",
        "client_secret", "password", "api_key_2", "token1", "githubtoken", "OPENAIKey", "KEYS_10", "DBPassword",
        "db.password", "Authorization", "credentials", "private_key", "auth",
    ])
    func secretKeys(_ key: String) { #expect(ConfigurationSecrets.isSecret(key)) }

    @Test(arguments: [
        "name", "port", "level", "keyboard", "monkey", "vault_path", "tokenizer", "key_path", "author", "command",
    ])
    func otherKeys(_ key: String) { #expect(!ConfigurationSecrets.isSecret(key)) }

    private let document: [String: JSONValue] = [
        "channels": [
            "telegram": ["token": "s1", "allowed": [1, 2], "enabled": true],
            "mail": [
                "password": 12345, "user": "ana", "other_token": "${MAIL}", "x_key": "{file:/k}", "y_key": "a${B}",
            ],
            "list": [["name": "a", "token": "sa"], ["name": "b", "token": "sb"]],
            "env": ["PATH": "/bin"], "max_tokens": 5, "secrets": [["s2"], "s3"],
            "url": "https://ana:s4@host/", "empty_token": "",
        ]
    ]

    @Test func secretsAreNotShownAndReferencesAre() {
        let marker = JSONValue.string(ConfigurationSecrets.marker)
        #expect(
            ConfigurationSecrets.redacted(document) == [
                "channels": [
                    "telegram": ["token": marker, "allowed": [1, 2], "enabled": true],
                    "mail": [
                        "password": marker, "user": "ana", "other_token": "${MAIL}", "x_key": "{file:/k}",
                        "y_key": marker,
                    ],
                    "list": [["name": "a", "token": marker], ["name": "b", "token": marker]],
                    "env": ["PATH": marker], "max_tokens": 5, "secrets": [[marker], marker], "url": marker,
                    "empty_token": "",
                ]
            ])
    }

    @Test("P-18: what was redacted and is written back is what it was")
    func whatWasRedactedComesBack() throws {
        #expect(
            try ConfigurationSecrets.restored(ConfigurationSecrets.redacted(document), from: document) == document)
    }

    @Test("a secret never gets to another element of a list, and a marker for nothing is refused")
    func secretsStayWhereTheyWere() throws {
        let marker = JSONValue.string(ConfigurationSecrets.marker)
        func list(_ elements: JSONValue...) -> [String: JSONValue] { ["channels": ["list": .array(elements)]] }
        func restored(_ elements: JSONValue...) throws -> [String: JSONValue] {
            try ConfigurationSecrets.restored(["channels": ["list": .array(elements)]], from: document)
        }
        #expect(try restored(["name": "b", "token": marker]) == list(["name": "b", "token": "sb"]))
        #expect(
            try restored(["name": "b", "token": marker, "new": 1], ["name": "a", "token": marker])
                == list(["name": "b", "token": "sb", "new": 1], ["name": "a", "token": "sa"]))
        #expect(throws: ConfigurationRefusal.nothingKept("channels.list[0].token")) {
            try restored(["name": "c", "token": marker])
        }
        #expect(throws: ConfigurationRefusal.nothingKept("name")) {
            try ConfigurationSecrets.restored(["name": marker], from: ["name": "Ada"])
        }
        #expect(throws: ConfigurationRefusal.nothingKept("x.token")) {
            try ConfigurationSecrets.restored(["x": ["token": marker]], from: ["x": ["token": "${A}"]])
        }
    }

    @Test("P-18: a file that is given away holds no secret, in comments neither, and is else as it was written")
    func aFileWithoutSecrets() throws {
        let text = """
            # api_key: canary-1
            name: Ada # password = canary-2 and more
            # the token: ${TOKEN}
            channels:
              # first of all
              mail:
                token: canary-3   # was sk-canary4567890123456789
                other: "a # b"
            """
        let shown = try ConfigurationSecrets.removed(from: text, file: "x")
        #expect(!shown.contains("canary"), "\(shown)")
        for kept in ["name: Ada # password = ", "# the token: ${TOKEN}", "# first of all", "other: \"a # b\""] {
            #expect(shown.contains(kept), "\(kept)")
        }
        let plain = "# a comment\nname: x\n"
        #expect(try ConfigurationSecrets.removed(from: plain, file: "x") == plain)
        // What only looks like a comment is a value.
        let value = "note: |\n  # token: abc\nother: 1\n"
        #expect(
            try ConfigurationDocument(ConfigurationSecrets.removed(from: value, file: "x"), file: "x").fields
                == ConfigurationDocument(value, file: "x").fields)
        #expect(throws: ConfigurationError.self) { try ConfigurationSecrets.removed(from: "name: [\n", file: "x") }
    }
}
