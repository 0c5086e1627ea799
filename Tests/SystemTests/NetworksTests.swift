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
}
