import Foundation
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

    private static let key = String(repeating: "0", count: 64)
    private static let long = #"{"message":"\#(String(repeating: "x", count: 1 << 20))"}"#

    /// A new cause is a new row; a setting that it needs is a case above and a line in ``ask(_:)``.
    static let rows: [Row] =
        [
            // 400: the request can't be understood, or names a value that isn't possible.
            Row(400, .badMessage, "POST", "/api/chat", "{"),
            Row(400, .invalid, "POST", "/api/chat", #"{"message":" "}"#),
            Row(400, .invalid, "GET", "/api/events?resource=nothing"),
            Row(400, .invalid, "GET", "/api/sessions?limit=0", hasFix: false),
            Row(400, .badMessage, "PUT", "/api/sessions/s/pin", "[]"),
            Row(400, .invalid, "GET", "/api/vault/notes?limit=1001", hasFix: false),
            Row(400, .invalid, "GET", "/api/vault/notes?cursor=none"),
            Row(400, .badMessage, "PUT", "/api/vault/notes/a.md", "7"),
            Row(400, .invalid, "POST", "/api/upload", "nothing"),
            Row(400, .invalid, "POST", "/api/tts/synthesize", "{}", hasFix: false),
            Row(400, .invalid, "GET", "/api/network/devices/short", hasFix: false),
            Row(400, .badMessage, "PATCH", "/api/network/users/root", #"{"role":7}"#),
            Row(400, .invalid, "GET", "/api/audit?before=x", hasFix: false),
            // 403: somebody else may.
            Row(403, .forbidden, "GET", "/api/audit", as: .member),
            Row(403, .forbidden, "POST", "/api/restart", as: .member),
            Row(403, .forbidden, "DELETE", "/api/network/users/root", as: .member),
            // 404: it isn't there.
            Row(404, .notFound, "GET", "/api/nothing"),
            Row(404, .notFound, "GET", "/api/sessions/none/messages", hasFix: false),
            Row(404, .notFound, "GET", "/api/sessions/archives/7", hasFix: false),
            Row(404, .notFound, "GET", "/api/files/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/upload/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/vault/notes/None.md", hasFix: false),
            Row(404, .notFound, "DELETE", "/api/network/users/nobody", hasFix: false),
            Row(404, .notFound, "GET", "/api/network/devices/\(key)", hasFix: false),
            Row(404, .notFound, "DELETE", "/api/network/invitations/none", hasFix: false),
            Row(404, .notFound, "GET", "/api/network/users", in: .memberAgent),
            Row(404, .unavailable, "POST", "/api/tts/synthesize", #"{"text":"x"}"#),
            // 405: with another method it would be possible.
            Row(405, .methodNotAllowed, "GET", "/api/chat"),
            Row(405, .methodNotAllowed, "DELETE", "/api/events"),
            Row(405, .methodNotAllowed, "POST", "/api/vault/notes/a.md"),
            // 409: not in this state.
            Row(409, .conflict, "POST", "/api/restart"),
            Row(409, .conflict, "DELETE", "/api/network/users/root", hasFix: false),
            Row(409, .conflict, "POST", "/api/vault/move", #"{"from":"a.md","to":"b.md"}"#, hasFix: false),
            // 412: not in the version that was asked for.
            Row(
                412, .preconditionFailed, "PUT", "/api/vault/notes/a.md", #"{"content":"x"}"#,
                headers: ["If-Match": "\"old\""]),
            // 413: too much of it.
            Row(413, .tooLarge, "POST", "/api/chat", long),
            Row(413, .tooLarge, "PUT", "/api/sessions/s/pin", long),
            Row(413, .tooLarge, "POST", "/api/network/invitations", long),
            // 415: of another kind.
            Row(415, .notText, "GET", "/api/vault/notes/bytes.md"),
            // 429: later.
            Row(429, .queueFull, "POST", "/api/chat", #"{"message":"third"}"#, in: .busy),
            // 500: a defect of ours.
            Row(500, .internalError, "GET", "/test/defect"),
            // 502: somebody whom we asked failed.
            Row(502, .unavailable, "POST", "/api/tts/synthesize", #"{"text":"x"}"#, in: .brokenVoice),
            // 503: not now, or not in this agent.
            Row(503, .unavailable, "GET", "/api/files/x", in: .bare, hasFix: false),
            Row(503, .unavailable, "GET", "/api/vault/notes", in: .bare, hasFix: false),
            Row(503, .unavailable, "POST", "/api/chat", #"{"message":"hello"}"#, in: .readOnly),
            Row(503, .unavailable, "POST", "/api/sessions/s/clear", in: .readOnly),
            Row(503, .unavailable, "PATCH", "/api/network/users/root", #"{"role":"member"}"#, in: .readOnly),
            // 504: it takes too long.
            Row(504, .timedOut, "POST", "/api/chat", #"{"message":"hello"}"#),
            // 507: no room.
            Row(507, .unavailable, "POST", "/api/network/invitations", "{}", in: .full),
        ]
        // What is thrown anywhere with a code of its own comes out with its status: models without a key, budgets, what isn't there yet.
        + ErrorCode.allCases.map { Row(Int($0.status.code), $0, "GET", "/test/\($0.rawValue)") }

    @Test("P-93: every cause has its status, its code, a message and, where there is a fix, a hint", arguments: rows)
    func cause(_ row: Row) async throws {
        let answer = try await Self.ask(row)
        #expect(answer.status == row.status && answer.code == row.code.rawValue, "\(answer)")
        #expect(answer.headers["content-type"] == "application/json; charset=utf-8")
        let body = try answer.decode(ErrorBody.self)
        #expect(!body.error.message.isEmpty && body.error.message.count < 400)
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
        let notes = try TestNotes(["a.md": "one", "b.md": "two"])
        try Data([0xFF, 0xFE, 0x00]).write(to: URL(filePath: notes.folder + "/bytes.md"))
        var limits = GatewayLimits.patient
        if row.setting == .busy {
            limits.waitingPerLane = 1
            limits.chatTime = .seconds(60)
        }
        let isBare = row.setting == .bare
        let voice = Voice(textToSpeech: row.setting == .brokenVoice ? BrokenMouth() : nil)
        let gateway = try TestGateway(
            limits: limits, voice: voice, routes: routes, place: row.setting == .memberAgent ? .member : .coordinator,
            files: isBare ? nil : TestFiles(), vault: isBare ? nil : notes.vault)
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
