import HTTPTypes
import Hummingbird
import Testing

@testable import Gateway
@testable import Wire

@Suite struct HTTPTests {
    private struct Failure: Error { let secret = "hunter2" }

    private var routes: [Route] {
        [
            .member(.post, "/api/echo", .spy) { request, context, _ in
                struct Body: Codable { let text: String }
                return try JSON.response(try await request.decode(as: Body.self, context: context))
            },
            .member(.get, "/api/broken", .spy) { _, _, _ in throw Failure() },
        ]
    }

    @Test(arguments: [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n",
        "",
    ])
    func whatIsNoWebSocketUpgradeIsAnsweredAsPlainHTTP(_ headers: String) async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let response = try #require(try await running.stream(gateway.device()).get("/ws", headers: headers))
            #expect(response.status == 426)
            #expect(response.headers["upgrade"] == "websocket")
        }
    }

    @Test func anUpgradeElsewhereOrWithABodyIsAPlainRequest() async throws {
        let gateway = try TestGateway(routes: routes)
        try await gateway.run { running in
            let device = gateway.device()
            let elsewhere = try await running.stream(device)
            try await elsewhere.send(TestWebSocket.upgradeRequest.replacing("GET /ws", with: "GET /api/agent-info"))
            let info = try #require(try await elsewhere.response())
            #expect(info.status == 200)
            #expect(info.headers["connection"] == "close")
            #expect(try await elsewhere.endsSilently())
            let post = try await running.stream(device)
            try await post.send(
                "POST /api/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 13\r\n\r\n{\"text\":\"hi\"}"
            )
            #expect(try await post.response()?.body == #"{"text":"hi"}"#)
            let h2c = try await running.stream(device)
            try await h2c.send(
                "POST /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}")
            #expect(try await h2c.response()?.status == 405)
        }
    }

    @Test func framesRightBehindTheUpgradeAreNotLost() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let ping = TestWebSocket.frame(1, Array(#"{"type":"ping"}"#.utf8))
            try await stream.send(Array(TestWebSocket.upgradeRequest.utf8) + ping)
            #expect(try await stream.response()?.status == 101)
            let socket = TestWebSocket(stream)
            guard case .authOK(let greeting) = try await socket.message().body else {
                Issue.record("auth_ok must be the first frame")
                return
            }
            #expect(greeting.agentName == "Ada")
            #expect(greeting.handle == "ana")
            #expect(greeting.network == "home")
            #expect(try await socket.message().body == .pong)
        }
    }

    @Test func errorsHaveACodeAndTellNothingOfTheInside() async throws {
        let gateway = try TestGateway(routes: routes)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            func code(_ response: TestResponse?) -> String? {
                (response?.json["error"] as? [String: Any])?["code"] as? String
            }
            let missing = try await stream.get("/api/nothing")
            #expect(missing?.status == 404)
            #expect(code(missing) == "not_found")
            let broken = try #require(try await stream.get("/api/broken"))
            #expect(broken.status == 500)
            #expect(code(broken) == "internal")
            #expect(!broken.body.contains("hunter2") && !broken.body.contains("Failure"))
            #expect(gateway.log.all.contains { $0.contains("hunter2") }, "the log has it")
            try await stream.send("POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nnope")
            let malformed = try #require(try await stream.response())
            #expect(malformed.status == 400)
            #expect(code(malformed) == "bad_message")
            try await stream.send("DELETE /api/health HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await stream.response()?.status == 405)
        }
    }

    @Test func bodiesUpToTheLimitAreRead() async throws {
        let gateway = try TestGateway(routes: routes)
        try await gateway.run { running in
            for (length, status) in [(1024 * 1024, 200), (1024 * 1024 + 1, 413)] {
                let stream = try await running.stream(gateway.device())
                let body = #"{"text":""# + String(repeating: "x", count: length - 11) + "\"}"
                try await stream.send(
                    "POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
                #expect(try await stream.response()?.status == status, "\(length)")
            }
        }
    }

    @Test func headsPastTheLimitAreRefused() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let fits = try await running.stream(device)
            let small = "X-Long: \(String(repeating: "x", count: 31 * 1024))\r\n"
            #expect(try await fits.get("/api/agent-info", headers: small)?.status == 200)
            for headers in [
                "X-Long: \(String(repeating: "x", count: 33 * 1024))\r\n",
                (0..<40).map { "X-\($0): \(String(repeating: "x", count: 1024))\r\n" }.joined(),
                (0..<300).map { "X-\($0): x\r\n" }.joined(),
            ] {
                let first = try await running.stream(device)
                #expect(try await first.get("/api/agent-info", headers: headers)?.status == 431)
                #expect(try await first.endsSilently())
                let second = try await running.stream(device)
                #expect(try await second.get("/api/agent-info")?.status == 200)
                let refused = try #require(try await second.get("/api/agent-info", headers: headers))
                #expect(refused.status == 400 || refused.status == 431)
            }
        }
    }

    @Test func whatIsNoHTTPIsRefused() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            try await stream.send("\u{1}\u{2}\u{3} nonsense\r\n\r\n")
            #expect(try await stream.response()?.status == 400)
            #expect(try await stream.endsSilently())
        }
    }

    @Test func headIsGetWithoutABody() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stranger = try await running.connection(of: gateway.device().nodeID).stream()
            try await stranger.sendPreamble([])
            for (path, status) in [("/api/health", 200), ("/api/agent-info", 401), ("/api/health", 200)] {
                try await stranger.send("HEAD \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try #require(try await stranger.response(hasBody: false))
                #expect(response.status == status)
                #expect(Int(response.headers["content-length"] ?? "0") ?? 0 > 0)
            }
        }
    }

    @Test func streamsThatFallSilentAreEndedAndSocketsAreNot() async throws {
        var limits = GatewayLimits.patient
        limits.idleTime = .milliseconds(300)
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let device = gateway.device()
            let socket = try await running.webSocket(device)
            let silent = try await running.stream(device)
            #expect(try await silent.endsSilently())
            let paused = try await running.stream(device)
            #expect(try await paused.get("/api/agent-info")?.status == 200)
            #expect(try await paused.endsSilently())
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
        }
    }
}
