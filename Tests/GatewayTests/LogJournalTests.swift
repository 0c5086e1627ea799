import Foundation
import Logging
import Synchronization
import Testing

@testable import Gateway
@testable import Wire

// The agent's log: what is said stands in it, in order and whole, however full it is and whoever reads it meanwhile.

@Suite struct LogJournalTests {
    static func record(_ number: Int, _ event: String = "test::event", level: Logger.Level = .info) -> LogRecord {
        LogRecord(
            time: Double(number), level: level, source: "test", event: event, fields: ["number": "\(number)"])
    }

    static func journal(_ limits: LogFileLimits = .init(), path: String? = nil) throws -> LogJournal {
        try LogJournal(try path ?? LifecycleFixture.folder() + "/logs/events.jsonl", limits: limits) { 7 }
    }

    static func entries(_ lines: [String]) throws -> [LogEntryBody] {
        try lines.map { try JSONDecoder().decode(LogEntryBody.self, from: Data($0.utf8)) }
    }

    static func numbers(_ lines: [String]) throws -> [Int] {
        try entries(lines).compactMap { entry in
            if case .string(let text)? = entry.fields["number"] { Int(text) } else { nil }
        }
    }

    @Test("P-85: each event is a line of JSON with time, level, source and name, in a private file")
    func eventsAreLines() throws {
        let journal = try Self.journal()
        let output = LogOutput(descriptor: open("/dev/null", O_WRONLY), isOwned: true, format: .json)
        let logger = Logger(label: "openagent") { label in
            AgentLogHandler(label: label, output: output, journal: journal, level: .debug) {
                Date(timeIntervalSince1970: 1_795_248_000.25)
            }
        }
        let ticket = "oa1" + String(repeating: "abcdefgh", count: 6)
        logger.warning("sessions::not_saved", metadata: ["reason": "a \"b\"\nc", "ts": "own", "password": "hunter2"])
        logger.info("turn.started", metadata: ["source": "mcp:files", "url": "dial \(ticket)!"])
        logger.notice("A library says something with Bearer abc.def in it")
        journal.close()
        let text = try String(contentsOfFile: journal.path, encoding: .utf8)
        #expect(!text.contains("hunter2") && !text.contains(ticket) && !text.contains("abc.def"))
        let entries = try Self.entries(text.split(separator: "\n").map(String.init))
        #expect(entries.map(\.event) == ["sessions::not_saved", "turn::started", "log::message"])
        #expect(entries.map(\.source) == ["sessions", "mcp:files", "openagent"])
        #expect(entries.map(\.level) == ["warning", "info", "notice"])
        #expect(entries.allSatisfy { $0.time == 1_795_248_000.25 })
        #expect(entries[0].fields["reason"] == .string("a \"b\"\nc") && entries[0].fields["field_ts"] == .string("own"))
        #expect(try LifecycleFixture.mode(of: journal.path) == 0o600)
    }

    @Test("P-85: the last 200 are the last 200, in order, also when they stand in several files")
    func lastLinesOverSeveralFiles() throws {
        let journal = try Self.journal(LogFileLimits(size: 8_192, keep: 4))
        for number in 1...2_000 {
            journal.write(Self.record(number, number % 2 == 0 ? "even::one" : "odd::one"))
            if number % 50 == 0 { journal.flush() }
        }
        journal.flush()
        let files = try FileManager.default.contentsOfDirectory(
            atPath: URL(fileURLWithPath: journal.path).deletingLastPathComponent().path)
        #expect(files.sorted() == ["events.jsonl"] + (1...4).map { "events.jsonl.\($0)" })
        for file in files {
            let path = URL(fileURLWithPath: journal.path).deletingLastPathComponent().path + "/" + file
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count <= 8_192)
        }
        let reader = LogFiles(path: journal.path, keep: 4)
        #expect(try Self.numbers(reader.last(LogQuery(lines: 200))) == Array(1_801...2_000))
        let odd = try Self.numbers(reader.last(LogQuery(lines: 50, event: "odd::")))
        #expect(odd == Array(stride(from: 1_901, through: 1_999, by: 2)))
        #expect(try Self.numbers(reader.last(LogQuery(lines: 1_000, since: 1_990))) == Array(1_990...2_000))
        #expect(try reader.last(LogQuery(lines: 0)) == [])
        journal.close()
    }

    @Test("a last line that a killed process tore apart is passed over, and the next one begins anew")
    func tornLines() throws {
        let path = try LifecycleFixture.folder() + "/events.jsonl"
        let torn = Self.record(1).line + "\n" + Self.record(2).line.prefix(20)
        try Data(torn.utf8).write(to: URL(fileURLWithPath: path))
        #expect(try Self.numbers(LogFiles(path: path, keep: 1).last(LogQuery())) == [1])
        let journal = try Self.journal(path: path)
        journal.write(Self.record(3))
        journal.close()
        #expect(try Self.numbers(LogFiles(path: path, keep: 1).last(LogQuery())) == [1, 3])
    }

    @Test("what the disk does not take is counted, and told as soon as it takes something again")
    func lossesAreTold() throws {
        let folder = try LifecycleFixture.folder()
        let journal = try Self.journal(path: folder + "/logs/events.jsonl")
        journal.write(Self.record(1))
        journal.flush()
        // Nothing can be made where a file is in the way of the folder.
        try FileManager.default.removeItem(atPath: folder + "/logs")
        try Data().write(to: URL(fileURLWithPath: folder + "/logs"))
        for number in 2...4 {
            journal.write(Self.record(number))
            journal.flush()
        }
        try FileManager.default.removeItem(atPath: folder + "/logs")
        try FileManager.default.createDirectory(atPath: folder + "/logs", withIntermediateDirectories: true)
        journal.write(Self.record(5))
        journal.close()
        let entries = try Self.entries(LogFiles(path: journal.path, keep: 1).last(LogQuery()))
        #expect(entries.map(\.event) == ["log::dropped", "test::event"])
        #expect(entries[0].fields["count"] == .string("3"))
    }

    @Test("a flood of events takes bounded memory: each is in the log or counted as lost")
    func floods() throws {
        let journal = try Self.journal(LogFileLimits(size: 64 << 20, keep: 1))
        let text = String(repeating: "x", count: 2_000)
        let total = 20_000
        for number in 1...total {
            var record = Self.record(number)
            record.fields["text"] = text
            journal.write(record)
        }
        journal.close()
        var (kept, lost) = (0, 0)
        for line in try String(contentsOfFile: journal.path, encoding: .utf8).split(separator: "\n") {
            let entry = try JSONDecoder().decode(LogEntryBody.self, from: Data(line.utf8))
            if entry.event == "log::dropped", case .string(let count)? = entry.fields["count"] {
                lost += try #require(Int(count))
            } else {
                kept += 1
            }
        }
        #expect(kept + lost == total)
    }

    @Test("whoever follows misses nothing while the files are divided, and sees nothing twice")
    func followingGoesOnOverDivisions() async throws {
        let journal = try Self.journal(LogFileLimits(size: 4_096, keep: 2))
        for number in 1...20 { journal.write(Self.record(number)) }
        let reader = LogReader(handle: "root", device: "d")
        let following = try #require(try await journal.follow(LogQuery(lines: 10), for: reader))
        #expect(try Self.numbers(following.last) == Array(11...20))
        for number in 21...400 {
            journal.write(Self.record(number))
            if number % 40 == 0 { journal.flush() }
        }
        journal.close()
        var next: [String] = []
        for await line in following.next { next.append(line) }
        #expect(try Self.numbers(next) == Array(21...400))
        #expect(journal.followerCount == 0)
    }

    @Test("whoever follows and does not read is told what was missed; the log itself goes on")
    func slowFollowers() async throws {
        let journal = try Self.journal()
        let following = try #require(
            try await journal.follow(LogQuery(lines: 0), for: LogReader(handle: "root", device: "d")))
        for number in 1...(LogJournal.mostBehind + 5) {
            journal.write(Self.record(number))
            journal.flush()
        }
        var next = following.next.makeAsyncIterator()
        for _ in 1...10 { _ = await next.next() }
        journal.write(Self.record(9_999))
        journal.close()
        var rest: [String] = []
        while let line = await next.next() { rest.append(line) }
        let entries = try Self.entries(rest).suffix(2)
        #expect(entries.map(\.event) == ["log::dropped", "test::event"])
        #expect(entries.first?.fields["count"] == .string("5"))
    }

    @Test func severalProcessesShareAFileAndDivideItOnce() throws {
        let path = try LifecycleFixture.folder() + "/client.log"
        let outputs = try (1...2).map { _ in try LogOutput.file(path, limits: LogFileLimits(size: 2_000, keep: 3)) }
        for number in 1...60 { outputs[number % 2].write(Self.record(number).line) }
        let numbers = try Self.numbers(LogFiles(path: path, keep: 3).last(LogQuery(lines: 1_000)))
        #expect(numbers == Array((numbers.first ?? 0)...60) && numbers.count > 30)
        let first = try Data(contentsOf: URL(fileURLWithPath: path + ".1")).count
        #expect((1_900...2_000).contains(first))
        #expect(!FileManager.default.fileExists(atPath: path + ".4"))
    }
}
