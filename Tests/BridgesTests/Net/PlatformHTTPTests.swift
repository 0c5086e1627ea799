import JSON
import TestPlatforms
import Testing

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct PlatformHTTPTests {
    private let http = PlatformHTTP()
    private let secret = "123:SECRET"

    @Test func sendsJSONAndReadsTheAnswer() async throws {
        try await FakeServer.run { request in
            .json(["ok": true, "echo": request.json ?? nil], headers: [("X-Name", "v")])
        } _: { server in
            let answer = try await http.send(
                .init(
                    "POST", "\(server.url)/bot\(secret)/sendMessage?a=b%20c", headers: [("Authorization", "Bot x")],
                    body: .json(["text": "hé/llo"])))
            #expect(answer.status == 200 && answer.headers["x-name"] == "v")
            #expect(try answer.json() == ["ok": true, "echo": ["text": "hé/llo"]])
            let asked = try #require(server.requests.first)
            #expect(asked.method == "POST" && asked.path == "/bot\(secret)/sendMessage")
            #expect(asked.field("a") == "b c" && asked.field("text") == "hé/llo")
            #expect(asked.headers["authorization"] == "Bot x" && asked.headers["content-type"] == "application/json")
            #expect(asked.headers["user-agent"] == "openagent")
        }
    }

    @Test func sendsAForm() async throws {
        try await FakeServer.run { _ in
            FakeResponse(204)
        } _: { server in
            let answer = try await http.send(
                .init("POST", server.url + "/f", body: .form([("a b", "1&2=é"), ("c", "")])))
            #expect(answer.status == 204 && answer.body.isEmpty)
            #expect(server.requests.first?.fields == ["a b": "1&2=é", "c": ""])
        }
    }

    @Test func streamsFilesInPartsAndNoNameLeavesItsHeader() async throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await FakeServer.run { _ in
            .json(["ok": true])
        } _: { server in
            try await withFile(bytes) { path in
                _ = try await http.send(
                    .init(
                        "POST", server.url + "/upload",
                        body: .multipart([
                            .init("chat_id", .text("7")),
                            .init(
                                "document", .file(path: path), filename: "a\"\r\nX: y; b.bin",
                                contentType: "x/y\r\nZ: 1"),
                            .init("empty", .bytes([]), filename: "e"),
                        ])))
            }
            let asked = try #require(server.requests.first)
            #expect(asked.headers["content-length"] == "\(asked.body.count)")
            #expect(asked.fields == ["chat_id": "7"])
            #expect(asked.parts.map(\.name) == ["chat_id", "document", "empty"])
            #expect(asked.parts[1].filename == "a\"\r\nX: y; b.bin" && asked.parts[1].bytes == bytes)
            #expect(asked.parts[1].type == "application/octet-stream" && asked.parts[2].bytes.isEmpty)
        }
    }

    @Test func aFileThatIsGoneIsRefusedAndNotTriedAgain() async throws {
        let failed = await failure {
            _ = try await http.send(
                .init("POST", "http://127.0.0.1:9", body: .multipart([.init("f", .file(path: "/nowhere/at/all"))])))
        }
        #expect(failed == .refused("the file to send is not there any more"))
    }

    @Test("No failure holds the address, which holds the token", arguments: 0..<7)
    func words(_ fault: Int) async throws {
        try await FakeServer.run { _ in
            .chunked([Array(repeating: 65, count: fault == 4 ? 6000 : 60)])
        } _: { server in
            var request = PlatformHTTP.Request(
                "GET", "\(server.url)/bot\(secret)/getMe", timeLimit: .milliseconds(300), answerLimit: 5000)
            let expected: String
            switch fault {
            case 0:
                server.fail(FakeFault(.never))
                expected = "it did not answer within 0.3 seconds"
            case 1:
                server.fail(FakeFault(.cut))
                expected = "it cut the connection before its answer was complete"
            case 2:
                server.fail(FakeFault(.cutAnswer(after: 10)))
                expected = "it cut the connection before its answer was complete"
            case 3:
                server.fail(FakeFault(.stallAnswer(after: 10)))
                expected = "it did not answer within 0.3 seconds"
            case 4: expected = "its answer is too large"
            case 5:
                request.url = "http://127.0.0.1:1/bot\(secret)/getMe"
                expected = "it can't be reached: Connection refused"
            default:
                request.url = "https://127.0.0.1:\(server.url.split(separator: ":").last ?? "")/bot\(secret)/getMe"
                expected = "it can't be reached safely: TLS failed, or its certificate is not one to trust"
            }
            request.timeLimit = fault < 4 ? request.timeLimit : .seconds(10)
            let asked = request
            let failed = await failure { _ = try await http.send(asked) }
            #expect(failed == .unavailable(expected))
        }
    }

    @Test func anAddressThatIsNoneIsTheAccountsFault() async {
        let failed = await failure { _ = try await http.send(.init("GET", "nonsense/\(secret)")) }
        #expect(failed == .account("the platform's address in the configuration, or the token in it, is no address"))
        let broken = await failure {
            _ = try await http.send(.init("GET", "http://127.0.0.1:9", headers: [("Authorization", "Bot x\r\nY: z")]))
        }
        #expect(broken == .account("the token in the configuration holds a line break or the like"))
    }

    @Test func aCertificateThatNobodySignedIsNotTrusted() async throws {
        try await FakeServer.run(isSecure: true) { _ in
            .text("secret")
        } _: { server in
            let failed = await failure { _ = try await http.send(.init("GET", server.url)) }
            #expect(
                failed
                    == .unavailable("it can't be reached safely: TLS failed, or its certificate is not one to trust"))
            #expect(server.requests.isEmpty)
        }
    }

    @Test func noRedirectIsFollowed() async throws {
        try await FakeServer.run { _ in
            FakeResponse(302, headers: [("Location", "/elsewhere")])
        } _: { server in
            let answer = try await http.send(.init("GET", server.url + "/a"))
            #expect(answer.status == 302)
            #expect(
                await failure { try await http.download(server.url + "/b", limit: 9) { _ in } }
                    == .refused("it does not give the file: status 302"))
            #expect(server.requests.map(\.path) == ["/a", "/b"])
        }
    }

    @Test func anAnswerThatIsNoJSONIsAFaultOfTheWay() async throws {
        try await FakeServer.run { _ in
            .text("<html>", status: 502)
        } _: { server in
            let answer = try await http.send(.init("GET", server.url))
            #expect(throws: PlatformFailure.unavailable("it answered with status 502 and no JSON")) {
                try answer.json()
            }
        }
    }

    @Test func aCancelledCallEndsAtOnceAndLetsTheServerGo() async throws {
        try await FakeServer.run { _ in
            try await FakeGate().wait()
            return .text("never")
        } _: { server in
            let call = Task { try await http.send(.init("GET", server.url, timeLimit: .seconds(60))) }
            try await server.waitForRequest("the call") { _ in true }
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            try await server.waitFor("the connection's end") { $0.abandoned == 1 ? true : nil }
        }
    }

    // MARK: Downloads

    @Test func downloadsInPieces() async throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        try await FakeServer.run { _ in
            .chunked([Array(bytes[..<70_000]), Array(bytes[70_000..<70_001]), Array(bytes[70_001...])])
        } _: { server in
            let pieces = Pieces()
            try await http.download(server.url, headers: [("Authorization", "x")], limit: 200_000) {
                await pieces.add($0)
            }
            #expect(await pieces.bytes == bytes)
            #expect(await pieces.count >= 3)
            #expect(server.requests.first?.headers["authorization"] == "x")
        }
    }

    @Test(arguments: [true, false])
    func aDownloadEndsAtItsLimit(isChunked: Bool) async throws {
        try await FakeServer.run { _ in
            isChunked ? .chunked([[1, 2, 3], [4, 5, 6]]) : FakeResponse(200, body: [1, 2, 3, 4, 5, 6])
        } _: { server in
            let pieces = Pieces()
            #expect(
                await failure { try await http.download(server.url, limit: 5) { await pieces.add($0) } }
                    == .refused("the file is larger than 5 bytes"))
            #expect(await pieces.bytes.count <= 5)
        }
    }

    @Test func aDownloadThatStallsOrIsRefusedSaysSo() async throws {
        try await FakeServer.run { request in
            switch request.path {
            case "/busy": FakeResponse(429, headers: [("Retry-After", "7")])
            case "/broken": FakeResponse(503)
            case "/gone": FakeResponse(404)
            default: FakeResponse(200, body: Array(repeating: 1, count: 1000))
            }
        } _: { server in
            @Sendable func fetch(_ path: String) async -> PlatformFailure? {
                await failure {
                    try await http.download(server.url + path, limit: 5000, idleLimit: .milliseconds(200)) { _ in }
                }
            }
            server.fail(FakeFault(.stallAnswer(after: 100)) { $0.path == "/stall" })
            server.fail(FakeFault(.cutAnswer(after: 100)) { $0.path == "/cut" })
            #expect(await fetch("/stall") == .unavailable("it stopped sending a file"))
            let cut = await fetch("/cut")
            #expect(cut == .unavailable("it cut the connection before its answer was complete"))
            #expect(await fetch("/busy") == .wait(.seconds(7), .everything))
            #expect(await fetch("/broken") == .unavailable("it answered a request for a file with status 503"))
            #expect(await fetch("/gone") == .refused("it does not give the file: status 404"))
        }
    }
}
