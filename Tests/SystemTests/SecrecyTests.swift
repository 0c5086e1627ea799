import Foundation
import Testing

// Where could a secret be seen from outside of the agent's process? In what commands print, in the arguments of processes, in the
// environments of programs that the agent starts.

@Suite struct SecrecyTests {
    @Test("P-17: a canary key is in nothing that a command prints, in no argument and in no child's environment")
    func theCanaryIsSeenNowhere() async throws {
        let (canary, inherited) = ("sk-canary-4b7d90a1c2", "canary-env-77aa")
        let world = try TestHome()
        try FileManager.default.createDirectory(at: world.agent, withIntermediateDirectories: true)
        let (mouth, dump) = (world.root.appendingPathComponent("mouth"), world.root.appendingPathComponent("dump"))
        try """
        #!/bin/sh
        { env; tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline; } > \(dump.path)
        exit 1
        """.write(to: mouth, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: mouth.path)
        try """
        name: my-agent
        tts:
          command: \(mouth.path)
        bridge:
          token: \(canary)

        """.write(to: world.agent.appendingPathComponent("openagent.yaml"), atomically: true, encoding: .utf8)
        let server = try await world.serve(environment: ["HOUSE_KEY": inherited])
        var told: [String] = []
        func run(_ words: [String], input: String? = nil) async throws {
            let result = try await world.run(words + ["--agent", world.agent.path], input: input)
            told.append("\(words): \(result)")
        }
        try await run(
            ["providers", "add", "house", "--base-url", "http://127.0.0.1:9/v1", "--key-stdin", "--json"],
            input: canary + "\n")
        #expect(told[0].contains("house"), "\(told)")
        try await run(["providers", "add", "other", "--base-url", "http://127.0.0.1:9/v1", "--key", "{env:HOUSE_KEY}"])
        // A key as an argument is refused, and not repeated.
        let refused = try await world.run(["providers", "add", "third", "--key", canary, "--agent", world.agent.path])
        #expect(refused.status == 64 && !refused.errors.contains(canary), "\(refused)")
        for words in [
            ["providers", "list"], ["models", "list"], ["mcps", "list"], ["config", "get"], ["status"], ["logs"],
            ["audit"],
            ["doctor"], ["routes"], ["providers", "test", "house"], ["providers", "test", "other"],
        ] {
            try await run(words)
            try await run(words + ["--json"])
        }
        try await run(["api", "GET", "/api/providers"])
        try await run(["api", "GET", "/api/config"])
        try await run(["api", "POST", "/api/tts/synthesize", "-d", #"{"text":"hello"}"#])
        #expect(told.contains { $0.contains("****") } && told.contains { $0.contains("[redacted]") }, "\(told)")
        let seen = try String(contentsOf: dump, encoding: .utf8)
        #expect(seen.contains("PATH=") && seen.contains("serve"), "\(seen)")
        let arguments = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(server.program.pid)/cmdline"))
        told += [seen, String(decoding: arguments, as: UTF8.self), server.program.output, server.program.errors]
        for text in told {
            #expect(!text.contains("canary"), "\(text)")
        }
    }
}
