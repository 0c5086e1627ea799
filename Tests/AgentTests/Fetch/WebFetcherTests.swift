import Foundation
import Synchronization
import TestProviders
import Testing

@testable import Agent

// Does a page that somebody else named reach into the network around this machine? 127.0.0.2 plays the internet here, and 127.0.0.3 the
// network around.

/// Knows hosts as a test says; each answer of a list is given once, the last for ever.
final class FakeResolver: HostResolver {
    private let answers: Mutex<[String: [[String]]]>
    private let asked = Mutex<[String]>([])

    init(_ answers: [String: [[String]]]) { self.answers = Mutex(answers) }

    var questions: [String] { asked.withLock { $0 } }

    func addresses(of host: String) async throws -> [IPAddress] {
        asked.withLock { $0.append(host) }
        let answer: [String]? = answers.withLock { answers in
            guard let list = answers[host], let first = list.first else { return nil }
            if list.count > 1 { answers[host] = Array(list.dropFirst()) }
            return first
        }
        guard let answer else { throw WebError.unknownHost(host) }
        return answer.compactMap { IPAddress($0) }
    }
}

@Suite struct WebFetcherTests {
    static let internet = "127.0.0.2"
    static let inside = "127.0.0.3"

    static func fetcher(_ resolver: FakeResolver, privateHosts: Set<String> = []) -> WebFetcher {
        WebFetcher(resolver: resolver, privateHosts: privateHosts) { $0.description == internet }
    }

    /// Runs a server on the internet and one of the same port inside.
    private func withSites(
        _ pages: @escaping @Sendable (String) -> TestSite.Page,
        _ body: @escaping @Sendable (_ outside: TestSite, _ inside: TestSite) async throws -> Void
    ) async throws {
        try await TestSite.run(on: Self.internet, pages) { outside in
            try await TestSite.run(on: Self.inside, port: outside.port, { _ in TestSite.Page(nil, "secret") }) {
                inside in
                try await body(outside, inside)
                #expect(inside.questions.isEmpty)
            }
        }
    }

    @Test("P-24: nobody is asked at an address that is not public, under whatever name")
    func privateAddresses() async throws {
        let resolver = FakeResolver([
            "one.example": [[Self.inside]], "mixed.example": [[Self.internet, Self.inside]], "none.example": [[]],
            "v6.example": [["::ffff:127.0.0.2"]], "printer.local": [[Self.internet]], "localhost": [[Self.internet]],
            "metadata.google.internal": [[Self.internet]],
        ])
        try await withSites({ _ in TestSite.Page() }) { outside, _ in
            for host in [
                "one.example", "mixed.example", "v6.example", "printer.local", "localhost", "metadata.google.internal",
                "127.0.0.3", "[::1]", "169.254.169.254", "10.0.0.1",
            ] {
                let address = try WebAddress("http://\(host):\(outside.port)/")
                await #expect(throws: WebError.refused(address.host), "\(host)") {
                    try await Self.fetcher(resolver).send(WebRequest(address))
                }
            }
            let unknown = try WebAddress("http://none.example:\(outside.port)/")
            await #expect(throws: WebError.unknownHost("none.example")) {
                try await Self.fetcher(resolver).send(WebRequest(unknown))
            }
            #expect(outside.questions.isEmpty)
        }
    }

    @Test("P-25: the socket goes to the address that was checked, whatever the name stands for a moment later")
    func rebinding() async throws {
        try await withSites({ _ in TestSite.Page("text/plain", "public") }) { outside, _ in
            let resolver = FakeResolver(["re.example": [[Self.internet], [Self.inside]]])
            let address = try WebAddress("http://re.example:\(outside.port)/page?x=1")
            let answer = try await Self.fetcher(resolver).send(WebRequest(address))
            #expect(answer.body == Array("public".utf8) && resolver.questions == ["re.example"])
            let question = try #require(outside.questions.first)
            #expect(question.headers["host"] == "re.example:\(outside.port)" && question.path == "/page?x=1")
            // The second time the name stands for a machine inside: that is seen before anybody is asked.
            await #expect(throws: WebError.refused("re.example")) {
                try await Self.fetcher(resolver).send(WebRequest(address))
            }
            #expect(outside.questions.count == 1)
        }
    }

    @Test("P-25: every redirect is checked again", arguments: [301, 302, 303, 307, 308])
    func redirects(_ status: Int) async throws {
        let port = Mutex(0)
        try await withSites({ path in
            let port = port.withLock { $0 }
            return switch path {
            case "/same": .redirect("/end", status: status)
            case "/inside": .redirect("http://127.0.0.3:\(port)/", status: status)
            case "/rebind": .redirect("http://re.example:\(port)/", status: status)
            case "/file": .redirect("file:///etc/passwd", status: status)
            case "/user": .redirect("http://a@127.0.0.2:\(port)/", status: status)
            case "/loop": .redirect("/loop", status: status)
            default: TestSite.Page("text/plain", "end")
            }
        }) { outside, _ in
            port.withLock { $0 = outside.port }
            let resolver = FakeResolver(["re.example": [[Self.internet], [Self.inside]]])
            let fetcher = Self.fetcher(resolver)
            func get(_ path: String) async throws -> WebAnswer {
                try await fetcher.send(WebRequest(WebAddress("http://re.example:\(outside.port)\(path)")))
            }
            await #expect(throws: WebError.refused("re.example")) { try await get("/rebind") }
            #expect(outside.questions.count == 1)
            func local(_ path: String) async throws -> WebAnswer {
                try await fetcher.send(WebRequest(WebAddress("http://127.0.0.2:\(outside.port)\(path)")))
            }
            let answer = try await local("/same")
            #expect(answer.status == 200 && answer.address.target == "/end")
            await #expect(throws: WebError.refused("127.0.0.3")) { try await local("/inside") }
            for path in ["/file", "/user"] { await #expect(throws: WebError.self) { try await local(path) } }
            let count = outside.questions.count
            await #expect(throws: WebError.tooManyRedirects) { try await local("/loop") }
            #expect(outside.questions.count == count + 6)
        }
    }

    @Test("what was meant for one host is not told to another, and a body is not given away")
    func redirectedHeaders() async throws {
        let port = Mutex(0)
        try await TestSite.run(
            on: Self.internet,
            { path in
                path == "/" ? .redirect("http://b.example:\(port.withLock { $0 })/end", status: 307) : TestSite.Page()
            }
        ) { site in
            port.withLock { $0 = site.port }
            let resolver = FakeResolver(["a.example": [[Self.internet]], "b.example": [[Self.internet]]])
            var request = WebRequest(
                try WebAddress("http://a.example:\(site.port)/"),
                headers: [("Authorization", "Bearer x"), ("X-Key", "y"), ("Accept", "text/plain")])
            (request.method, request.body) = ("POST", Array("secret".utf8))
            _ = try await Self.fetcher(resolver).send(request)
            let (first, second) = (try #require(site.questions.first), try #require(site.questions.last))
            #expect(first.headers["authorization"] == "Bearer x" && first.body == "secret" && first.method == "POST")
            #expect(second.headers["authorization"] == nil && second.headers["x-key"] == nil)
            #expect(second.headers["accept"] == "text/plain" && second.body == "" && second.method == "GET")
        }
    }

    @Test("P-96: an answer of any status is one; slow and endless ones are bounded")
    func bounds() async throws {
        try await TestSite.run(
            on: Self.internet,
            { path in
                switch path {
                case "/missing": TestSite.Page(status: 404, "text/plain", "not here")
                case "/broken": TestSite.Page(status: 503, "text/plain", "later")
                case "/endless": TestSite.Page("text/plain", isEndless: true)
                default: TestSite.Page(isSilent: true)
                }
            }
        ) { site in
            let fetcher = Self.fetcher(FakeResolver([:]))
            func request(_ path: String) throws -> WebRequest {
                WebRequest(
                    try WebAddress("http://127.0.0.2:\(site.port)\(path)"), timeLimit: .seconds(1), answerLimit: 100_000
                )
            }
            let missing = try await fetcher.send(request("/missing"))
            #expect(missing.status == 404 && missing.body == Array("not here".utf8))
            #expect(try await fetcher.send(request("/broken")).status == 503)
            await #expect(throws: WebError.tooLarge(limit: 100_000)) { try await fetcher.send(request("/endless")) }
            var beginning = try request("/endless")
            beginning.cutsLongAnswers = true
            let cut = try await fetcher.send(beginning)
            #expect(cut.isCut && cut.body.count == 100_000)
            let start = ContinuousClock.now
            await #expect(throws: WebError.timedOut("127.0.0.2")) { try await fetcher.send(request("/silent")) }
            #expect(ContinuousClock.now - start < .seconds(3))
        }
        let closed = try WebAddress("http://127.0.0.2:1/")
        await #expect(throws: WebError.unreachable("127.0.0.2")) {
            try await Self.fetcher(FakeResolver([:])).send(WebRequest(closed))
        }
    }

    @Test("the operator may name hosts of their own network, and only these are asked")
    func privateHosts() async throws {
        try await TestSite.run(on: Self.inside, { _ in TestSite.Page("text/plain", "wiki") }) { site in
            let resolver = FakeResolver(["wiki.local": [[Self.inside]], "other.example": [[Self.inside]]])
            let fetcher = Self.fetcher(resolver, privateHosts: ["wiki.local"])
            let answer = try await fetcher.send(WebRequest(WebAddress("http://wiki.local:\(site.port)/")))
            #expect(answer.body == Array("wiki".utf8))
            let other = try WebAddress("http://other.example:\(site.port)/")
            await #expect(throws: WebError.refused("other.example")) { try await fetcher.send(WebRequest(other)) }
        }
    }

    @Test("whoever stops waiting for a name waits no longer")
    func stoppedResolver() async throws {
        let task = Task { try await SystemResolver().addresses(of: "localhost") }
        task.cancel()
        let result = await task.result
        // Either it was stopped, or it had been answered already.
        switch result {
        case .success(let found): #expect(!found.isEmpty)
        case .failure(let error): #expect(error is CancellationError)
        }
        let found = try await SystemResolver().addresses(of: "localhost")
        #expect(found.allSatisfy { !$0.isPublic } && !found.isEmpty)
    }
}
