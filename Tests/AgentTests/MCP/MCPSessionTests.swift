import Foundation
import JSON
import Testing

@testable import Agent

// What follows from each message of an MCP server, and from what is none?

@Suite struct MCPSessionTests {
    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func sent(_ actions: [MCPSession.Action]) -> [JSONRPCMessage] {
        actions.compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    static let greeting =
        #"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}}"#
    static let list =
        #"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}}"#

    /// What has state is asked as an object, within what a test expects.
    final class Talk {
        private var session = MCPSession(clientVersion: "1", outputLimit: 100)
        var isReady: Bool { session.isReady }
        var isWaiting: Bool { session.isWaiting }
        var tools: [ToolDefinition] { session.tools }
        var version: String? { session.version }
        func start() -> [MCPSession.Action] { session.start() }
        func received(_ line: [UInt8]) -> [MCPSession.Action] { session.received(line) }
        func call(_ tool: String) -> (id: Int64, action: MCPSession.Action)? { session.call(tool, [:]) }
        func cancel(_ id: Int64, because reason: String) -> [MCPSession.Action] {
            session.cancel(id, because: reason)
        }
        func ping() -> MCPSession.Action { session.ping() }
    }

    static func ready() -> Talk {
        let session = Talk()
        _ = session.start()
        _ = session.received(bytes(greeting))
        _ = session.received(bytes(list))
        return session
    }

    @Test("a server is greeted, asked for every page of its tools, and then ready")
    func pages() throws {
        let session = Talk()
        let hello = try #require(Self.sent(session.start()).first)
        guard case .request(.integer(1), "initialize", let parameters?) = hello else {
            Issue.record("\(hello)")
            return
        }
        #expect(parameters["protocolVersion"] == "2025-06-18")
        // Neither roots nor sampling nor anything else is offered.
        #expect(parameters["capabilities"] == .object([:]))
        #expect(session.call("a") == nil)
        #expect(
            Self.sent(session.received(Self.bytes(Self.greeting))) == [
                .notification(method: "notifications/initialized", parameters: nil),
                .request(id: 2, method: "tools/list", parameters: nil),
            ])
        let first = session.received(
            Self.bytes(
                #"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},{"name":"a","description":"again","inputSchema":{}},{"name":"no schema"},{"name":"b c","inputSchema":{}}],"nextCursor":"x"}}"#
            ))
        #expect(first == [.send(.request(id: 3, method: "tools/list", parameters: ["cursor": "x"]))])
        #expect(!session.isReady)
        let second = session.received(
            Self.bytes(
                #"{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"b","description":"B","inputSchema":{}}]}}"#))
        #expect(second == [.listed] && session.isReady)
        #expect(session.tools.map(\.name) == ["a", "b"] && session.tools.map(\.effect) == [.query, .action])
        #expect(session.tools[0].parameters == ["type": "object"])
    }

    @Test("a recorded stream gives the same actions wherever it is cut")
    func cutAtEveryByte() throws {
        let stream = Self.bytes(
            """
            \(Self.greeting)\r
            nonsense äöü
            \(Self.list)

            {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1,"total":2}}
            {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":{"a":1}}}
            {"jsonrpc":"2.0","id":"x","method":"roots/list"}
            {"jsonrpc":"2.0","id":9,"method":"ping"}
            [{"jsonrpc":"2.0","method":"notifications/tools/list_changed"},{"jsonrpc":"2.0","id":4,"result":{"tools":[]}}]
            {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"grün"}]}}

            """)
        func actions(_ pieces: [[UInt8]]) throws -> [MCPSession.Action] {
            let session = Talk()
            var lines = MCPLines(limit: 1000)
            var actions = session.start()
            for piece in pieces {
                for line in try lines.append(piece) {
                    actions += session.received(line)
                    if actions.last == .listed, let call = session.call("a") { actions.append(call.action) }
                }
            }
            return actions
        }
        let whole = try actions([stream])
        #expect(whole.contains(.answered(3, ToolResult("grün"))))
        #expect(whole.contains(.progressed(3, "1 of 2")))
        #expect(whole.contains(.remark(level: "error", text: #"{"a":1}"#)))
        #expect(whole.contains(.send(.response(id: 9, result: .object([:])))))
        #expect(whole.count { $0 == .listed } == 2)
        #expect(
            Self.sent(whole).contains {
                if case .failure("x", JSONRPCMessage.methodNotFound, _) = $0 { true } else { false }
            })
        for cut in 1..<stream.count {
            #expect(try actions([Array(stream[..<cut]), Array(stream[cut...])]) == whole, "cut at \(cut)")
        }
        #expect(try actions(stream.map { [$0] }) == whole)
    }

    @Test("answers that are late, doubled or nobody's are ignored")
    func strayAnswers() throws {
        let session = Self.ready()
        let (id, _) = try #require(session.call("a"))
        let answer = Self.bytes(#"{"jsonrpc":"2.0","id":\#(id),"result":{"content":[]}}"#)
        #expect(session.received(Self.bytes(#"{"jsonrpc":"2.0","id":"\#(id)","result":{}}"#)) == [])
        #expect(session.received(Self.bytes(#"{"jsonrpc":"2.0","id":99,"result":{}}"#)) == [])
        #expect(session.received(Self.bytes(#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#)) == [])
        #expect(session.received(answer) == [.answered(id, ToolResult(""))])
        #expect(session.received(answer) == [])
        let (late, _) = try #require(session.call("a"))
        let cancelled = Self.sent(session.cancel(late, because: "slow"))
        #expect(
            cancelled == [
                .notification(
                    method: "notifications/cancelled", parameters: ["requestId": .integer(late), "reason": "slow"])
            ])
        #expect(session.cancel(late, because: "again") == [])
        #expect(session.received(Self.bytes(#"{"jsonrpc":"2.0","id":\#(late),"result":{"content":[]}}"#)) == [])
        #expect(
            session.received(
                Self.bytes(
                    #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":\#(late),"progress":1}}"#
                )) == [])
    }

    @Test("garbage is overlooked up to a bound, and then the server counts as broken")
    func garbage() {
        let session = Self.ready()
        let garbage = [
            "{", "", "null", "[]", "{}", #"{"jsonrpc":"1.0","id":1}"#, #"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
        ]
        for index in 0..<MCPSession.mostGarbage {
            #expect(session.received(Self.bytes(garbage[index % garbage.count])) == [])
        }
        // A good message makes it good.
        #expect(session.received(Self.bytes(#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#)) == [])
        for index in 0..<MCPSession.mostGarbage {
            #expect(session.received([0xFF, UInt8(truncatingIfNeeded: index)]) == [])
        }
        guard case .broken? = session.received([0xFF]).first else {
            Issue.record("the server is not broken")
            return
        }
        #expect(session.received(Self.bytes(Self.list)) == [] && !session.isReady && session.tools.isEmpty)
    }

    @Test(
        "a server speaks one of the versions that are known, or is told that it is not understood",
        arguments: [
            ("2025-06-18", true), ("2025-03-26", true), ("2024-11-05", true), ("2025-11-25", true),
            ("2026-07-28", false), ("", false), ("2.0", false),
        ])
    func versions(version: String, isSpoken: Bool) {
        let session = Talk()
        _ = session.start()
        let actions = session.received(
            Self.bytes(Self.greeting.replacingOccurrences(of: "2025-06-18", with: version)))
        let isBroken = actions.contains { if case .broken = $0 { true } else { false } }
        #expect(isBroken != isSpoken && (session.version == version) == isSpoken)
    }

    @Test("a refused greeting and a refused first list break the connection, a later one does not")
    func refusals() {
        func refuse(_ id: Int) -> [UInt8] {
            Self.bytes(#"{"jsonrpc":"2.0","id":\#(id),"error":{"code":-1,"message":"no"}}"#)
        }
        var session = Talk()
        _ = session.start()
        #expect(session.received(refuse(1)) == [.broken("it refuses the greeting: no (-1)")])
        session = Talk()
        _ = session.start()
        _ = session.received(Self.bytes(Self.greeting))
        #expect(session.received(refuse(2)) == [.broken("it does not list its tools: no (-1)")])
        session = Self.ready()
        let changed = Self.bytes(#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#)
        #expect(Self.sent(session.received(changed)).count == 1)
        // While it is being listed, many changes are one.
        for _ in 0..<10 { #expect(session.received(changed) == []) }
        guard case .remark? = session.received(refuse(3)).first else {
            Issue.record("nothing is said of the list")
            return
        }
        #expect(session.isReady && session.tools.map(\.name) == ["a"])
    }

    @Test("a list that changes while it is read is read once more")
    func changedMeanwhile() {
        let session = Self.ready()
        let changed = Self.bytes(#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#)
        _ = session.received(changed)
        _ = session.received(changed)
        let actions = session.received(Self.bytes(#"{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}"#))
        #expect(actions == [.listed, .send(.request(id: 4, method: "tools/list", parameters: nil))])
    }

    @Test("no line, no answer, no list and no number of calls is longer than its bound")
    func bounds() throws {
        var lines = MCPLines(limit: 10)
        let line = try lines.append(Self.bytes("0123456789\n"))
        #expect(line == [Self.bytes("0123456789")])
        #expect(throws: MCPLines.TooLong.self) { _ = try lines.append([UInt8](repeating: 0x20, count: 11)) }
        let session = Self.ready()
        for _ in 0..<MCPSession.mostCalls { #expect(session.call("a") != nil) }
        #expect(session.call("a") == nil)
        #expect(session.ping() != .listed && session.isWaiting)
        let text = String(repeating: "ä", count: 100)
        let result = MCPMessages.result(["content": [["type": "text", "text": .string(text)]]], limit: 51)
        #expect(result.text.hasPrefix("ää") && result.text.contains("[cut: the answer has 200 bytes]"))
        #expect(!result.text.contains("\u{FFFD}"))
        let many = JSONValue.array(
            (0..<2000).map { ["name": .string("t\($0)"), "inputSchema": .object([:])] })
        #expect(MCPMessages.tools(["tools": many]).tools.count == MCPMessages.mostTools)
        let large = JSONValue.object(["x": .string(String(repeating: "x", count: MCPMessages.largestSchema))])
        #expect(MCPMessages.tools(["tools": [["name": "t", "inputSchema": large]]]).tools.isEmpty)
    }

    @Test("every kind of content becomes words")
    func contents() {
        let result = MCPMessages.result(
            [
                "content": [
                    ["type": "text", "text": "a"], ["type": "image", "mimeType": "image/png", "data": "AAAA"],
                    ["type": "resource_link", "name": "n", "uri": "file:///x"],
                    ["type": "resource", "resource": ["uri": "file:///y", "text": "inside"]], ["type": "odd"], 5,
                ], "isError": true,
            ], limit: 1000)
        #expect(result.isError)
        #expect(result.text == "a\n[image: image/png, 3 bytes]\n[n](file:///x)\ninside\n[odd]\n[nothing]")
        #expect(MCPMessages.result(["structuredContent": ["a": 1]], limit: 100).text == #"{"a":1}"#)
        #expect(MCPMessages.result(.null, limit: 100) == ToolResult(""))
    }

    @Test("a stream of events gives the same messages wherever it is cut")
    func eventStream() throws {
        let stream = Self.bytes(
            ": comment\ndata: one\n\nevent: message\r\nid: 4\r\ndata:two\r\ndata: lines\r\n\r\nevent: other\ndata: no\n\ndata\n\nretry: 5\n\ndata: ü\r\rdata: unfinished"
        )
        let wanted = ["one", "two\nlines", "ü"].map(Self.bytes)
        for cut in 0...stream.count {
            var events = MCPEvents(limit: 100)
            let found = try events.append(Array(stream[..<cut])) + events.append(Array(stream[cut...]))
            #expect(found == wanted, "cut at \(cut)")
        }
        var events = MCPEvents(limit: 10)
        #expect(throws: MCPLines.TooLong.self) { _ = try events.append(Self.bytes("data: 1234567890")) }
    }

    @Test("waiting after failures doubles up to its bound, and begins anew after good times")
    func backoff() {
        var backoff = MCPBackoff()
        var times: [Duration] = []
        for _ in 0..<12 { times.append(backoff.next(random: 0.5)) }
        #expect(Array(times[..<4]) == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4)])
        #expect(times.last == MCPBackoff.longest)
        backoff.reset()
        let (least, most) = (backoff.next(random: 0), backoff.next(random: 1))
        #expect(least < .milliseconds(401) && most > .milliseconds(1199))
    }

    @Test("P-34: a call has 10 seconds when it only reads, 30 otherwise, and what the operator says before that")
    func times() {
        var times = ToolTimes()
        let query = ToolDefinition(name: "log", description: "", parameters: .null, effect: .query)
        let action = ToolDefinition(name: "push", description: "", parameters: .null)
        #expect(times.time(for: query, of: "git") == .seconds(10))
        #expect(times.time(for: action, of: "git") == .seconds(30))
        times.certain = ["my_git_log": .seconds(60), "slow": .seconds(90), "my-own": .seconds(70)]
        #expect(times.time(for: query, of: "my-git") == .seconds(60))
        #expect(times.time(for: action, of: "my-git") == .seconds(30))
        #expect(times.time(for: action, of: "slow") == .seconds(90))
        #expect(times.time(for: action, of: "my-own") == .seconds(70))
        let patient = ToolDefinition(name: "wait", description: "", parameters: .null, timeLimit: .seconds(600))
        #expect(times.time(for: patient, of: "git") == .seconds(600))
        #expect(times.time(for: patient, of: "slow") == .seconds(90))
    }

    @Test(
        "JSON is read as others read it",
        arguments: [
            #"{"a":[1,-2,0.5,125e-3,true,false,null,{}],"b":{"c":[]}}"#, #" [ ] "#, #""ä\u00e4\ud83d\ude00\n\/\"""#,
            "9223372036854775807", "9223372036854775808", "-0", "2.5", #""""#,
        ])
    func json(text: String) throws {
        let wanted = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        let read = try #require(JSONReader.read(Self.bytes(text)))
        switch (wanted, read) {
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            #expect(Double(whole) == number)
        default: #expect(read == wanted)
        }
        #expect(JSONReader.read(read.encoded) == read)
    }

    @Test("what is no JSON, too deep or too much is refused")
    func badJSON() {
        for text in [
            "", "{", "[", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "-", "+1", "1e", "tru", "nul", "\"\u{1}\"",
            "\"a",
            #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "[1] 2", "NaN", "1e999",
            String(repeating: "[", count: 100_000),
            "[" + String(repeating: "0,", count: JSONReader.mostValues) + "0]",
        ] {
            #expect(JSONReader.read(Self.bytes(text)) == nil, "\(text.prefix(50))")
        }
        #expect(JSONReader.read([UInt8(ascii: "\""), 0xFF, UInt8(ascii: "\"")]) == nil)
        let deep = String(repeating: "[", count: JSONReader.deepest) + String(repeating: "]", count: JSONReader.deepest)
        #expect(JSONReader.read(Self.bytes(deep)) != nil)
        #expect(JSONReader.read(Self.bytes("[\(deep)]")) != nil)
        #expect(JSONReader.read(Self.bytes("[[\(deep)]]")) == nil)
    }
}
