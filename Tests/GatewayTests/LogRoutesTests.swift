import Foundation
import Logging
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Wire

// Who reads the log, what of it, and for how long.

@Suite struct LogRoutesTests {
    private static func numbered(_ number: Int, _ event: String, _ level: Logger.Level) -> LogRecord {
        LogJournalTests.record(number, event, level: level)
    }

    @Test func adminsReadWhatTheyAskForOldestFirst() async throws {
        let journal = try LogJournalTests.journal()
        let gateway = try TestGateway(logs: LogSource(journal))
        try await gateway.run { running in
            for number in 1...150 {
                journal.write(
                    Self.numbered(number, number > 140 ? "late::one" : "early::one", number % 10 == 0 ? .error : .info))
            }
            let stream = try await running.stream(gateway.device("root", standing: .active(role: .admin)))
            func numbers(_ query: String) async throws -> [Int] {
                let answer = try await stream.ask("GET", "/api/logs" + query)
                #expect(answer.status == 200, "\(answer)")
                let entries = try answer.decode([LogEntryBody].self)
                #expect(entries.allSatisfy { $0.source == "test" && $0.time > 0 })
                return entries.map { Int($0.time) }
            }
            #expect(try await numbers("") == Array(51...150))
            #expect(try await numbers("?lines=3") == [148, 149, 150])
            #expect(try await numbers("?lines=1000&event=late") == Array(141...150))
            // As the reference writes names.
            #expect(try await numbers("?lines=1000&event=late.o") == Array(141...150))
            #expect(try await numbers("?level=error&lines=2") == [140, 150])
            #expect(try await numbers("?source=other") == [])
            #expect(try await numbers("?since=149") == [149, 150])
            #expect(try await numbers("?since=1970-01-01T00:02:28Z") == [148, 149, 150])
            #expect(try await numbers("?since=10m") == [])
            for query in ["lines=1001", "lines=x", "level=loud", "since=now", "follow=perhaps", "since=nan"] {
                #expect(try await stream.ask("GET", "/api/logs?\(query)").status == 400, "\(query)")
            }
            #expect(try await running.stream(gateway.device("ana")).ask("GET", "/api/logs").status == 403)
        }
    }

    @Test("following begins with the last lines and ends when the reader's rights change")
    func followingEndsWithTheRights() async throws {
        let journal = try LogJournalTests.journal()
        let gateway = try TestGateway(logs: LogSource(journal))
        try await gateway.run { running in
            journal.write(Self.numbered(1, "test::event", .info))
            let device = gateway.device("root", standing: .active(role: .admin))
            let stream = try await running.stream(device)
            try await stream.send("GET /api/logs?follow=true HTTP/1.1\r\nHost: agent\r\n\r\n")
            try await stream.read(through: #""number":"1""#)
            for number in 2...3 { journal.write(Self.numbered(number, "test::event", .info)) }
            try await stream.read(through: #""number":"3""#)
            #expect(journal.followerCount == 1)
            gateway.membership.announce(.user("root", role: .member, status: .active))
            try await stream.read(through: "0\r\n\r\n")
            #expect(journal.followerCount == 0)
        }
    }

    @Test("who loses the right while asking to follow follows nothing")
    func aRightIsLookedAtAgain() async throws {
        let journal = try LogJournalTests.journal()
        let gateway = try TestGateway(logs: LogSource(journal))
        try await gateway.run { running in
            journal.write(Self.numbered(1, "test::event", .info))
            let device = gateway.device("root", standing: .active(role: .admin))
            let stream = try await running.stream(device)
            #expect(try await stream.ask("GET", "/api/logs").status == 200)
            gateway.membership.set(.active(role: .member), afterTheNextLookAt: device.nodeID)
            let answer = try await stream.ask("GET", "/api/logs?follow=true")
            #expect(answer.status == 403 && !answer.body.contains("number"), "\(answer)")
            try await eventually("nobody to follow") { journal.followerCount == 0 }
        }
    }

    @Test("the list of events in docs/operations.md is that of the source")
    func eventsAreListed() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let files = try #require(
            FileManager.default.enumerator(at: root.appendingPathComponent("Sources"), includingPropertiesForKeys: nil))
        var said: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            // The first text of each call of a logger: it has to be a name.
            for match in text.matches(
                of: /(?:logger|log)\.(?:trace|debug|info|notice|warning|error|critical)\(\s*"([^"]*)"/)
            {
                let name = String(match.1)
                #expect(name.wholeMatch(of: /[a-z]+::[a-z_]+/) != nil, "\(file.lastPathComponent): \(name)")
                said.insert(name)
            }
            for match in text.matches(of: /event: "([a-z]+::[a-z_]+)", fields/) { said.insert(String(match.1)) }
        }
        said.insert("log::message")
        let document = try String(
            contentsOf: root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
        let listed = Set(
            document.matches(of: /^\| `([a-z]+::[a-z_]+)` \|/.anchorsMatchLineEndings()).map { String($0.1) })
        #expect(said.count > 50)
        #expect(said.subtracting(listed).isEmpty, "add these to the table of events in docs/operations.md")
        #expect(listed.subtracting(said).isEmpty, "nobody says these any more: take them out of docs/operations.md")
    }
}
