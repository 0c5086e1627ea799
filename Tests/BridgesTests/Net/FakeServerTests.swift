import JSON
import NIOCore
import NIOPosix
import TestPlatforms
import Testing

@testable import Bridges

// What the platforms' fakes rely on.

@Suite(.timeLimit(.minutes(1))) struct FakeServerTests {
    private let http = PlatformHTTP()

    @Test func oneConnectionCarriesManyRequestsAndThenAWebSocket() async throws {
        try await FakeServer.run { request in
            .text("\(request.number) on \(request.connection)")
        } webSocket: { socket in
            try await socket.send("hello")
        } _: { server in
            let port = Int(server.url.split(separator: ":").last ?? "") ?? 0
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(host: "127.0.0.1", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            try await channel.executeThenClose { inbound, outbound in
                var bytes = inbound.makeAsyncIterator()
                var heard = ""
                func hear(_ end: String) async throws -> String {
                    while !heard.contains(end), let more = try await bytes.next() {
                        heard += String(decoding: more.readableBytesView.map { $0 & 0x7F }, as: UTF8.self)
                    }
                    defer { heard = "" }
                    return heard
                }
                for number in 1...2 {
                    try await outbound.write(ByteBuffer(string: "GET /\(number) HTTP/1.1\r\nHost: x\r\n\r\n"))
                    let answer = try await hear("on 1")
                    #expect(answer.contains("\(number) on 1"))
                }
                try await outbound.write(
                    ByteBuffer(
                        string: "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
                let answer = try await hear("hello")
                #expect(answer.contains("101 Switching Protocols"))
                // RFC 6455 §1.3 has this pair.
                #expect(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            }
        }
    }

    @Test func aBodyThatIsTooLargeIsRefused() async throws {
        try await FakeServer.run(bodyLimit: 1000) { _ in
            .text("taken")
        } _: { server in
            let answer = try await http.send(
                .init("POST", server.url, body: .bytes(Array(repeating: 0, count: 1001), type: "x/y")))
            #expect(answer.status == 413 && server.requests.isEmpty)
        }
    }

    @Test func faultsMeetTheRequestsTheyAreMeantForAndEnd() async throws {
        try await FakeServer.run { request in
            .text(request.path)
        } _: { server in
            server.fail(
                FakeFault(.answer(FakeResponse(429, headers: [("Retry-After", "3")])), times: 2) { $0.path == "/a" })
            var statuses: [Int] = []
            for path in ["/a", "/b", "/a", "/a"] {
                statuses.append(try await http.send(.init("GET", server.url + path)).status)
            }
            #expect(statuses == [429, 200, 429, 200])
        }
    }

    @Test func aFaultAfterTheDeedLeavesItDone() async throws {
        let done = Watched(0)
        try await FakeServer.run { _ in
            done.change { $0 += 1 }
            return .text("done")
        } _: { server in
            server.fail(FakeFault(.cutAnswer(after: nil)))
            let cut = await failure { _ = try await http.send(.init("POST", server.url)) }
            #expect(cut != nil && done.now == 1)
            server.fail(FakeFault(.cut))
            let lost = await failure { _ = try await http.send(.init("POST", server.url)) }
            #expect(lost != nil && done.now == 1)
        }
    }

    @Test func aDelayEndsWhenTheTestSaysSo() async throws {
        let done = Watched(0)
        try await FakeServer.run { _ in
            done.change { $0 += 1 }
            return .text("done")
        } _: { server in
            let (before, after) = (FakeGate(), FakeGate())
            server.fail(FakeFault(.delay(before)) { $0.path == "/before" })
            server.fail(FakeFault(.delayAnswer(after)) { $0.path == "/after" })
            async let first = http.send(.init("GET", server.url + "/before"))
            async let second = http.send(.init("GET", server.url + "/after"))
            try await server.waitFor("both") { $0.requests.count == 2 ? true : nil }
            _ = try await done.waitFor("the deed of one") { $0 == 1 ? true : nil }
            before.open()
            #expect(try await first.status == 200)
            #expect(done.now == 2)
            after.open()
            #expect(try await second.status == 200)
        }
    }

    @Test func whatIsGoneForAWhileComesBack() async throws {
        try await FakeServer.run { _ in
            .text("here")
        } _: { server in
            _ = try await http.send(.init("GET", server.url))
            server.cutAll(refusing: true)
            let away = await failure { _ = try await http.send(.init("GET", server.url)) }
            #expect(away != nil)
            server.mend()
            let answer = try await http.send(.init("GET", server.url))
            #expect(answer.status == 200)
        }
    }

    @Test func waitingHasADeadline() async throws {
        try await FakeServer.run { _ in
            .text("here")
        } _: { server in
            await #expect(throws: FakeTimeout.self) {
                try await server.waitForRequest("what never comes", within: .milliseconds(20)) { _ in true }
            }
        }
    }
}
