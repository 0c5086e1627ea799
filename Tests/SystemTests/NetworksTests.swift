import Foundation
import Testing

/// What a device keeps of the networks that it joined.
@Suite struct NetworksTests {
    @Test(
        "networks are listed with their certificates' ends, one is used when none is named, and one is forgotten whole")
    func networksOfADevice() async throws {
        let world = try TestHome()
        let none = try await world.run(["networks", "list"])
        #expect(none.status == 0 && none.output == "", "\(none)")
        let first = try await world.serve(["--name", "home"])
        _ = try await world.join(try await first.ticket())
        let elsewhere = world.root.appendingPathComponent("office").path
        let second = try world.start(["serve", elsewhere])
        _ = try await world.join(try await second.line { $0.hasPrefix("oa1") })

        func rows() async throws -> [[String: Any]] {
            let list = try await world.run(["networks", "--json"])
            let document = try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [String: Any]
            return try #require(document?["networks"] as? [[String: Any]], "\(list)")
        }
        func active() async throws -> [String] {
            try await rows().filter { $0["active"] as? Bool == true }.compactMap { $0["name"] as? String }
        }
        #expect(try await rows().compactMap { $0["name"] as? String } == ["home", "office"])
        for row in try await rows() {
            let certificate = try #require(row["certificate"] as? [String: Any])
            #expect(certificate["state"] as? String == "valid")
            let end = try #require(certificate["expires_at"] as? Double)
            #expect(abs(end - Date().timeIntervalSince1970 - 30 * 86_400) < 600)
        }
        #expect(try await active() == ["home"])
        let used = try await world.run(["networks", "use", "alice@office", "--json"])
        #expect(
            used.status == 0 && used.output.hasPrefix(#"{"handle":"alice","name":"office","network_id":"#), "\(used)")
        #expect(try await active() == ["office"])
        let unknown = try await world.run(["networks", "use", "nowhere"])
        #expect(unknown.status == 64 && AdministrationTests.isAdvice(unknown.errors), "\(unknown)")

        let people = try await world.runInTerminal(["networks"], columns: 80, lines: 24)
        #expect(people.output.contains("alice@office") && people.output.contains("until 20"), "\(people)")
        #expect(people.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(people)")

        let unsure = try await world.run(["networks", "forget", "office"])
        #expect(unsure.status == 64 && unsure.errors.contains("--yes"), "\(unsure)")
        let no = try await world.runInTerminal(["networks", "forget", "office"], columns: 80, lines: 24, input: "n\r")
        #expect(no.status == 1, "\(no)")
        #expect(try await rows().count == 2)
        let forgotten = try await world.run(["networks", "forget", "office", "--yes", "--json"])
        #expect(forgotten.status == 0 && forgotten.output.contains(#""name":"office""#), "\(forgotten)")
        #expect(try await rows().compactMap { $0["name"] as? String } == ["home"])
        #expect(try await active() == ["home"])
        let certificates = try FileManager.default.contentsOfDirectory(
            atPath: world.home.appendingPathComponent("user/certs").path)
        #expect(certificates.filter { $0.hasSuffix(".cert") }.count == 1, "\(certificates)")
        #expect(try await world.run(["networks", "forget", "office", "--yes"]).status == 64)
    }

    /// Names and times come from other machines, and a file can be edited.
    @Test func whatANetworkIsCalledGivesNoOrdersToATerminal() async throws {
        let world = try TestHome()
        let server = try await world.serve(["--name", "home"])
        _ = try await world.join(try await server.ticket())
        let file = world.home.appendingPathComponent("user/networks.toml")
        var text = try String(contentsOf: file, encoding: .utf8)
        text = text.replacing(/name = ['"]home['"]/, with: #"name = "ho\u001B[31mme""#)
        text = text.replacing(/last_login_at = [0-9.]+/, with: "last_login_at = 1e300")
        try Data(text.utf8).write(to: file)
        #expect(text.contains("u001B") && text.contains("1e300"), "\(text)")
        let list = try await world.runInTerminal(["networks"], columns: 80, lines: 24)
        #expect(list.status == 0 && !list.output.contains("\u{1B}[31m"), "\(list)")
        let doctor = try await world.run(["network", "doctor"])
        #expect(doctor.output.contains("[31mme") && !doctor.output.contains("\u{1B}"), "\(doctor)")
        let forgotten = try await world.run(["networks", "forget", "ho\u{1B}[31mme", "--yes", "--json"])
        #expect(forgotten.status == 0 && forgotten.output.hasPrefix("{\"handle\":\"alice\""), "\(forgotten)")
    }
}
