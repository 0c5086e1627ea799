import Foundation
import Logging
import Testing

@testable import Gateway

@Suite struct LifecycleLoggingTests {
    /// What a logger with a fixed clock writes.
    func lines(_ format: LogOutput.Format, _ write: (inout Logger) -> Void) throws -> [String] {
        let pipe = Pipe()
        let output = LogOutput(
            descriptor: pipe.fileHandleForWriting.fileDescriptor, isOwned: false, format: format)
        var logger = Logger(label: "gateway") { label in
            AgentLogHandler(label: label, output: output, level: .info) {
                Date(timeIntervalSince1970: 1_795_248_000.25)
            }
        }
        write(&logger)
        try pipe.fileHandleForWriting.close()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func aProgramReadsOneObjectALine() throws {
        let lines = try lines(.json) { logger in
            logger[metadataKey: "node"] = "ab"
            logger.info("conn.accepted", metadata: ["count": "\(2)", "text": "a \"b\"\nc"])
            logger.warning("Something unusual: see below.")
            logger.debug("not shown")
        }
        #expect(
            lines == [
                #"{"event":"conn.accepted","fields":{"count":"2","node":"ab","text":"a \"b\"\nc"},"level":"info","source":"gateway","time":"2026-11-21T08:00:00.250Z"}"#,
                #"{"fields":{"node":"ab"},"level":"warning","message":"Something unusual: see below.","source":"gateway","time":"2026-11-21T08:00:00.250Z"}"#,
            ])
    }

    @Test func aPersonReadsOneSentenceALine() throws {
        let lines = try lines(.human) { $0.notice("conn.accepted", metadata: ["b": "x\ny\u{1B}[2J", "a": "1"]) }
        #expect(lines == [#"08:00:00.250 NOTICE   gateway: conn.accepted a=1 b=x\ny\u{1B}[2J"#])
    }

    @Test(arguments: [LogOutput.Format.human, .json])
    func valuesThatAreNamedLikeSecretsNeverAppear(_ format: LogOutput.Format) throws {
        let names = ["password", "Token", "api_key", "invite-ticket", "client.secret", "Authorization", "secret_key"]
        let lines = try lines(format) { logger in
            for name in names { logger.info("x", metadata: ["\(name)": "hunter2"]) }
            logger.info("x", metadata: ["nested": ["token": "hunter2", "list": "ok"]])
        }
        #expect(lines.count == names.count + 1)
        #expect(lines.allSatisfy { !$0.contains("hunter2") && $0.contains("[redacted]") }, "\(lines)")
    }

    @Test func ordinaryFieldsAreNotRedacted() throws {
        let lines = try lines(.human) { $0.info("x", metadata: ["key": "k1", "input_tokens": "5", "path": "p"]) }
        #expect(lines == ["08:00:00.250 INFO     gateway: x input_tokens=5 key=k1 path=p"])
    }

    @Test func aLogFileIsPrivateAndGrows() throws {
        let path = try LifecycleFixture.folder() + "/state/logs/cli.jsonl"
        for number in 1...2 {
            let output = try LogOutput.file(path)
            Logger(label: "cli") { AgentLogHandler(label: $0, output: output, level: .info) }.info("n\(number)")
        }
        #expect(try LifecycleFixture.mode(of: path) == 0o600)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 2)
    }
}
