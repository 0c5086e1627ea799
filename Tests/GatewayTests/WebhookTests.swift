import Foundation
import JSON
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// P-98: whoever does not know a webhook's secret starts nothing and learns nothing.

@Suite struct WebhookTests {
    static let now = 1_795_348_800.0
    static let secret = "whsec_0123456789abcdef"

    static func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

    static func sign(_ key: String, _ text: String) -> String {
        hex(WebhookKind.hmac(Array(key.utf8), Array(text.utf8)))
    }

    static func request(_ headers: [String: String], _ body: String) -> WebhookRequest {
        WebhookRequest(body: Array(body.utf8)) { headers[$0] }
    }

    /// Headers of our own scheme.
    static func own(_ body: String, id: String = "d1", at time: Double = now, secret: String = secret)
        -> [String: String]
    {
        let stamp = "\(Int(time))"
        return [
            "x-openagent-timestamp": stamp, "x-openagent-delivery": id,
            "x-openagent-signature": "v1=" + sign(secret, "v1:\(stamp):\(id):\(body)"),
        ]
    }

    // MARK: Signatures

    @Test("signatures of providers are checked as they document them")
    func vectors() {
        let github = WebhookKind.github.proof(
            of: Self.request(
                ["x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"],
                "Hello, World!"), secret: "It's a Secret to Everybody", now: Self.now)
        #expect(github?.delivery != nil && github?.nonce == nil)
        let command =
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
            + "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
            + "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
            + "96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        let slack = Self.request(
            [
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ], command)
        let key = "8f742231b10e8888abcd99yyyzzz85a5"
        #expect(WebhookKind.slack.proof(of: slack, secret: key, now: 1_531_420_618 + 299) != nil)
        #expect(WebhookKind.slack.proof(of: slack, secret: key, now: 1_531_420_618 + 301) == nil, "too old")
        #expect(WebhookKind.slack.proof(of: slack, secret: key, now: 1_531_420_618 - 301) == nil, "from the future")
    }

    @Test("P-98: each kind takes what is signed with its secret, and nothing else", arguments: WebhookKind.allCases)
    func kinds(_ kind: WebhookKind) {
        let body = #"{"id":"evt_1","event_id":"Ev1"}"#
        let stamp = "\(Int(Self.now))"
        func headers(_ secret: String) -> [String: String] {
            switch kind {
            case .hmac: Self.own(body, secret: secret)
            case .github: ["x-hub-signature-256": "sha256=" + Self.sign(secret, body)]
            case .stripe:
                [
                    "stripe-signature": "t=\(stamp), v1=\(String(repeating: "0", count: 64)),v1="
                        + Self.sign(secret, "\(stamp).\(body)")
                ]
            case .slack:
                [
                    "x-slack-request-timestamp": stamp,
                    "x-slack-signature": "v0=" + Self.sign(secret, "v0:\(stamp):\(body)"),
                ]
            case .gitlab: ["x-gitlab-token": secret, "x-gitlab-event-uuid": "u1"]
            case .bearer: ["authorization": "Bearer \(secret)", "x-delivery-id": "b1"]
            }
        }
        let right = headers(Self.secret)
        let proof = kind.proof(of: Self.request(right, body), secret: Self.secret, now: Self.now)
        #expect(proof != nil)
        let names: [WebhookKind: String] = [.hmac: "d1", .stripe: "evt_1", .slack: "Ev1", .gitlab: "u1", .bearer: "b1"]
        if let name = names[kind] { #expect(proof?.delivery == name) }
        for wrong in [headers("another secret"), headers(Self.secret + "x"), headers(""), [:]] {
            #expect(kind.proof(of: Self.request(wrong, body), secret: Self.secret, now: Self.now) == nil)
        }
        for (name, value) in right where !["x-gitlab-event-uuid", "x-delivery-id"].contains(name) {
            // Cut anywhere, and with any character changed, it proves nothing.
            for length in 0..<value.count {
                var cut = right
                cut[name] = String(value.prefix(length))
                #expect(kind.proof(of: Self.request(cut, body), secret: Self.secret, now: Self.now) == nil, "\(name)")
            }
        }
        if ![.gitlab, .bearer].contains(kind) {
            #expect(kind.proof(of: Self.request(right, body + " "), secret: Self.secret, now: Self.now) == nil)
        }
        if [.hmac, .stripe, .slack].contains(kind) {
            for shift in [-301.0, 301] {
                #expect(kind.proof(of: Self.request(right, body), secret: Self.secret, now: Self.now + shift) == nil)
            }
        }
    }

    // MARK: The door

    struct House: Sendable {
        let door: WebhookDoor
        let hooks: WebhookRepository
        let clock: DoorClock
        let started: Started
    }

    /// Time of the door.
    final class DoorClock: Sendable {
        private let value = Mutex(WebhookTests.now)
        var now: Double { value.withLock { $0 } }
        func advance(by seconds: Double) { value.withLock { $0 += seconds } }
    }

    final class Started: Sendable {
        private let state = Mutex<(runs: [(workflow: String, run: String, payload: JSONValue)], isBroken: Bool)>(
            ([], false))
        var runs: [(workflow: String, run: String, payload: JSONValue)] { state.withLock { $0.runs } }
        func set(broken: Bool) { state.withLock { $0.isBroken = broken } }
        /// Of runs that began and of those that did not.
        private let ids = Mutex<[String]>([])
        var asked: [String] { ids.withLock { $0 } }
        func start(_ workflow: String, _ run: String, _ payload: JSONValue) throws {
            ids.withLock { $0.append(run) }
            try state.withLock { state in
                if state.isBroken { throw CancellationError() }
                state.runs.append((workflow, run, payload))
            }
        }
    }

    static func with(_ body: (House) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/webhooks-\(UUID().uuidString).db"
        let database = try Store.Database(path: path)
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        try await TestPlans.insert("flow1", into: database)
        let hooks = WebhookRepository(database)
        for (slug, kind) in [("digest", WebhookKind.hmac), ("repo", .github), ("chat", .slack)] {
            let made = try await hooks.insert(
                WebhookRecord(
                    slug: slug, workflowID: "flow1", kind: kind.rawValue, secret: Secret(secret), createdBy: "root",
                    createdAt: 1, updatedAt: 1))
            #expect(made)
        }
        let (clock, started) = (DoorClock(), Started())
        let door = WebhookDoor(
            hooks, now: { clock.now }, random: .system,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { try started.start($0, $1, $2) }
        try await body(House(door: door, hooks: hooks, clock: clock, started: started))
        try database.close()
    }

    @Test("P-98: wrong, missing and replayed signatures, and webhooks that are not there, are refused alike")
    func refusals() async throws {
        try await Self.with { house in
            let body = #"{"a":1}"#
            let right = Self.request(Self.own(body), body)
            let answer = await house.door.receive("digest", right)
            #expect(answer.status == 202 && house.started.runs.count == 1)
            #expect(house.started.runs.first?.payload == ["a": 1] && house.started.runs.first?.workflow == "flow1")
            #expect(answer.body.contains(house.started.runs[0].run))
            for (slug, request) in [
                ("digest", right), ("digest", Self.request([:], body)),
                ("digest", Self.request(Self.own(body, secret: "wrong"), body)), ("nothing", right),
                ("nothing", Self.request([:], body)),
            ] {
                #expect(await house.door.receive(slug, request) == WebhookDoor.refused)
            }
            // Signed anew it is the same delivery: it gets the same run.
            house.clock.advance(by: 60)
            let again = await house.door.receive("digest", Self.request(Self.own(body, at: house.clock.now), body))
            #expect(again.status == 200 && again.body.contains(house.started.runs[0].run))
            #expect(house.started.runs.count == 1)
            // After the secret was made anew the old one counts no more.
            _ = try await house.hooks.rotate("digest", to: Secret("whsec_new_new_new_new"), now: 2)
            let old = Self.request(Self.own(body, id: "d2", at: house.clock.now), body)
            #expect(await house.door.receive("digest", old) == WebhookDoor.refused)
        }
    }

    @Test("a delivery without a signed name is told by what it says; what could not begin may come again")
    func deliveries() async throws {
        try await Self.with { house in
            let request = Self.request(
                ["x-hub-signature-256": "sha256=" + Self.sign(Self.secret, "[1]"), "x-github-delivery": "a"], "[1]")
            house.started.set(broken: true)
            #expect(await house.door.receive("repo", request) == WebhookDoor.busy)
            house.started.set(broken: false)
            #expect(await house.door.receive("repo", request).status == 202)
            #expect(house.started.runs.first?.payload == ["_body": [1]])
            let renamed = Self.request(
                ["x-hub-signature-256": "sha256=" + Self.sign(Self.secret, "[1]"), "x-github-delivery": "b"], "[1]")
            #expect(await house.door.receive("repo", renamed).status == 200)
            #expect(house.started.runs.count == 1)
            // Our own scheme can be sent again as it was when its run could not begin.
            let own = Self.request(Self.own("no JSON"), "no JSON")
            house.started.set(broken: true)
            #expect(await house.door.receive("digest", own).status == 503)
            house.started.set(broken: false)
            #expect(await house.door.receive("digest", own).status == 202)
            #expect(house.started.runs.last?.payload == ["_raw": "no JSON"])
            // Whoever could not say whether a run has begun is asked for the same one again, so none is doubled.
            let ids = house.started.asked
            #expect(ids.count == 4 && ids[0] == ids[1] && ids[2] == ids[3] && ids[1] != ids[2])
            // Slack asks whether it is us, and is told.
            let hello = #"{"type":"url_verification","challenge":"abc"}"#
            let stamp = "\(Int(Self.now))"
            let asked = Self.request(
                [
                    "x-slack-request-timestamp": stamp,
                    "x-slack-signature": "v0=" + Self.sign(Self.secret, "v0:\(stamp):\(hello)"),
                ], hello)
            #expect(await house.door.receive("chat", asked).body == #"{"challenge":"abc"}"#)
        }
    }

    @Test("Weakness: the rate is limited before anything is proven, per address and webhook")
    func rate() {
        var limiter = WebhookLimiter()
        for _ in 1...WebhookLimiter.perSlug { #expect(limiter.refuses("a", "x", now: 30) == nil) }
        #expect(limiter.refuses("a", "x", now: 30) == 30)
        #expect(limiter.refuses("a", "y", now: 30) == nil && limiter.refuses("b", "x", now: 30) == nil)
        for number in 0..<1_000 { _ = limiter.refuses("a", "slug\(number)", now: 31) }
        #expect(limiter.refuses("a", "z", now: 31) != nil, "made-up names are bounded by the address")
        #expect(limiter.refuses("a", "x", now: 60) == nil)
        for number in 0..<30_000 { _ = limiter.refuses("source\(number)", "x", now: 61) }
        #expect(limiter.refuses("somebody new", "x", now: 61) != nil)
    }

    @Test("Weakness: a machine with a network of IPv6 addresses counts as one, and IPv4 as what it is")
    func sources() {
        let one = WebhookRules.source("2001:db8:1:2::1")
        #expect(one == WebhookRules.source("2001:db8:1:2:ffff:ffff:ffff:ffff"))
        #expect(one != WebhookRules.source("2001:db8:1:3::1"))
        #expect(
            WebhookRules.source("::ffff:192.0.2.7") == "192.0.2.7" && WebhookRules.source("192.0.2.7") == "192.0.2.7")
        #expect(WebhookRules.source("::ffff:192.0.2.7") != WebhookRules.source("::ffff:192.0.2.8"))
        #expect(WebhookRules.source("") == "")
    }

    // MARK: The listener

    @Test("P-98: the listener serves POST /hooks/{slug} and nothing else, within bounds of size, number and time")
    func listener() async throws {
        try await Self.with { house in
            let address = try #require(WebhookAddress("127.0.0.1:0"))
            let (ports, port) = AsyncStream.makeStream(of: Int.self)
            var listener = WebhookListener(
                address: address, door: house.door, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            listener.limits.time = .seconds(2)
            listener.limits.connectionsPerSource = 8
            listener.isListening = { port.yield($0.port ?? 0) }
            let served = listener
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await served.run() }
                defer { group.cancelAll() }
                let number = try await within(20, "the port") {
                    for await port in ports { return port }
                    throw CancellationError()
                }
                func ask(_ text: String) async throws -> TestResponse {
                    let stream = try await TestStream.connect(port: number)
                    try await stream.send(text)
                    let response = try #require(try await stream.response())
                    await stream.close()
                    return response
                }
                func post(_ path: String, _ headers: [String: String], _ body: String) async throws -> TestResponse {
                    let fields = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
                    return try await ask(
                        "POST \(path) HTTP/1.1\r\nHost: x\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    )
                }
                let body = #"{"a":1}"#
                let taken = try await post("/hooks/digest", Self.own(body), body)
                #expect(taken.status == 202 && taken.headers["connection"] == "close")
                #expect(taken.json["run_id"] as? String == house.started.runs.first?.run)
                let wrong = try await post("/hooks/digest", Self.own(body, secret: "no"), body)
                let unknown = try await post("/hooks/nothing", Self.own(body), body)
                #expect(wrong.status == 401 && unknown.status == 401 && wrong.body == unknown.body)
                #expect(wrong.headers == unknown.headers)
                for path in ["/", "/hooks", "/hooks/", "/hooks/a/b", "/api/health", "/hooks/..", "/hooks/A"] {
                    #expect(try await post(path, [:], "").status == 404, "\(path)")
                }
                #expect(try await ask("GET /hooks/digest HTTP/1.1\r\nHost: x\r\n\r\n").status == 405)
                let large = "POST /hooks/digest HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"
                #expect(try await ask(large).status == 413)
                // Twice the same header proves nothing.
                let own = Self.own(body, id: "d9")
                let doubled =
                    own.map { "\($0.key): \($0.value)\r\n" }.joined()
                    + "x-openagent-signature: v1=00\r\n"
                let twice = try await ask(
                    "POST /hooks/digest HTTP/1.1\r\nHost: x\r\n\(doubled)Content-Length: 7\r\n\r\n\(body)")
                #expect(twice.status == 401)
                // Whoever is slow is sent away, and others get their answers meanwhile.
                let slow = try await TestStream.connect(port: number)
                try await slow.send("POST /hooks/digest HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
                #expect(try await post("/hooks/digest", Self.own(body, id: "d3"), body).status == 202)
                #expect(try await slow.response() == nil)
                // Too many of one address.
                let crowd = try await withThrowingTaskGroup(of: TestStream.self) { streams in
                    for _ in 1...12 { streams.addTask { try await TestStream.connect(port: number) } }
                    return try await streams.reduce(into: []) { $0.append($1) }
                }
                for stream in crowd { #expect(try await stream.response() == nil) }
                for _ in 1...WebhookLimiter.perSlug { _ = try await post("/hooks/repo", [:], "") }
                let many = try await post("/hooks/repo", [:], "")
                #expect(many.status == 429 && many.headers["retry-after"] != nil)
            }
        }
    }

    @Test func addressesAreReadAndOthersThanThisMachineAreKnown() {
        #expect(WebhookAddress("8899")?.host == "127.0.0.1" && WebhookAddress("[::1]:80")?.host == "::1")
        #expect(WebhookAddress("127.0.0.1:8899")?.isLoopback == true && WebhookAddress("[::1]:1")?.isLoopback == true)
        #expect(WebhookAddress("0.0.0.0:1")?.isLoopback == false && WebhookAddress("[::]:1")?.isLoopback == false)
        for text in ["", ":", "x", "1:2:3", "[::1]", "[::1]1", "h:", "h:70000", ":1"] {
            #expect(WebhookAddress(text) == nil, "\(text)")
        }
    }

    // MARK: Routes

    @Test("P-98: a secret is told once, when it is made, and is in no other answer")
    func routes() async throws {
        try await TaskRoutesTests.with { client, gateway in
            try await TestPlans.insert("abcdef", into: gateway.database)
            let made = try await client.send("POST", "/api/workflows/digest/webhook", ["kind": "github"])
            #expect(made.status == 201, "\(made)")
            let hook = try made.decode(WebhookBody.self)
            let secret = try #require(hook.secret)
            #expect(secret.hasPrefix("whsec_") && secret.utf8.count > 40 && hook.slug.hasPrefix("digest-"))
            #expect(hook.path == "/hooks/\(hook.slug)" && hook.workflowID == "abcdef" && hook.kind == "github")
            let list = try await client.ask("GET", "/api/webhooks")
            #expect(list.status == 200 && !list.body.contains(secret) && list.body.contains(hook.slug))
            let rotated = try await client.ask("POST", "/api/webhooks/\(hook.slug)/rotate").decode(WebhookBody.self)
            #expect(rotated.secret != nil && rotated.secret != secret)
            for (fields, status) in [
                (["kind": "nonsense"], 400), (["slug": "Not One"], 400), (["secret": "short"], 400),
                (["slug": hook.slug], 409),
            ] as [([String: Any], Int)] {
                let answer = try await client.send("POST", "/api/workflows/digest/webhook", fields)
                #expect(answer.status == status, "\(answer)")
            }
            #expect(try await client.send("POST", "/api/workflows/none/webhook", [:]).status == 404)
            #expect(try await client.ask("DELETE", "/api/webhooks/\(hook.slug)").status == 200)
            #expect(try await client.ask("DELETE", "/api/webhooks/\(hook.slug)").status == 404)
            #expect(gateway.log.all.allSatisfy { !$0.contains(secret) })
            // It goes with its workflow.
            let other = try await client.send("POST", "/api/workflows/digest/webhook", ["slug": "mine"])
            #expect(other.status == 201)
            _ = try await client.ask("DELETE", "/api/workflows/digest")
            #expect(try await client.ask("GET", "/api/webhooks").decode(WebhooksBody.self).webhooks.isEmpty)
        }
    }
}
