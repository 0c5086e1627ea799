import Foundation
import TestProviders
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// P-93: whatever goes wrong is said with a stable code, a message and, where somebody can do something about it, a hint. Each cause
// is provoked on a running gateway.

@Suite struct ErrorTableTests {
    /// In which state the gateway is asked.
    enum Setting: Sendable {
        case usual
        /// It keeps no files and has no vault.
        case bare
        /// Its database takes nothing: because it is read-only, or because the disk is full.
        case readOnly, full
        /// One turn runs and the only place behind it is taken.
        case busy
        /// It is a member of another agent's network.
        case memberAgent
        /// Speech comes from a program that fails.
        case brokenVoice
        /// The user has used all of the day.
        case spent
        /// The provider of models, which otherwise answers, refuses, says nonsense, or says nothing in time.
        case refusing, garbage, late
    }

    enum Asking: Sendable { case admin, member }

    struct Row: Sendable, CustomTestStringConvertible {
        var status: Int
        var code: ErrorCode
        var setting = Setting.usual
        var asking = Asking.admin
        var method: String
        var path: String
        var body: String?
        var headers: [String: String] = [:]
        /// Whether somebody can do something about it.
        var hasFix = true

        var testDescription: String { "\(status) \(code.rawValue): \(method) \(path.prefix(60)) (\(setting))" }

        init(
            _ status: Int, _ code: ErrorCode, _ method: String, _ path: String, _ body: String? = nil,
            headers: [String: String] = [:], in setting: Setting = .usual, as asking: Asking = .admin,
            hasFix: Bool = true
        ) {
            (self.status, self.code, self.method, self.path, self.body) = (status, code, method, path, body)
            (self.headers, self.setting, self.asking, self.hasFix) = (headers, setting, asking, hasFix)
        }
    }

    @Test("P-93: every cause has its status, its code, a message and, where there is a fix, a hint", arguments: rows)
    func cause(_ row: Row) async throws {
        let answer = try await Self.ask(row)
        #expect(answer.status == row.status && answer.code == row.code.rawValue, "\(answer)")
        #expect(answer.headers["content-type"] == "application/json; charset=utf-8")
        let body = try answer.decode(ErrorBody.self)
        #expect(!body.error.message.isEmpty && body.error.message.count < 400)
        if row.setting == .spent { #expect(answer.body.contains(#""details":{"#), "which limit") }
        if row.hasFix { #expect(body.error.hint?.isEmpty == false, "\(answer.body)") }
    }

    @Test func strangersAreToldWhyInOneLineAndNothingElse() async throws {  // P-93: 401 is text (docs/protocol.md)
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.connection(of: SecretKey().nodeID).stream()
            try await stream.sendPreamble([])
            for (method, path) in [("GET", "/api/audit"), ("GET", "/api/nothing"), ("POST", "/api/chat")] {
                let answer = try await stream.ask(method, path)
                #expect(answer.status == 401 && answer.body == "missing device cert")
            }
        }
    }

    @Test("the document lists every code with its status, and no other")
    func theListOfCodes() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/protocol.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "\n### Errors\n").dropFirst().first)
        let table = section.split(separator: "\n", omittingEmptySubsequences: false)
            .drop { !$0.hasPrefix("| Code") }.prefix { $0.hasPrefix("|") }.dropFirst(2)
        let listed = table.map { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return (code: cells[0].trimmingCharacters(in: ["`"]), statuses: cells[1].components(separatedBy: ", "))
        }
        #expect(Set(listed.map(\.code)) == Set(ErrorCode.allCases.map(\.rawValue)))
        #expect(listed.count == ErrorCode.allCases.count)
        for (code, statuses) in listed {
            #expect(statuses.first == "\(ErrorCode(rawValue: code).status.code)", "\(code)")
        }
        for row in Self.rows {
            let statuses = listed.first { $0.code == row.code.rawValue }?.statuses ?? []
            #expect(statuses.contains("\(row.status)"), "\(row.testDescription)")
        }
    }

    // MARK: Parts

    private struct Defect: Error {}

    /// Waits less long than an agent does.
    private struct ImpatientHTTP: OutboundHTTP {
        func send(_ request: OutboundRequest) async throws -> OutboundAnswer {
            var request = request
            request.timeLimit = .milliseconds(100)
            return try await NetworkHTTP().send(request)
        }
    }

    private struct BrokenMouth: TextToSpeech {
        func speech(for text: String, language: String?) async throws -> SpokenAudio { throw Defect() }
    }

    /// Routes that throw what others throw once they are there.
    private static let routes: [Route] =
        [.member(.get, "/test/defect", .spy) { _, _, _ in throw Defect() }]
        + ErrorCode.allCases.map { code in
            .member(.get, "/test/\(code.rawValue)", .spy) { _, _, _ in
                throw ErrorResponse(code, "Something is wrong.", hint: "Do something else.")
            }
        }

    private static func ask(_ row: Row) async throws -> TestResponse {
        try await FakeProvider.run { provider in
            switch row.setting {
            case .refusing: provider.fail(.status(401))
            case .garbage: provider.fail(.garbage)
            case .late: provider.fail(.silent)
            default: break
            }
            return try await ask(row, provider.address)
        }
    }

    private static func ask(_ row: Row, _ provider: String) async throws -> TestResponse {
        let notes = try TestNotes(["a.md": "one", "b.md": "two"])
        try Data([0xFF, 0xFE, 0x00]).write(to: URL(filePath: notes.folder + "/bytes.md"))
        var limits = GatewayLimits.patient
        if row.setting == .busy {
            limits.waitingPerLane = 1
            limits.chatTime = .seconds(60)
        }
        let isBare = row.setting == .bare
        let voice = Voice(textToSpeech: row.setting == .brokenVoice ? BrokenMouth() : nil)
        let settings = try TestConfiguration("name: Ada\n")
        var usage = UsageSettings()
        if row.setting == .spent { usage.caps.user.requests = 1 }
        let gateway = try TestGateway(
            limits: limits, voice: voice, routes: routes, place: row.setting == .memberAgent ? .member : .coordinator,
            files: isBare ? nil : TestFiles(), vault: isBare ? nil : notes.vault, store: isBare ? nil : settings.store,
            usage: usage, http: row.setting == .late ? ImpatientHTTP() : NetworkHTTP())
        return try await gateway.run { running in
            let stream: TestStream
            switch (row.setting, row.asking) {
            case (.memberAgent, _): stream = try await running.operatorStream()
            case (_, let asking):
                let device = try await gateway.join("root", role: asking == .admin ? .admin : .member)
                stream = try await running.stream(device)
                if row.setting == .busy {
                    let socket = try await running.webSocket(device)
                    try await socket.say("first", id: "1")
                    _ = try await gateway.agent.nextRun()
                    try await socket.say("second", id: "2")
                    _ = try await socket.messages { $0.position == 1 }
                }
            }
            if row.path.hasPrefix("/api/providers") || row.path.hasPrefix("/api/m") || row.path.hasSuffix("/pin") {
                try await gateway.fillRegistry()
                let registry = try #require(gateway.configuration.registry)
                for (name, key) in [("openai", nil), ("groq", "a key of the test")] {
                    _ = try await registry.addProvider(
                        ProviderChange(name: name, apiKey: key, baseURL: provider), by: TestGateway.somebody)
                }
            }
            if row.path.contains("scheduled-tasks") || row.path.contains("workflow") {
                try await TestPlans.insert("plan", into: gateway.database)
            }
            if row.path.contains("/long/") { try await TestPlans.insertLong(into: gateway.database) }
            if row.setting == .spent { _ = try await stream.ask("POST", "/api/chat", row.body) }
            if row.path.hasSuffix("/clear") {
                _ = try await gateway.sessions.open(handle: "root", sessionID: "s", reserving: 1, now: 0)
            }
            if row.setting == .readOnly { try gateway.database.setReadOnly(true) }
            if row.setting == .full {
                try gateway.database.setFull(true)
                // The free pages of a young database take some more.
                for _ in 0..<200 {
                    let answer = try await stream.ask("POST", "/api/network/invitations", row.body)
                    if answer.status != 201 { return answer }
                }
            }
            let headers = row.headers.map { "\($0): \($1)\r\n" }.joined()
            let body = row.body ?? ""
            try await stream.send(
                "\(row.method) \(row.path) HTTP/1.1\r\nHost: a\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return try #require(try await stream.response())
        }
    }
}
