import Foundation
import Testing

// What does a server do on a disk that is full? It says so, keeps running, and goes on by itself once there is room. The disk
// is a small one in memory, which only the server sees.

@Suite struct FullDiskTests {
    /// A server whose agent is on a disk of its own.
    private func serve(_ world: TestHome, megabytes: Int) throws -> Program {
        try world.start(
            ["serve", world.agent.path], onDiskOf: megabytes, at: world.agent,
            environment: ["OPENAGENT_HOME": world.root.path + "/server"])
    }

    @Test(.enabled(if: SmallDisk.canMount)) func filesLeaveRoomForMessages() async throws {
        let world = try TestHome()
        let program = try serve(world, megabytes: 64)
        #expect(try await world.join(try await program.line { $0.hasPrefix("oa1") }).status == 0)
        var refused = 0
        for megabytes in [32, 16, 8, 4, 2, 1, 1, 1, 1] {
            let path = world.root.path + "/\(UUID().uuidString)"
            try Data(repeating: 1, count: megabytes << 20).write(to: URL(fileURLWithPath: path))
            let put = try await world.run(["files", "put", path])
            if put.status != 0 {
                #expect(put.errors.contains("disk is full"), "\(put)")
                refused += 1
            }
        }
        #expect((1...8).contains(refused))
        let root = world.path(world.agent.path, of: program)
        let free = try FileManager.default.attributesOfFileSystem(forPath: root)[.systemFreeSize] as? Int
        #expect(try #require(free) > 2 << 20)
        let chat = try await world.run(["chat", "-m", "remember that there is room"])
        #expect(chat.status == 0, "\(chat)")
        program.signal(SIGTERM)
        #expect(try await program.exit() == 0)
    }

    @Test(.enabled(if: SmallDisk.canMount)) func aServerOnAFullDiskSaysSoAndGoesOnOnceThereIsRoom() async throws {
        let world = try TestHome()
        let program = try serve(world, megabytes: 8)
        let ticket = try await program.line { $0.hasPrefix("oa1") }
        #expect(try await world.join(ticket).status == 0)
        let first = try await world.run(["chat", "-m", "hello"])
        #expect(first.status == 0, "\(first)")

        let filler = world.path(world.agent.path + "/filler", of: program)
        try SmallDisk.fill(filler)
        // What cannot be kept is not accepted.
        let much = String(repeating: "the disk is full ", count: 4_000)
        let refused = try await world.run(["chat", "-m", "remember that " + much])
        #expect(refused.status != 0)
        #expect(refused.errors.contains("the disk is full"), "\(refused)")

        // What is small may find a last corner; then it waits for the rest.
        let small = try world.start(["chat", "-m", "hello again"])
        small.closeInput()

        try FileManager.default.removeItem(atPath: filler)
        let status = try await small.exit(within: 40)
        #expect(status == 0 || small.errors.contains("the disk is full"), "\(small.output) \(small.errors)")
        let again = try await world.run(["chat", "-m", "remember that there is room"])
        #expect(again.status == 0, "\(again)")
        program.signal(SIGTERM)
        #expect(try await program.exit() == 0)
    }
}
