import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

// P-61: whatever a member sends, the answer is an `error` with a stable code or an HTTP status below 500, and socket and
// process live on, for the sender and for everybody else.

@Suite struct HostileInputTests {
    /// What no field of the vocabulary expects, as JSON.
    static let values = [
        "7", "-1", "1.5", "true", "\"text\"", "[]", "{}", "[[[]]]", "{\"type\":\"ping\"}", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808", "1e400", "-0", #""\ud800""#, #""\u0000""#, "[\"a\",7,null]",
        String(repeating: "[", count: 2_000) + String(repeating: "]", count: 2_000),
        "\"" + String(repeating: "x", count: 10_000) + "\"",
    ]

    /// Each type with a frame that is fine, and the fields that it may have.
    static let frames: [(type: String, fields: [String])] = [
        ("auth", ["token", "client_id"]), ("ping", ["seq", "ts_ms"]),
        ("session_open", ["session_id", "after_seq", "coalesce_window_ms", "speak", "language", "profile"]),
        ("session_close", ["session_id"]),
        ("text_final", ["session_id", "text", "message_id", "source", "attachments", "author"]),
        ("text_delta", ["session_id", "text", "final"]),
        ("message", ["session_id", "text", "attachments", "input_was_voice", "voice_language"]),
        (
            "audio_chunk_in",
            ["session_id", "data", "seq", "is_end", "encoding", "end_of_speech", "sample_rate", "message_id"]
        ),
        ("audio_end_in", ["session_id"]),
        ("attachment", ["session_id", "kind", "path", "filename", "mime_type", "id", "size"]),
        ("interrupt", ["session_id", "reason"]), ("command", ["name", "session_id", "arg"]),
        ("terminal_open", ["cols", "rows"]),
    ]

    /// Codes that a client may meet for what it sent.
    static let codes: Set<ErrorCode> = [
        .badMessage, .unknownType, .tooLarge, .invalid, .notFound, .unavailable, .forbidden, .conflict, .queueFull,
    ]

    @Test("P-61: every field of every message may hold anything", arguments: frames.map(\.type))
    func anyFieldMayHoldAnything(_ type: String) async throws {
        let frame = try #require(Self.frames.first { $0.type == type })
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "fine" }))
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for field in frame.fields {
                for value in Self.values {
                    try await socket.send(text: #"{"type":"\#(type)","\#(field)":\#(value)}"#)
                    try await Self.expectLife(of: socket, after: "\(type).\(field) = \(value.prefix(60))")
                }
            }
            for value in Self.values {
                try await socket.send(text: #"{"type":\#(value)}"#)
                try await Self.expectLife(of: socket, after: "type = \(value.prefix(60))")
            }
        }
    }

    /// Asks for a sign of life, and looks at what came before it.
    private static func expectLife(of socket: TestWebSocket, after what: String) async throws {
        try await socket.send(text: #"{"type":"ping"}"#)
        while true {
            let message = try await socket.message()
            if case .pong = message.body { return }
            if let code = message.errorCode { #expect(codes.contains(code), "\(what): \(message.frame)") }
        }
    }

    @Test(
        "P-61: texts that are no JSON, or no UTF-8, are bad messages; fragments and control frames between them are fine"
    )
    func brokenTextsAreBadMessages() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            let head = Array(#"{"type":"text_final","text":""#.utf8)
            let tail = Array(#""}"#.utf8)
            let broken: [[UInt8]] = [
                [], Array("{".utf8), Array("nul".utf8), Array("{\"type\":\"ping\"}{".utf8), [0], [0xEF, 0xBB, 0xBF],
                head + [0xC3, 0x28] + tail, head + [0xED, 0xA0, 0x80] + tail, head + [0xF8, 0x88] + tail, head + [0xFF],
                Array(#"{"type":"text_final","text":"\ud83d"}"#.utf8),
                Array(#"{"type":"text_final","text":"\x"}"#.utf8),
                Array(String(repeating: "{\"a\":", count: 50_000).utf8),
            ]
            for bytes in broken {
                try await socket.stream.send(TestWebSocket.frame(1, bytes))
                #expect(try await socket.message().errorCode == .badMessage, "\(bytes.prefix(40))")
            }
            for _ in 0..<20 {
                try await socket.stream.send(TestWebSocket.frame(2, [0xDE, 0xAD]))
                #expect(try await socket.message().errorCode == .badMessage)
            }
            // A message of one byte a frame, with a ping in the middle of it.
            let ping = Array(#"{"type":"ping"}"#.utf8)
            for (index, byte) in ping.enumerated() {
                let isLast = index == ping.count - 1
                try await socket.stream.send(TestWebSocket.frame(index == 0 ? 1 : 0, [byte], fin: isLast))
                if index == 7 {
                    try await socket.stream.send(TestWebSocket.frame(9, [7]))
                    #expect(try await socket.next() == .pong([7]))
                }
            }
            #expect(try await socket.message().body == .pong)
        }
    }

    @Test("P-61: a flood of pings delays nobody else, and ends in pongs or in a cut with the reason")
    func aFloodOfPingsDelaysNobody() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let flooding = try await running.webSocket(gateway.device("ana"))
            let other = try await running.webSocket(gateway.device("bob"))
            let ping = TestWebSocket.frame(1, Array(#"{"type":"ping"}"#.utf8))
            let control = TestWebSocket.frame(9, [1])
            let burst = Array(repeating: ping + control, count: 100).flatMap { $0 }
            for _ in 0..<50 {
                try await flooding.stream.send(burst)
                let start = ContinuousClock.now
                try await other.send(.ping)
                #expect(try await other.message().body == .pong)
                #expect(ContinuousClock.now - start < .seconds(2))
            }
            var pongs = 0
            loop: while pongs < 10_000 {
                switch try await flooding.next() {
                case .message(let message):
                    #expect(message.body == .pong)
                    pongs += 1
                case .pong: pongs += 1
                case .close(let code, _):
                    #expect(code == 4008, "what is too far behind is cut")
                    break loop
                case .end: break loop
                }
            }
            #expect(pongs > 0)
        }
    }

    @Test("P-61: every route that takes a body refuses a hostile one with a code, and lives")
    func everyBodyMayBeAnything() async throws {
        let notes = try TestNotes()
        let config = try TestConfiguration("name: Ada\n")
        let gateway = try TestGateway(
            place: .coordinator, files: TestFiles(), vault: notes.vault, store: config.store)
        let bodies: [[UInt8]] =
            [
                [], [0xFF, 0xFE], Array("{".utf8), Array("nonsense".utf8),
                Array(repeating: UInt8(ascii: "["), count: 50_000),
            ]
            + Self.values.map { Array($0.utf8) }
            + ["role", "handle", "label", "max_uses", "ttl_seconds", "status"].flatMap { field in
                Self.values.map { Array(#"{"\#(field)":\#($0)}"#.utf8) }
            }
        let routes = AccessMatrixTests.table.filter { $0.value.body != nil && !$0.key.hasSuffix("/restart") }.keys
        #expect(routes.count >= 5)
        try await gateway.run { running in
            for route in routes.sorted() {
                let parts = route.split(separator: " ")
                let path = String(parts[1]).replacing(/\{[a-z:*]+\}/, with: "nobody")
                var stream = try await running.operatorStream()
                for body in bodies {
                    let head =
                        "\(parts[0]) \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                        + "Content-Length: \(body.count)\r\n\r\n"
                    try await stream.send(Array(head.utf8) + body)
                    let response = try #require(try await stream.response(), "\(route) \(body.prefix(60))")
                    let text = String(decoding: body.prefix(80), as: UTF8.self)
                    #expect(response.status < 500, "\(route) \(text): \(response.status) \(response.body)")
                    if response.status >= 400 {
                        #expect(response.body.contains("\"code\""), "\(route) \(text): \(response.body)")
                    }
                    // What comes in chunks is not read here, and stands before the next answer.
                    if response.headers["connection"] == "close" || response.headers["transfer-encoding"] == "chunked" {
                        stream = try await running.operatorStream()
                    }
                }
            }
            #expect(try await running.operatorStream().get("/api/health")?.status == 200)
        }
    }
}
