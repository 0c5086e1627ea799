import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct PlatformSocketTests {
    /// Says hello, then what it hears, until it hears `bye`.
    private static let echo: FakeServer.Speak = { socket in
        try await socket.send(["hello": true])
        for await event in socket.events {
            guard case .text(let text) = event else { continue }
            if text == "bye" { return try await socket.close(code: 4004, reason: "as you like") }
            try await socket.send("you said \(text)")
        }
    }

    @Test func messagesGoBothWaysAndTheAddressArrivesWhole() async throws {
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            let heard = try await PlatformSocket.with(url: "\(server.socketURL)/gate?v=10&ticket=a%2Fb&encoding=json") {
                socket in
                try await socket.send("one")
                try await socket.ping()
                try await socket.send("bye")
                var heard: [WebSocketEvent] = []
                for try await event in socket.events { heard.append(event) }
                return heard
            }
            #expect(
                heard == [
                    .text(#"{"hello":true}"#), .text("you said one"), .pong, .closed(code: 4004, reason: "as you like"),
                ]
                    || heard == [
                        .text(#"{"hello":true}"#), .pong, .text("you said one"),
                        .closed(code: 4004, reason: "as you like"),
                    ])
            let asked = try #require(server.requests.first)
            #expect(asked.target == "/gate?v=10&ticket=a%2Fb&encoding=json")
            #expect(asked.headers["host"] == String(server.url.dropFirst("http://".count)))
        }
    }

    @Test func aMessageOfManyKilobytesArrivesWhole() async throws {
        let long = String(repeating: "😀", count: 500_000)
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            try await PlatformSocket.with(url: server.socketURL) { socket in
                try await socket.send(long)
                var events = socket.events.makeAsyncIterator()
                _ = try await events.next()
                #expect(try await events.next() == .text("you said \(long)"))
            }
        }
    }

    @Test func theGoodbyeOfTheBridgeIsHeard() async throws {
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            try await PlatformSocket.with(url: server.socketURL) { socket in
                let there = try await server.waitFor("the socket") { $0.sockets.first }
                try await socket.close(code: 4900, reason: "for a while")
                #expect(
                    try await there.waitFor("the goodbye") { $0.last } == .closed(code: 4900, reason: "for a while"))
            }
        }
    }

    @Test func aConnectionThatIsCutIsNoGoodbye() async throws {
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            let failed = await failure {
                try await PlatformSocket.with(url: server.socketURL) { socket in
                    var events = socket.events.makeAsyncIterator()
                    _ = try await events.next()
                    try await server.waitFor("the socket") { $0.sockets.first }.cut()
                    while try await events.next() != nil {}
                }
            }
            #expect(failed == .unavailable("it cut the connection"))
        }
    }

    @Test func whoStopsReadingAnswersNoPing() async throws {
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            try await PlatformSocket.with(url: server.socketURL) { socket in
                var events = socket.events.makeAsyncIterator()
                #expect(try await events.next() == .text(#"{"hello":true}"#))
                let there = try await server.waitFor("the socket") { $0.sockets.first }
                there.stopReading()
                // One read was under way already.
                try await socket.send("first")
                #expect(try await events.next() == .text("you said first"))
                try await socket.ping()
                try await there.send("still here")
                #expect(try await events.next() == .text("still here"))
                #expect(!there.received.contains(.ping))
                there.resumeReading()
                #expect(try await events.next() == .pong)
            }
        }
    }

    @Test("No failure holds the address, which holds the ticket", arguments: 0..<6)
    func words(_ fault: Int) async throws {
        try await FakeServer.run({ _ in .text("token ticket=SECRET", status: 403) }, webSocket: Self.echo) { server in
            var limits = PlatformSocket.limits
            limits.upgradeTimeout = .milliseconds(300)
            var url = "\(server.socketURL)/?ticket=SECRET"
            let expected: String
            switch fault {
            case 0:
                server.fail(FakeFault(.answer(.text("SECRET", status: 403))))
                expected = "it refused the WebSocket with status 403"
            case 1:
                server.fail(FakeFault(.never))
                expected = "it did not answer within 0.3 seconds"
            case 2:
                server.fail(FakeFault(.cut))
                expected = "the connection to it failed"
            case 3:
                url = "ws://127.0.0.1:1/?ticket=SECRET"
                expected = "it can't be reached: Connection refused"
            case 4:
                url = "http://127.0.0.1/?ticket=SECRET"
                expected = "it gave a WebSocket address that is none"
            default:
                url = "wss" + url.dropFirst(2)
                expected = "the connection to it failed"
            }
            let (address, bounds) = (url, limits)
            let failed = await failure { try await PlatformSocket.with(url: address, limits: bounds) { _ in } }
            #expect(failed == .unavailable(expected))
        }
    }

    @Test func aCertificateThatNobodySignedIsNotTrusted() async throws {
        try await FakeServer.run(isSecure: true, { _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            let failed = await failure { try await PlatformSocket.with(url: server.socketURL) { _ in } }
            #expect(failed == .unavailable("the connection to it failed: its certificate is not one to trust"))
            #expect(server.requests.isEmpty)
        }
    }

    @Test func speaksOverTLS() async throws {
        try await FakeServer.run(isSecure: true, { _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            try await withFile(Array(FakeCertificate.certificate.utf8)) { roots in
                try await PlatformSocket.with(url: server.socketURL, roots: roots) { socket in
                    try await socket.send("one")
                    var events = socket.events.makeAsyncIterator()
                    _ = try await events.next()
                    #expect(try await events.next() == .text("you said one"))
                }
            }
        }
    }

    @Test func whatTheBridgeThrowsGoesThrough() async throws {
        struct Own: Error {}
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            await #expect(throws: Own.self) {
                try await PlatformSocket.with(url: server.socketURL) { _ in throw Own() }
            }
            try await server.waitFor("the connection's end") { $0.openConnections == 0 ? true : nil }
        }
    }

    @Test func aCancelledBridgeLeavesNoConnection() async throws {
        try await FakeServer.run({ _ in FakeResponse(404) }, webSocket: Self.echo) { server in
            let bridge = Task {
                try await PlatformSocket.with(url: server.socketURL) { socket in
                    for try await _ in socket.events {}
                }
            }
            try await server.waitFor("the socket") { $0.sockets.first }
            bridge.cancel()
            await #expect(throws: CancellationError.self) { try await bridge.value }
            try await server.waitFor("the connection's end") { $0.openConnections == 0 ? true : nil }
        }
    }

    @Test(arguments: [
        ("wss://gateway.discord.gg/?v=10", "gateway.discord.gg", 443, "gateway.discord.gg", "/?v=10"),
        ("wss://a.example?x=1", "a.example", 443, "a.example", "/?x=1"),
        ("ws://[::1]:8080/p%20q", "::1", 8080, "[::1]:8080", "/p%20q"),
    ])
    func addresses(url: String, host: String, port: Int, authority: String, path: String) throws {
        let address = try SocketAddressee(url)
        #expect(address.host == host && address.port == port && address.authority == authority && address.path == path)
    }
}
