import Foundation
import LoopbackProxy
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

private let get = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
    // P-64
    @Test func passesRequestsAndAnswersUnchangedOnOneConnection() async throws {
        try await withAgent(echoHeads) { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                #expect("\(address)" == "http://127.0.0.1:\(address.port)")
                try await withClient(address) { client in
                    for path in ["/a?x=1", "/b"] {
                        // P-15: what a local client claims about others is passed on, and means nothing here.
                        let request =
                            "GET \(path) HTTP/1.1\r\nHost: localhost:\(address.port)\r\nRange: bytes=1-2\r\n"
                            + "X-Forwarded-For: 9.9.9.9\r\nx-A: \u{e9}\r\n\r\n"
                        try await client.write(request)
                        let answer = try await client.response()
                        #expect(answer.head == "HTTP/1.1 200 OK\r\nContent-Length: \(request.utf8.count)\r\n\r\n")
                        #expect(answer.body == request)
                    }
                    client.finish()
                    #expect(try await client.readToEnd() == "")
                }
            }
        }
    }

    @Test func anUnreachableAgentIsAnswered502WithWhyAndWhatToTry() async throws {
        try await withProxy(dialer: TCPDialer(port: 1)) { address in
            try await withClient(address) { client in
                try await client.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let answer = try await client.response()
                #expect(answer.head.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"), "\(answer)")
                let body = try JSONDecoder().decode(ErrorBody.self, from: Data(answer.body.utf8))
                #expect(body.error.code == "agent_unreachable")
                #expect(body.error.message.contains("connection \"refused\""))
                #expect(body.error.hint?.isEmpty == false)
                #expect(try await client.readToEnd() == "")
            }
            try await withClient(address) { client in
                try await client.write("HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let answer = try await client.readToEnd()
                #expect(answer.hasPrefix("HTTP/1.1 502") && answer.hasSuffix("\r\n\r\n"), "\(answer)")
            }
        }
    }

    @Test func anAgentThatVanishesBeforeItAnswersIsAnswered502() async throws {
        for isReset in [false, true] {
            try await withAgent { stream in
                _ = try await stream.read(until: "\r\n\r\n")
                if isReset { try await stream.channel.resetOnClose() }
                try await stream.channel.close()
            } _: { port in
                try await withProxy(dialer: TCPDialer(port: port)) { address in
                    try await withClient(address) { client in
                        try await client.write(get)
                        let answer = try await client.response()
                        #expect(answer.head.hasPrefix("HTTP/1.1 502 "), "\(answer)")
                        #expect(answer.body.contains("agent_unreachable"))
                    }
                }
            }
        }
    }

    @Test func anAnswerThatIsCutOffDoesNotLookComplete() async throws {
        try await withAgent { stream in
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
            _ = try await stream.read(until: "go")
            try await stream.channel.resetOnClose()
            try await stream.channel.close()
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n")
                    _ = try await client.read(until: "half")
                    try await client.write("go")
                    // A reset, not an end.
                    await #expect(throws: IOError.self) { try await client.readToEnd() }
                }
            }
        }
    }

    // P-16: the agent's refusal of a revoked device is the client's answer.
    @Test func theAgentsOwnRefusalPassesThrough() async throws {
        let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 14\r\n\r\ndevice revoked"
        try await withAgent { stream in
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write(answer)
            stream.finish()
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(get)
                    #expect(try await client.readToEnd() == answer)
                }
            }
        }
    }

    // P-14
    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "foreign_host"),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n", 403, "foreign_origin"),
        (
            "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\n\r\n", 403, "foreign_origin"
        ),
        ("GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400, "bad_request"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, "bad_request"),
        (
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400, "bad_request"
        ),
        ("GET /\(String(repeating: "x", count: 40 << 10)) HTTP/1.1\r\n", 431, "too_large"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unsupported_version"),
    ])
    func hostileHeadsGetAnAnswerAndNeverReachTheAgent(request: String, status: Int, code: String) async throws {
        try await withAgent { stream in
            Issue.record("reached the agent: \(String(buffer: try await stream.read() ?? ByteBuffer()))")
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(request)
                    let answer = try await client.response()
                    #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
                    let body = try JSONDecoder().decode(ErrorBody.self, from: Data(answer.body.utf8))
                    #expect(body.error.code == code)
                    #expect(try await client.readToEnd() == "")
                }
            }
        }
    }

    @Test func aRefusalOfALaterRequestComesBehindTheAnswersToEarlierOnes() async throws {
        let release = AsyncStream.makeStream(of: Void.self)
        try await withAgent { stream in
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            for await _ in release.stream { break }
            try await stream.write("world")
            // The end of what the client may say reaches the agent.
            #expect(try await stream.readToEnd() == "")
            stream.finish()
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(get)
                    _ = try await client.read(until: "hello")
                    try await client.write("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
                    release.continuation.finish()
                    let rest = try await client.readToEnd()
                    #expect(rest.hasPrefix("worldHTTP/1.1 403 Forbidden\r\n"), "\(rest)")
                }
            }
        }
    }

    @Test func aHeadThatDoesNotComeInTimeIsAnsweredAndAnIdleConnectionStays() async throws {
        let configuration = ProxyConfiguration.with { $0.timeouts.head = .milliseconds(200) }
        try await withAgent(echoHeads) { port in
            try await withProxy(configuration, dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write("GET / HTTP/1.1\r\n")
                    #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 408 "))
                }
                let silent = try await withClient(address) { try await $0.readToEnd() }
                #expect(silent == "")
                try await withClient(address) { client in
                    try await client.write(get)
                    _ = try await client.response()
                    // Longer than a head may take, but none has begun.
                    try await Task.sleep(for: .milliseconds(400))
                    try await client.write(get)
                    #expect(try await client.response().body == get)
                    try await client.write("GET")
                    #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 408 "))
                }
            }
        }
    }

    // P-14
    @Test func theTokenIsNeededOnEveryRequestAndTheAgentNeverSeesIt() async throws {
        let token = try ProxyToken("0123456789abcdefghij")
        try await withAgent(echoHeads) { port in
            try await withProxy(.init(token: token), dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write("GET /?token=\(token.secret)&a=b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    #expect(try await client.response().body == "GET /?a=b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    try await client.write(get)
                    let refused = try await client.response()
                    #expect(refused.head.hasPrefix("HTTP/1.1 401 Unauthorized\r\n"))
                    #expect(refused.head.contains("\r\nWWW-Authenticate: Bearer\r\n"))
                    #expect(refused.body.contains("token_required"))
                    #expect(!refused.body.contains(token.secret))
                }
            }
        }
    }

    // P-64
    @Test func halfClosureIsCarriedBothWays() async throws {
        try await withAgent { stream in
            // The agent ends first and still hears what comes.
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write("HTTP/1.1 200 OK\r\n\r\nall of it")
            stream.finish()
            #expect(try await stream.readToEnd() == "0123456789")
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n")
                    #expect(try await client.readToEnd() == "HTTP/1.1 200 OK\r\n\r\nall of it")
                    try await client.write("0123456789")
                    client.finish()
                    try await client.channel.closeFuture.get()
                }
            }
        }
        try await withAgent { stream in
            // The client ends first and still gets its answer.
            #expect(try await stream.readToEnd() == get)
            try await stream.write("HTTP/1.1 200 OK\r\n\r\nlate")
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(get)
                    client.finish()
                    #expect(try await client.readToEnd() == "HTTP/1.1 200 OK\r\n\r\nlate")
                }
            }
        }
    }

    // P-64
    @Test func aLargeUploadArrivesWholeInEitherFraming() async throws {
        let piece = ByteBuffer(bytes: (0..<65536).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let count = 400
        try await withAgent { stream in
            let head = try await stream.read(until: "\r\n\r\n")
            var total = 0
            if head.contains("chunked") {
                while true {
                    let line = try await stream.read(until: "\r\n")
                    let size = Int(line.dropLast(), radix: 16)!
                    let bytes = try await stream.read(exactly: size + 2)
                    if size == 0 { break }
                    if bytes.getSlice(at: 0, length: size) != piece { Issue.record("a damaged chunk") }
                    total += size
                }
            } else {
                for _ in 0..<count {
                    if try await stream.read(exactly: piece.readableBytes) != piece { Issue.record("a damaged piece") }
                    total += piece.readableBytes
                }
            }
            try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: \("\(total)".count)\r\n\r\n\(total)")
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    let size = count * piece.readableBytes
                    try await client.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(size)\r\n\r\n")
                    for _ in 0..<count { try await client.write(piece) }
                    #expect(try await client.response().body == "\(size)")
                }
                try await withClient(address) { client in
                    try await client.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for _ in 0..<count {
                        try await client.write("10000\r\n")
                        try await client.write(piece)
                        try await client.write("\r\n")
                    }
                    try await client.write("0\r\n\r\n")
                    #expect(try await client.response().body == "\(count * piece.readableBytes)")
                }
            }
        }
    }

    // P-64
    @Test func eachPieceOfAStreamedAnswerArrivesAsItIsSent() async throws {
        let steps = AsyncStream.makeStream(of: Void.self)
        try await withAgent { stream in
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            var number = 0
            for await _ in steps.stream {
                number += 1
                try await stream.write("9\r\ndata: \(number)\n\n\r\n")
            }
            try await stream.write("0\r\n\r\n")
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(get)
                    _ = try await client.read(until: "\r\n\r\n")
                    for number in 1...3 {
                        steps.continuation.yield()
                        #expect(try await client.read(until: "\n\n\r\n") == "9\r\ndata: \(number)\n\n\r\n")
                    }
                    steps.continuation.finish()
                    #expect(try await client.read(until: "0\r\n\r\n") == "0\r\n\r\n")
                }
            }
        }
    }

    // P-64
    @Test func aWebSocketPassesAndTheTokensSubprotocolIsConfirmed() async throws {
        let token = try ProxyToken("0123456789abcdefghij")
        try await withAgent { stream in
            let head = try await stream.read(until: "\r\n\r\n")
            #expect(!head.contains(token.secret))
            // The first frame right behind the answer.
            try await stream.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\u{1}hi")
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        } _: { port in
            try await withProxy(.init(token: token), dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(
                        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            + "Origin: http://127.0.0.1:\(address.port)\r\nSec-WebSocket-Protocol: token.\(token.secret)\r\n\r\n"
                    )
                    let head = try await client.read(until: "\r\n\r\n")
                    #expect(head.hasPrefix("HTTP/1.1 101 "))
                    #expect(head.hasSuffix("\r\nSec-WebSocket-Protocol: token.\(token.secret)\r\n\r\n"))
                    #expect(String(buffer: try await client.read(exactly: 3)) == "\u{1}hi")
                    // No HTTP any more, and nobody looks for it.
                    try await client.write("GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
                    #expect(try await client.read(until: "\r\n\r\n") == "GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
                }
            }
        }
    }

    @Test func aRefusedWebSocketLeavesTheConnectionUnderGuard() async throws {
        try await withAgent(echoHeads) { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(
                        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + get
                    )
                    #expect(try await client.response().head.hasPrefix("HTTP/1.1 200 "))
                    #expect(try await client.response().body == get)
                    try await client.write("GET / HTTP/1.1\r\nHost: evil\r\n\r\n")
                    #expect(try await client.response().head.hasPrefix("HTTP/1.1 403 "))
                }
            }
        }
    }

    /// How much an agent can push into a client that reads nothing: bounded, and all of it arrives later.
    @Test func aStalledReaderHoldsTheAgentBackAndLosesNothing() async throws {
        let sent = Mutex(0)
        let piece = ByteBuffer(repeating: 7, count: 64 << 10)
        let total = 64 << 20
        try await withAgent { stream in
            _ = try await stream.read(until: "\r\n\r\n")
            try await stream.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            for _ in 0..<total / piece.readableBytes {
                // Done when the kernel has it.
                try await stream.channel.writeAndFlush(piece)
                sent.withLock { $0 += piece.readableBytes }
            }
        } _: { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                let bootstrap = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    .channelOption(.autoRead, value: false)
                    .channelOption(.socketOption(.so_rcvbuf), value: 64 << 10)
                let counter = Counter()
                let channel = try await bootstrap.connect(host: "127.0.0.1", port: address.port).get()
                try await channel.pipeline.addHandler(counter.handler()).get()
                try await channel.writeAndFlush(ByteBuffer(string: get))
                // Stalled when nothing more is taken for a while.
                var last = -1
                while sent.withLock({ $0 }) != last || last == 0 {
                    last = sent.withLock { $0 }
                    try await Task.sleep(for: .milliseconds(300))
                }
                let stalled = sent.withLock { $0 }
                // Nearly all of it is in the kernel, whose buffers for sending take 4 MiB each on both sides of the proxy.
                #expect(stalled < 12 << 20, "\(stalled) bytes were taken for a client that reads nothing")
                try await channel.setOption(.autoRead, value: true).get()
                try await counter.wait(for: total)
                try? await channel.close()
            }
        }
    }

    @Test func onlyLoopbackAddressesAreListenedOn() async throws {
        for host in ["0.0.0.0", "::", "192.0.2.1", "localhost", "example.org", "127.0.0.2"] {
            await #expect(throws: ProxyError.notLoopback(host)) {
                try await withProxy(.init(listener: .tcp(host: host)), dialer: TCPDialer(port: 1)) { _ in }
            }
        }
        try await withProxy(dialer: TCPDialer(port: 1)) { address in
            await #expect(throws: ProxyError.portInUse(address.port)) {
                try await withProxy(.init(listener: .tcp(port: address.port)), dialer: TCPDialer(port: 1)) { _ in }
            }
        }
    }

    @Test func aSocketFileServesItsOwnerOnly() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/p.sock"
            try await withAgent(echoHeads) { port in
                try await withProxy(.init(listener: .unix(path: path)), dialer: TCPDialer(port: port)) { address in
                    #expect(address == .unix(path: path))
                    #expect(try mode(of: path) == 0o600)
                    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["p.sock"])
                    try await withClient(address) { client in
                        try await client.write(get)
                        #expect(try await client.response().body == get)
                    }
                    await #expect(throws: ProxyError.socketInUse(path: path)) {
                        try await withProxy(.init(listener: .unix(path: path)), dialer: TCPDialer(port: port)) { _ in }
                    }
                }
                #expect(!FileManager.default.fileExists(atPath: path))
                // One that a killed process left behind.
                try leaveStaleSocket(at: path)
                #expect(FileManager.default.fileExists(atPath: path))
                try await withProxy(.init(listener: .unix(path: path)), dialer: TCPDialer(port: port)) { address in
                    try await withClient(address) { client in
                        try await client.write(get)
                        #expect(try await client.response().body == get)
                    }
                }
                _ = FileManager.default.createFile(atPath: path, contents: Data("mine".utf8))
                await #expect(throws: ProxyError.notASocket(path: path)) {
                    try await withProxy(.init(listener: .unix(path: path)), dialer: TCPDialer(port: port)) { _ in }
                }
                #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
            }
        }
    }

    // P-14
    @Test func theTokenFileIsPrivateAndStaysTheSame() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/token"
            let first = try ProxyToken.loadOrCreate(path: path)
            #expect(try mode(of: path) == 0o600)
            #expect(first.secret.count == 64)
            #expect(try ProxyToken.loadOrCreate(path: path).secret == first.secret)
            #expect("\(first)" == "ProxyToken(hidden)")
            #expect(try ProxyToken.loadOrCreate(path: directory + "/other").secret != first.secret)
            chmod(path, 0o640)
            #expect(throws: ProxyTokenError.readableByOthers(path: path, mode: 0o640)) {
                try ProxyToken.loadOrCreate(path: path)
            }
            _ = FileManager.default.createFile(
                atPath: directory + "/bad", contents: Data("short".utf8), attributes: [.posixPermissions: 0o600])
            #expect(throws: ProxyTokenError.malformed(path: directory + "/bad")) {
                try ProxyToken.loadOrCreate(path: directory + "/bad")
            }
        }
    }

    @Test func pastTheLimitOfConnectionsAClientIsToldSo() async throws {
        let configuration = ProxyConfiguration.with { $0.maximumConnections = 1 }
        try await withAgent(echoHeads) { port in
            try await withProxy(configuration, dialer: TCPDialer(port: port)) { address in
                try await withClient(address) { client in
                    try await client.write(get)
                    _ = try await client.response()
                    try await withClient(address) { other in
                        let refused = try await other.response()
                        #expect(refused.head.hasPrefix("HTTP/1.1 503 "))
                    }
                    try await client.write(get)
                    #expect(try await client.response().body == get)
                }
            }
        }
    }

    @Test func stoppingTheProxyClosesEveryConnection() async throws {
        try await withAgent(echoHeads) { port in
            let clients = Mutex<[any Channel]>([])
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                for _ in 0..<3 {
                    let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                        .connect(host: "127.0.0.1", port: address.port).get()
                    try await channel.writeAndFlush(ByteBuffer(string: get))
                    clients.withLock { $0.append(channel) }
                }
            }
            for channel in clients.withLock({ $0 }) { try await channel.closeFuture.get() }
        }
    }
}
