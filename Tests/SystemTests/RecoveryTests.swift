import Foundation
import Testing

// What the person at a device types when it does not get in any more.

@Suite struct RecoveryTests {
    private struct Diagnosis: Equatable {
        var status: Int32
        var codes: [String]
    }

    /// What `network doctor --json` finds.
    private func diagnosis(_ world: TestHome) async throws -> Diagnosis {
        let doctor = try await world.run(["network", "doctor", "--json", "--timeout", "2"])
        let body = try JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [[String: Any]]
        let findings = try #require(body?.first?["findings"] as? [[String: Any]], "\(doctor)")
        return Diagnosis(status: doctor.status, codes: findings.compactMap { $0["code"] as? String })
    }

    @Test("a revoked device: the doctor names the command, the command brings it back, and the old key is kept")
    func revokedDeviceComesBack() async throws {
        let world = try TestHome()
        #expect(try await diagnosis(world) == Diagnosis(status: 1, codes: ["no_network"]))
        let server = try await world.serve(["--name", "home"])
        #expect(try await world.join(try await server.ticket()).status == 0)
        #expect(try await diagnosis(world) == Diagnosis(status: 0, codes: []))

        let list = try await world.run(["devices", "list", "--agent", world.agent.path, "--json"])
        let devices = try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [String: Any]
        let rows = try #require(devices?["devices"] as? [[String: Any]], "\(list)")
        let device = try #require(rows.first?["device"] as? String)
        _ = try await world.run(["devices", "revoke", device, "--agent", world.agent.path, "--yes"])
        #expect(try await diagnosis(world) == Diagnosis(status: 1, codes: ["revoked"]))
        let doctor = try await world.run(["network", "doctor"])
        #expect(doctor.output.contains("openagent join oa1… --new-key"), "\(doctor)")

        let invite = try await world.run(["network", "invite", "alice", "--agent", world.agent.path, "--json"])
        let body = try JSONSerialization.jsonObject(with: Data(invite.output.utf8)) as? [String: Any]
        let ticket = try #require(body?["ticket"] as? String, "\(invite)")
        let password = world.root.appendingPathComponent("password-alice").path
        let join = ["join", ticket, "--password-file", password]
        let refused = try await world.run(join)
        #expect(refused.status == 77 && refused.errors.contains("--new-key"), "\(refused)")
        let joined = try await world.run(join + ["--new-key"])
        #expect(joined.status == 0 && joined.output.contains("identity.key.revoked-"), "\(joined)")
        #expect(try await diagnosis(world) == Diagnosis(status: 0, codes: []))
        #expect(try await world.run(["chat", "-m", "hello"]).status == 0)
    }

    @Test("a new key is refused while other networks know the old one, unless that is meant")
    func newKeyIsNotMadeByTheWay() async throws {
        let (world, other) = (try TestHome(), try TestHome())
        let (one, two) = (try await world.serve(["--name", "home"]), try await other.serve(["--name", "work"]))
        let ticket = try await one.ticket()
        #expect(try await world.join(ticket).status == 0)
        #expect(try await world.join(try await two.ticket()).status == 0)
        let password = world.root.appendingPathComponent("password-alice").path
        let join = ["join", ticket, "--handle", "alice", "--password-file", password, "--new-key"]
        let refused = try await world.run(join)
        #expect(refused.status == 73 && refused.errors.contains("alice@work"), "\(refused)")
        #expect(try await world.run(["chat", "alice@work", "-m", "hello"]).status == 0, "nothing has changed")

        let invite = try await world.run(["network", "invite", "alice", "--agent", world.agent.path, "--json"])
        let body = try JSONSerialization.jsonObject(with: Data(invite.output.utf8)) as? [String: Any]
        let device = try #require(body?["ticket"] as? String, "\(invite)")
        let meant = try await world.run(["join", device, "--password-file", password, "--new-key", "--yes"])
        #expect(meant.status == 0, "\(meant)")
        #expect(try await world.run(["chat", "alice@home", "-m", "hello"]).status == 0)
        let lost = try await world.run(["chat", "alice@work", "-m", "hello"])
        #expect(lost.status == 77 && lost.errors.contains("openagent devices invite"), "\(lost)")
        let doctor = try await world.run(["network", "doctor", "alice@work"])
        #expect(doctor.status == 1 && doctor.output.contains("another key"), "\(doctor)")
    }

    @Test("a certificate that is gone or damaged is replaced by connect with the password")
    func lostCertificateComesBack() async throws {
        let world = try TestHome()
        let server = try await world.serve(["--name", "home"])
        #expect(try await world.join(try await server.ticket()).status == 0)
        let folder = world.home.appendingPathComponent("user/certs")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).first)
        let file = folder.appendingPathComponent(name)
        let password = world.root.appendingPathComponent("password-alice").path
        for damage in [nil, Data("garbage".utf8)] as [Data?] {
            try FileManager.default.removeItem(at: file)
            if let damage { try damage.write(to: file) }
            let chat = try await world.run(["chat", "-m", "hello"])
            #expect(chat.status == 77 && chat.errors.contains("openagent connect alice@home"), "\(chat)")
            let connect = try world.startInTerminal(["connect", "--password-file", password])
            try await connect.line(containing: "Connected")
            #expect(try await world.run(["chat", "-m", "hello"]).status == 0)
        }
    }
}
