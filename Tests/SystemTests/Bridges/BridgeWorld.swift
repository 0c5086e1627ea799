import Foundation
import TestPlatforms
import Testing

// An agent and a chat platform, with the real program between them.

extension TestHome {
    static let tokenVariable = "TELEGRAM_BOT_TOKEN"

    /// Writes a configuration with a channel to `telegram`. The token is not in it.
    func setChannel(_ telegram: FakeTelegram, _ keys: String, more: String = "") throws {
        try configure("channels:\n  telegram: {api_base: \"\(telegram.url)\", \(keys)}\n\(more)")
    }

    func configure(_ yaml: String) throws {
        try FileManager.default.createDirectory(at: agent, withIntermediateDirectories: true)
        let file = agent.appendingPathComponent("openagent.yaml")
        try Data(yaml.utf8).write(to: file)
        chmod(file.path, 0o600)
    }

    /// Serves with the token in the environment.
    func serveWithToken() async throws -> Server {
        try await serve(environment: [Self.tokenVariable: FakeTelegram.token])
    }

    /// Asks at the agent's machine for one JSON document.
    func asked(_ words: String...) async throws -> [String: Any] {
        let result = try await run(words + ["--json", "--agent", agent.path])
        #expect(result.status == 0, "\(words): \(result)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    /// Waits until a bridge says that it is connected.
    func waitForBridge(elsewhere: Bool = false) async throws -> [String: Any] {
        let deadline = ContinuousClock.now + .seconds(30)
        var last: [[String: Any]] = []
        while ContinuousClock.now < deadline {
            last = try await asked("bridge", "list")["bridges"] as? [[String: Any]] ?? []
            if let found = last.first(where: { $0["state"] as? String == "connected" }),
                (found["device"] != nil) == elsewhere
            {
                return found
            }
        }
        throw Program.Failure(description: "no bridge is connected: \(last)")
    }
}
