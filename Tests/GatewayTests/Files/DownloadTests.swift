import Foundation
import Testing

@testable import Gateway
@testable import Store
@testable import Wire

// Files as clients fetch them: parts, conditions, headers, and who may.

@Suite struct DownloadTests {
    /// A gateway with one file of ana's.
    private func with(
        _ filename: String = "a.txt", _ text: String = "0123456789",
        _ body: @escaping @Sendable (TestStream, _ url: String, TestGateway.Running) async throws -> Void
    ) async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let file = try await stream.upload(text, as: filename)
            try await body(stream, try #require(file.json["url"] as? String), running)
        }
    }

    @Test(
        arguments: [
            ("bytes=0-0", 206, "0", "bytes 0-0/10"), ("bytes=3-5", 206, "345", "bytes 3-5/10"),
            ("bytes=7-", 206, "789", "bytes 7-9/10"), ("bytes=-2", 206, "89", "bytes 8-9/10"),
            ("bytes=0-99", 206, "0123456789", "bytes 0-9/10"), ("bytes=10-", 416, "", "bytes */10"),
            ("bytes=0-1,4-5", 200, "0123456789", nil), ("bytes=x", 200, "0123456789", nil),
        ] as [(String, Int, String, String?)])
    func aPartIsWhatWasAskedFor(_ range: String, _ status: Int, _ text: String, _ said: String?) async throws {
        try await with { stream, url, _ in
            let answer = try #require(try await stream.get(url, headers: "Range: \(range)\r\n"))
            #expect(answer.status == status && answer.body == text && answer.headers["content-range"] == said)
            #expect(answer.headers["content-length"] == "\(text.utf8.count)")
            #expect(answer.headers["accept-ranges"] == "bytes")
        }
    }

    @Test func aTagSavesTheBytesAndGuardsTheParts() async throws {
        try await with { stream, url, _ in
            let whole = try #require(try await stream.get(url))
            let tag = try #require(whole.headers["etag"])
            #expect(tag == "\"\(sha256("0123456789"))\"")
            for known in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
                let answer = try await stream.get(url, headers: "If-None-Match: \(known)\r\n")
                #expect(answer?.status == 304 && answer?.body == "" && answer?.headers["etag"] == tag)
            }
            #expect(try await stream.get(url, headers: "If-None-Match: \"other\"\r\n")?.status == 200)
            let same = try await stream.get(url, headers: "Range: bytes=1-2\r\nIf-Range: \(tag)\r\n")
            #expect(same?.status == 206 && same?.body == "12")
            let other = try await stream.get(url, headers: "Range: bytes=1-2\r\nIf-Range: \"other\"\r\n")
            #expect(other?.status == 200 && other?.body == "0123456789")
        }
    }

    @Test func aHeadSaysEverythingButTheBytes() async throws {
        try await with { stream, url, _ in
            try await stream.send("HEAD \(url) HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try #require(try await stream.response(hasBody: false))
            #expect(head.status == 200 && head.headers["content-length"] == "10")
            #expect(head.headers["etag"] != nil)
            #expect(try await stream.get(url)?.body == "0123456789")
        }
    }

    @Test(arguments: [
        ("a.txt", "text/plain; charset=utf-8", "inline"), ("a.png", "image/png", "inline"),
        ("a.PDF", "application/pdf", "inline"), ("a.mp3", "audio/mpeg", "inline"),
        ("a.html", "text/html", "attachment"), ("a.svg", "image/svg+xml", "attachment"),
        ("a.xml", "text/xml", "attachment"), ("a.js", "text/javascript", "attachment"),
        ("a.xhtml", "application/xhtml+xml", "attachment"), ("a.unknown", "application/octet-stream", "attachment"),
    ])
    func nothingThatCouldRunIsShown(_ filename: String, _ type: String, _ kind: String) async throws {
        try await with(filename) { stream, url, _ in
            let answer = try #require(try await stream.get(url))
            #expect(answer.headers["content-type"] == type)
            #expect(answer.headers["content-disposition"] == "\(kind); filename=\"\(filename)\"")
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.headers["cache-control"] == "private, no-cache")
            #expect(answer.headers["content-security-policy"]?.contains("sandbox") == true)
        }
    }

    @Test func aTypeThatTheSenderClaimsMakesNoScriptOfAFile() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            for (type, kept) in [
                ("text/html", "text/plain; charset=utf-8"), ("image/png; x", "text/plain; charset=utf-8"),
            ] {
                let file = try await stream.upload("<script>", as: "a.txt", type: type)
                let url = try #require(file.json["url"] as? String)
                #expect(try await stream.get(url)?.headers["content-type"] == kept)
            }
            let file = try await stream.upload("<script>", as: "a", type: "text/html")
            let url = try #require(file.json["url"] as? String)
            #expect(try await stream.get(url)?.headers["content-disposition"]?.hasPrefix("attachment") == true)
        }
    }

    @Test func aFileIsItsOwnersOnWhateverDeviceAndNobodyElses() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let file = try await stream.upload("mine", as: "a.txt")
            let url = try #require(file.json["url"] as? String)
            #expect(try await running.stream(gateway.device()).get(url)?.body == "mine")
            let admin = gateway.device("bob", standing: .active(role: .admin))
            #expect(try await running.stream(admin).get(url)?.status == 404)
        }
    }

    @Test(arguments: [
        "/api/files/..", "/api/files/%2e%2e%2fopenagent.db", "/api/files/0123456789abcdef0123456789abcdef",
        "/api/files/%00", "/api/files/..%2f..%2f..%2fetc%2fpasswd",
    ])
    func noOtherNameLeadsToAFile(_ path: String) async throws {
        try await with { stream, _, _ in
            let answer = try await stream.get(path)
            #expect(answer?.status == 404)
        }
    }

    @Test func aLinkInTheFilesPlaceIsNotFollowed() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let file = try await stream.upload("mine", as: "a.txt")
            let (url, path) = (try #require(file.json["url"] as? String), try #require(file.json["path"] as? String))
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
            #expect(try await stream.get(url)?.status == 404)
        }
    }
}
