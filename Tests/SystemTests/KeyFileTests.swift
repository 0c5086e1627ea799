import Foundation
import Testing

@Suite struct KeyFileTests {
    @Test(
        "P-20: an agent whose key others may read does not start, and the key is left as it is",
        arguments: [0o640, 0o604])
    func aKeyThatOthersMayReadStartsNothing(mode: Int) async throws {
        let world = try TestHome()
        let server = try await world.serve()
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        let key = world.agent.appendingPathComponent("identity.key")
        let content = try Data(contentsOf: key)
        let made = try FileManager.default.attributesOfItem(atPath: key.path)[.posixPermissions] as? Int
        #expect(made == 0o600)

        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: key.path)
        let refused = try await world.run(["serve", world.agent.path])
        #expect(refused.status != 0)
        #expect(refused.errors.contains(key.path), "\(refused)")
        #expect(!refused.output.contains("oa1"), "no ticket is shown")
        #expect(try Data(contentsOf: key) == content)
        let left = try FileManager.default.attributesOfItem(atPath: key.path)[.posixPermissions] as? Int
        #expect(left == mode, "refused, not repaired")
    }

    @Test("an agent whose key is lost gets no new one: it would be somebody else")
    func aLostKeyIsNotReplaced() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
        let key = world.agent.appendingPathComponent("identity.key")
        try FileManager.default.removeItem(at: key)
        for arguments in [["serve", world.agent.path], ["init", world.agent.path]] {
            let refused = try await world.run(arguments)
            #expect(refused.status != 0)
            #expect(refused.errors.contains("restore it from a backup"), "\(refused)")
            #expect(!FileManager.default.fileExists(atPath: key.path), "\(arguments)")
        }
    }
}
