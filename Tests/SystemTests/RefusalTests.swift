import Foundation
import Testing

/// Does a refused command name what is wrong, and what to type next?
@Suite struct RefusalTests {
    @Test(
        "a refusal names the thing that is meant, and a command where a command helps",
        arguments: [
            ("tasks show nosuch", 64, "'nosuch'", "openagent tasks list"),
            ("workflows show nosuch", 64, "'nosuch'", "openagent workflows list"),
            ("tasks add bad --cron 0_7_*_* --prompt x", 64, "4 fields", "openagent tasks add --help"),
            ("vault write Welcome.md --new", 73, "already", "--new"),
            ("config get limits.sise", 64, "'limits.sise'", "openagent config get"),
            ("restore nowhere.tar somewhere", 64, "nowhere.tar", "openagent backup"),
            ("logs --follow", 73, "does not run", "openagent serve"),
            (#"api POST /api/network/invitations --data {"role":5}"#, 64, "'role'", "GET /api/openapi.json"),
            (#"api POST /api/scheduled-tasks --data {"name":"x"}"#, 64, "has no '", "GET /api/openapi.json"),
            (#"api POST /api/vault/move --data {"to":"x.md"}"#, 64, "has no 'from'", "GET /api/openapi.json"),
            ("api POST /api/vault/move --data {", 64, "not JSON", "GET /api/openapi.json"),
        ])
    func refusals(_ command: String, _ status: Int, _ problem: String, _ fix: String) async throws {
        let world = try TestHome()
        #expect(try await world.run(["init", world.agent.path]).status == 0)
        let words: [String] = command.split(separator: " ").map {
            String($0).replacingOccurrences(of: "_", with: " ")
        }
        // An archive is no agent's.
        let at = words[0] == "restore" ? [] : ["--agent", world.agent.path]
        let result = try await world.run(words + at, input: "x")
        #expect(result.status == status && result.output.isEmpty, "\(result)")
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains(problem) && lines[1].contains(fix), "\(result.errors)")
    }
}
