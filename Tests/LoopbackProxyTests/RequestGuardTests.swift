import NIOCore
import Testing

@testable import LoopbackProxy

/// Feeds a guard and collects what comes out.
private struct Run: Equatable {
    var forwarded = ""
    var refusal: Refusal?
    var upgrades = 0
    var answerProtocol: String?

    static let token = try! ProxyToken("0123456789abcdef")

    init(
        _ text: String, chunk: Int = .max, token: ProxyToken? = nil, listener: AccessRules.Listener = .tcp(port: 8080),
        answers: [Bool] = []
    ) {
        var requestGuard = RequestGuard(rules: AccessRules(listener: listener, token: token))
        var answers = answers[...]
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            requestGuard.receive(ByteBuffer(bytes: rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
            while true {
                while let step = requestGuard.next() {
                    switch step {
                    case .forward(let bytes): forwarded += String(decoding: bytes.readableBytesView, as: UTF8.self)
                    case .awaitUpgrade(let name):
                        upgrades += 1
                        answerProtocol = name
                    case .refuse(let why): refusal = why
                    }
                }
                guard upgrades > 0, let answer = answers.popFirst() else { break }
                requestGuard.upgradeAnswered(accepted: answer)
            }
        }
    }
}

private let host = "Host: 127.0.0.1:8080\r\n"
private let get = "GET /x HTTP/1.1\r\n\(host)\r\n"
private let upgrade =
    "GET /ws HTTP/1.1\r\n\(host)Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"

@Suite(.timeLimit(.minutes(1))) struct RequestGuardTests {
    private static let passing: [String] = [
        get, get + get + get,
        "POST /a HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello" + get,
        "POST /a HTTP/1.1\r\n\(host)content-length: 0\r\n\r\n" + get,
        "POST /a HTTP/1.1\r\n\(host)Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"
            + get,
        "POST /a HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n" + get,
        "OPTIONS * HTTP/1.1\r\n\(host)\r\n",
        "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST:  \tLocalHost:1 \r\nX:\r\nY: \u{e9}\t z\r\n\r\n",
        "PROPFIND / HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        // What looks like a request inside a body is a body.
        "POST / HTTP/1.1\r\n\(host)Content-Length: \(("GET / HTTP/1.1\r\nHost: evil\r\n\r\n").utf8.count)\r\n\r\n"
            + "GET / HTTP/1.1\r\nHost: evil\r\n\r\n" + get,
    ]

    @Test(arguments: passing, [1, 2, 7, Int.max])
    func requestsWithOneReadingPassByteForByteHoweverTheyArrive(text: String, chunk: Int) {
        let run = Run(text, chunk: chunk)
        #expect(run.forwarded == text)
        #expect(run.refusal == nil)
    }

    private static let ambiguous: [String] = [
        // Two lengths, or none that is certain.
        "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length: 5, 5\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\n", "POST / HTTP/1.1\r\n\(host)Content-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Content-Length: 9999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: \u{b}chunked\r\n\r\n",
        "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n",
        // Names and lines that parsers read differently.
        "POST / HTTP/1.1\r\n\(host)Content-Length : 5\r\n\r\n", "POST / HTTP/1.1\r\n\(host) Content-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\n\(host)X: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\n\(host)X: a\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\n\(host)X: a\nContent-Length: 5\r\n\r\n", "GET / HTTP/1.1\n\(host)\n",
        "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET / HTTP/1.1\r\n\(host)X: a\rb\r\n\r\n", "GET / HTTP/1.1\r\n\(host)X: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\n\(host)no colon\r\n\r\n", "GET / HTTP/1.1\r\n\(host): empty\r\n\r\n",
        "GET / HTTP/1.1\r\n\(host)\u{e9}: x\r\n\r\n",
        // Request lines.
        "GET  / HTTP/1.1\r\n\(host)\r\n", "GET / HTTP/1.1 \r\n\(host)\r\n", "GET\t/ HTTP/1.1\r\n\(host)\r\n",
        "GET /\r\n\(host)\r\n",
        "GET http://localhost/ HTTP/1.1\r\n\(host)\r\n", "GET evil HTTP/1.1\r\n\(host)\r\n",
        "GET /\u{e9} HTTP/1.1\r\n\(host)\r\n",
        "CONNECT localhost:1 HTTP/1.1\r\n\(host)\r\n", "\r\n\r\n" + get, "\r" + get, " " + get,
        // Hosts.
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\(host)\(host)\r\n", "GET / HTTP/1.0\r\n\r\n",
    ]

    @Test(arguments: ambiguous)
    func requestsWithTwoReadingsAreRefusedAndNothingOfThemPasses(text: String) {
        for chunk in [1, 3, Int.max] {
            for (before, input) in [("", text), (get, get + text)] {
                let run = Run(input, chunk: chunk)
                #expect(run.forwarded == before, "\(text.debugDescription)")
                guard case .badRequest = run.refusal else {
                    Issue.record("\(text.debugDescription) by \(chunk): \(String(describing: run.refusal))")
                    continue
                }
            }
        }
    }

    @Test(arguments: [
        "5 \r\nhello\r\n", "5\nhello\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", "\r\nhello\r\n", "g\r\n", ";x\r\n",
        "-1\r\n",
        "1000000000000000\r\n", "5;\u{1}\r\nhello\r\n", "5;x\ry\r\nhello\r\n",
        "5;\(String(repeating: "x", count: 300))\r\n",
        "5\r\nhelloX\r\n", "5\r\nhello\n", "5\r\nhello\r\r\n", "0\r\nX: a\n\r\n", "0\r\n folded: x\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nX: \(String(repeating: "y", count: 9000))\r\n\r\n",
    ])
    func malformedChunksAreRefused(body: String) {
        for chunk in [1, Int.max] {
            let run = Run("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n" + body + get, chunk: chunk)
            guard case .badRequest = run.refusal else {
                Issue.record("\(body.debugDescription): \(String(describing: run.refusal))")
                continue
            }
            #expect(!run.forwarded.contains("GET /x"))
        }
    }

    @Test func oneEmptyLineBeforeARequestIsDropped() {
        #expect(Run("\r\n" + get + "\r\n" + get).forwarded == get + get)
        #expect(Run("\r\n" + get + "\r\n" + get, chunk: 1).forwarded == get + get)
    }

    @Test func aHeadAtTheLimitPassesAndOneBytePastItDoesNot() {
        func request(_ size: Int) -> String {
            let empty = "GET / HTTP/1.1\r\n\(host)X: \r\n\r\n"
            return "GET / HTTP/1.1\r\n\(host)X: \(String(repeating: "x", count: size - empty.utf8.count))\r\n\r\n"
        }
        let limit = RequestGuard.Limits().head
        #expect(Run(request(limit)).forwarded.utf8.count == limit)
        #expect(Run(request(limit), chunk: 1000).refusal == nil)
        #expect(Run(request(limit + 1)).refusal == .headTooLarge(limit: limit))
        // Without an end, too.
        #expect(Run("GET /\(String(repeating: "x", count: limit))", chunk: 1000).refusal == .headTooLarge(limit: limit))
    }

    @Test(arguments: ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9"])
    func otherVersionsAreRefused(version: String) {
        #expect(Run("GET / \(version)\r\n\(host)\r\n").refusal == .unsupportedVersion)
    }

    @Test func http2WithPriorKnowledgeIsRefused() {
        #expect(Run("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").refusal == .unsupportedVersion)
    }

    // P-14
    @Test(arguments: [
        ("127.0.0.1", true), ("127.0.0.1:1", true), ("localhost:65535", true), ("LOCALHOST", true), ("[::1]:80", true),
        ("[::1]", true),
        ("evil.example", false), ("127.0.0.1.evil.example", false), ("localhost.evil:8080", false),
        ("127.0.0.1:", false),
        ("127.0.0.1:x", false), ("127.0.0.1:123456", false), ("evil@127.0.0.1", false), ("127.0.0.1@evil", false),
        ("::1", false),
        ("[::1]x", false), ("0.0.0.0", false), ("127.1", false), ("", false), ("127.0.0.1 evil", false),
        ("localhost:80:80", false),
    ])
    func onlyLoopbackHostsPass(name: String, passes: Bool) {
        let run = Run("GET / HTTP/1.1\r\nHost: \(name)\r\n\r\n")
        #expect(run.refusal == (passes ? nil : .foreignHost))
        #expect(run.forwarded.isEmpty == !passes)
    }

    // P-14
    @Test(arguments: [
        ("http://127.0.0.1:8080", true), ("http://localhost:8080", true), ("http://[::1]:8080", true),
        ("http://127.0.0.1:8081", false), ("http://127.0.0.1", false), ("https://127.0.0.1:8080", false),
        ("http://evil.example", false),
        ("http://evil.example:8080", false), ("http://127.0.0.1:8080.evil", false), ("null", false), ("", false),
        ("http://127.0.0.1:8080/", false), ("file://", false),
    ])
    func onlyTheProxysOwnOriginPasses(origin: String, passes: Bool) {
        for line in ["GET / HTTP/1.1\r\n\(host)", String(upgrade.dropLast())] {
            #expect(Run("\(line)Origin: \(origin)\r\n\r\n").refusal == (passes ? nil : .foreignOrigin))
            // A socket file has no origin.
            #expect(Run("\(line)Origin: \(origin)\r\n\r\n", listener: .unix).refusal == .foreignOrigin)
        }
        #expect(
            Run("GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n", listener: .tcp(port: 80))
                .refusal == nil)
    }

    @Test(arguments: [("same-origin", true), ("none", true), ("cross-site", false), ("same-site", false), ("", false)])
    func requestsThatBrowsersMakeForForeignPagesAreRefused(site: String, passes: Bool) {
        #expect(
            Run("GET / HTTP/1.1\r\n\(host)Sec-Fetch-Site: \(site)\r\n\r\n").refusal == (passes ? nil : .foreignOrigin))
    }

    @Test func everyRequestOfAConnectionIsChecked() {
        let run = Run(get + "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n" + get)
        #expect(run.forwarded == get)
        #expect(run.refusal == .foreignHost)
    }

    // P-14
    @Test func theTokenIsTakenFromEveryPlaceAndNeverPassedOn() {
        let secret = Run.token.secret
        let cases: [(String, String)] = [
            (
                "GET / HTTP/1.1\r\n\(host)Authorization: Bearer \(secret)\r\nA: b\r\n\r\n",
                "GET / HTTP/1.1\r\n\(host)A: b\r\n\r\n"
            ),
            ("GET / HTTP/1.1\r\n\(host)authorization: bearer  \(secret) \r\n\r\n", "GET / HTTP/1.1\r\n\(host)\r\n"),
            ("GET / HTTP/1.1\r\nX-OpenAgent-Token: \(secret)\r\n\(host)\r\n", "GET / HTTP/1.1\r\n\(host)\r\n"),
            ("GET /a?token=\(secret) HTTP/1.1\r\n\(host)\r\n", "GET /a HTTP/1.1\r\n\(host)\r\n"),
            ("GET /a?b=1&token=\(secret)&c= HTTP/1.1\r\n\(host)\r\n", "GET /a?b=1&c= HTTP/1.1\r\n\(host)\r\n"),
            (
                "GET / HTTP/1.1\r\n\(host)Sec-WebSocket-Protocol: chat, token.\(secret),b\r\n\r\n",
                "GET / HTTP/1.1\r\n\(host)Sec-WebSocket-Protocol: chat, b\r\n\r\n"
            ),
            (
                "GET / HTTP/1.1\r\n\(host)Sec-WebSocket-Protocol: token.\(secret)\r\n\r\n",
                "GET / HTTP/1.1\r\n\(host)\r\n"
            ),
            // In two places at once, and beside a credential of the agent's own.
            (
                "GET /?token=\(secret) HTTP/1.1\r\n\(host)Authorization: Bearer other\r\nX-OpenAgent-Token: \(secret)\r\n\r\n",
                "GET / HTTP/1.1\r\n\(host)Authorization: Bearer other\r\n\r\n"
            ),
        ]
        for (request, forwarded) in cases {
            for chunk in [1, Int.max] {
                let run = Run(
                    get.replacing("/x", with: "/x?token=\(secret)") + request + request, chunk: chunk, token: Run.token)
                #expect(run.forwarded == get + forwarded + forwarded)
                #expect(run.refusal == nil)
            }
        }
    }

    // P-14
    @Test(arguments: [
        "", "Authorization: Bearer 0123456789abcdeX\r\n", "Authorization: Basic 0123456789abcdef\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: 0123456789abcdef\r\n", "X-OpenAgent-Token: 0123456789abcde\r\n",
        "X-OpenAgent-Token: 0123456789abcdef0\r\n",
        "Sec-WebSocket-Protocol: 0123456789abcdef\r\n", "X-Token: 0123456789abcdef\r\n",
        "Cookie: token=0123456789abcdef\r\n",
    ])
    func withoutTheTokenNothingPasses(field: String) {
        for target in ["/", "/?token=", "/?token=0123456789abcdeX", "/?xtoken=0123456789abcdef", "/0123456789abcdef"] {
            let run = Run("GET \(target) HTTP/1.1\r\n\(host)\(field)\r\n", token: Run.token)
            #expect(run.forwarded == "")
            #expect(run.refusal == .tokenRequired)
        }
    }

    @Test func aWebSocketBecomesATunnelOnlyOnceTheAgentAgrees() {
        let noise = "\u{1}\u{2}GET / HTTP/1.1\r\nHost: evil\r\n\r\n"
        let waiting = Run(upgrade + noise)
        #expect(waiting.forwarded == upgrade)
        #expect(waiting.upgrades == 1)
        #expect(waiting.refusal == nil)
        for chunk in [1, 5, Int.max] {
            let accepted = Run(upgrade + noise, chunk: chunk, answers: [true])
            #expect(accepted.forwarded == upgrade + noise)
            let refused = Run(upgrade + get + noise, chunk: chunk, answers: [false])
            #expect(refused.forwarded == upgrade + get)
            #expect(refused.refusal != nil)
        }
    }

    @Test(arguments: [
        upgrade.replacing("Upgrade: websocket", with: "Upgrade: h2c"),
        upgrade.replacing("keep-alive, Upgrade", with: "keep-alive"),
        upgrade.replacing("GET", with: "PUT"), upgrade.replacing("HTTP/1.1", with: "HTTP/1.0"),
        upgrade.replacing("\r\n\r\n", with: "\r\nContent-Length: 1\r\n\r\nx"),
        upgrade.replacing("\r\n\r\n", with: "\r\nUpgrade: h2c\r\n\r\n"),
    ])
    func anyOtherUpgradeLosesItsHeaderAndStaysHTTP(text: String) {
        let run = Run(text + get + "GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
        #expect(run.upgrades == 0)
        #expect(!run.forwarded.contains("Upgrade:"))
        #expect(run.forwarded.hasSuffix(get))
        #expect(run.refusal == .foreignHost)
    }

    @Test func onlyAConnectionsFirstRequestMayUpgrade() {
        let run = Run(get + upgrade + "GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
        #expect(run.forwarded == get + upgrade.replacing("Upgrade: websocket\r\n", with: ""))
        #expect(run.upgrades == 0)
        #expect(run.refusal == .foreignHost)
    }

    @Test func theSubprotocolThatCarriedTheTokenIsConfirmed() {
        let request = upgrade.replacing(
            "\r\n\r\n", with: "\r\nSec-WebSocket-Protocol: token.\(Run.token.secret)\r\n\r\n")
        let run = Run(request, token: Run.token)
        #expect(run.forwarded == upgrade)
        #expect(run.answerProtocol == "token.\(Run.token.secret)")
    }

    /// Whatever arrives, in whatever pieces: no trap, the pieces make no difference, and every byte that passes is one
    /// that came.
    @Test func randomBytesNeverTrapAndTheirPiecesMakeNoDifference() {
        var generator = SplitMix(state: 42)
        let seeds = Self.passing + Self.ambiguous + [upgrade]
        for _ in 0..<3000 {
            var bytes = Array((seeds.randomElement(using: &generator)! + seeds.randomElement(using: &generator)!).utf8)
            for _ in 0..<Int.random(in: 0...4, using: &generator) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...127, using: &generator)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert([0x0D, 0x0A, 0x20, 0x3A, 0x30].randomElement(using: &generator)!, at: index)
                default: bytes.removeSubrange(index...)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let whole = Run(text, answers: [true])
            let pieces = Run(text, chunk: Int.random(in: 1...9, using: &generator), answers: [true])
            #expect(whole.forwarded == pieces.forwarded, "\(text.debugDescription)")
            #expect((whole.refusal == nil) == (pieces.refusal == nil), "\(text.debugDescription)")
        }
    }
}

/// A small random source, the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
