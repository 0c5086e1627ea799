import Foundation
import JSON
import TestProviders
import Testing

// A served agent that has a model, servers of tools and leave to use them: the real program, asked for its rows over its own API.

extension TestHome {
    /// The Python of this machine, for servers of tools that need nothing else.
    static let python = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// A program of `Tests/Peers`.
    static func peer(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Peers/\(name)").path
    }

    /// Asks the agent as its operator.
    @discardableResult
    func api(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        var words = ["api", method, path]
        if let body { words += ["--data", String(decoding: try JSONEncoder().encode(body), as: UTF8.self)] }
        let result = try await run(words + ["--agent", agent.path], within: 60)
        guard result.status == 0 else { throw Program.Failure(description: "\(words): \(result)") }
        return try JSONDecoder().decode(JSONValue.self, from: Data(result.output.utf8))
    }

    /// Gives the agent the model `fake:one` of a provider, servers of tools by their names, and a rule for all tools.
    func equip(
        _ fake: FakeProvider, servers: [(name: String, script: String, environment: [String: String])],
        rule: String = "allow"
    ) async throws {
        let python = try #require(Self.python, "python3 is missing: run scripts/install-packages test")
        let added = try await api("POST", "/api/providers", ["name": "fake", "base_url": .string(fake.address)])
        let provider = try #require(added["provider"]?["id"])
        try await api("POST", "/api/models", ["provider_id": provider, "model": "one"])
        for server in servers {
            try await api(
                "POST", "/api/mcps",
                [
                    "name": .string(server.name), "command": [.string(python)],
                    "args": ["-S", .string(Self.peer(server.script))],
                    "env": .object(server.environment.mapValues { .string($0) }),
                ])
        }
        try await api("PUT", "/api/tool-policies/*", ["rule": .string(rule)])
    }
}

/// What a model is asked, as far as a script looks at it.
struct AskedModel {
    /// The user's last words.
    private(set) var words = ""
    /// How often the model has spoken since.
    private(set) var steps = 0
    /// What tools have answered since.
    private(set) var results: [String] = []

    /// - Parameter body: in the words of OpenAI.
    init(_ body: String) {
        // The tools' descriptions in it are long: what is not looked at is not made into values of our own.
        let fields = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        for message in fields?["messages"] as? [[String: Any]] ?? [] {
            let content = message["content"] as? String ?? ""
            switch message["role"] as? String {
            case "user": self = AskedModel(saying: content)
            case "assistant": steps += 1
            case "tool": results.append(content)
            default: break
            }
        }
    }

    private init(saying words: String) { self.words = words }
}
