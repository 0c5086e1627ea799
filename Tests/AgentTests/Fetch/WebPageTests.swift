import JSON
import TestProviders
import Testing

@testable import Agent

// What does a model get to read of a page?

@Suite struct WebPageTests {
    private func markdown(_ html: String, limit: Int = 100_000) -> HTMLMarkdown {
        HTMLMarkdown(
            Array(html.utf8), encoding: "utf-8", base: try? WebAddress("https://example.com/a/b"), limit: limit)
    }

    @Test(
        "a page reads as Markdown",
        arguments: [
            ("<h1>A  b</h1><p>One\ntwo <b>three</b>.</p><p>Four</p>", "# A b\n\nOne two **three**.\n\nFour"),
            ("<ul><li>One<li>Two<ol><li>x</li><li>y</li></ol></ul>z", "- One\n- Two\n  1. x\n  2. y\n\nz"),
            (
                "<a href='../c?d=1#e'>See (it)</a> and <a href='javascript:x'>that</a>",
                "[See (it)](https://example.com/c?d=1) and that"
            ),
            ("<a href=/x></a>y", "y"), ("<a href='mailto:a@b.c'>m</a>", "[m](mailto:a@b.c)"),
            ("<pre>a\n  b &lt; c\n</pre><code>x</code>", "```\na\n  b < c\n```\n\n`x`"),
            ("<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n> \n> b\n\nc"),
            ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "| a | b\n| 1 | 2"),
            ("a<br>b<hr>c", "a\nb\n\n---\n\nc"), ("<img alt='A cat' src=x><img src=y>", "[image: A cat]"),
            ("<script>alert(1)</script><style>x{}</style><noscript>n</noscript>text<template>t</template>", "text"),
            ("ünï&amp;c&ouml;de &#8212; ok", "ünï&cöde — ok"), ("<p>a\u{1b}[31mb</p>", "a[31mb"), ("", ""),
        ])
    func reads(_ html: String, _ text: String) {
        #expect(markdown(html).text == text)
    }

    @Test("a page's title is told, and what is too long is cut and says so")
    func titleAndLimit() {
        let page = markdown("<html><head><title> The\n title </title></head><body>x</body></html>")
        #expect(page.title == "The title" && page.text == "x" && !page.isCut)
        let long = markdown(String(repeating: "<p>word word</p>", count: 10_000), limit: 1_000)
        #expect(long.isCut && long.text.utf8.count <= 1_000 && long.text.hasPrefix("word word\n\nword"))
    }

    @Test("a page that is built to be costly costs little")
    func hostile() {
        let pages = [
            String(repeating: "<div>", count: 300_000), String(repeating: "<blockquote>", count: 100_000) + "x",
            String(repeating: "<a href=x><b>", count: 100_000), String(repeating: "<ul><li>", count: 100_000) + "x",
            String(repeating: "<", count: 1_000_000), "<!DOCTYPE " + String(repeating: "[", count: 500_000),
            "<p " + String(repeating: "a=b ", count: 200_000) + ">x", String(repeating: "&amp", count: 400_000),
            "<table>" + String(repeating: "<tr><td>", count: 100_000), "\0\0<p>\0x",
        ]
        for (number, page) in pages.enumerated() {
            let time = ContinuousClock().measure { _ = markdown(page) }
            #expect(time < .seconds(5), "page \(number): \(time)")
        }
    }

    @Test("P-96: the tool reads pages and texts, says the status, and shows no other kinds")
    func tool() async throws {
        try await TestSite.run(
            on: WebFetcherTests.internet,
            { path in
                switch path {
                case "/page": TestSite.Page("text/html; charset=utf-8", "<title>T</title><h2>H</h2>Grün")
                case "/json": TestSite.Page("application/json", #"{"a":1}"#)
                case "/image": TestSite.Page("image/png", "\u{89}PNG")
                case "/endless": TestSite.Page("text/plain", isEndless: true)
                case _ where path.hasPrefix("/search?"):
                    TestSite.Page(
                        "application/json",
                        #"{"results":[{"title":"One","url":"https://a.example","content":"c"},{"title":"Two"}]}"#)
                default: TestSite.Page(status: 404, "text/plain", "nothing")
                }
            }
        ) { site in
            let base = "http://127.0.0.2:\(site.port)"
            let server = WebTools.server(
                WebSettings(searchURL: base + "/search"), resolver: FakeResolver([:]),
                isAllowed: { $0.description == WebFetcherTests.internet })
            func fetch(_ path: String) async throws -> String {
                try await server.answer("fetch", ["url": .string(base + path), "max_length": 1_000]).string ?? ""
            }
            let page = try await fetch("/page")
            #expect(page.contains("Status: 200\nTitle: T\n") && page.hasSuffix("## H\n\nGrün"), "\(page)")
            #expect(page.contains("written by strangers"))
            #expect(try await fetch("/json").hasSuffix(#"{"a":1}"#))
            #expect(try await fetch("/image").hasSuffix("no text but image/png, 5 bytes."))
            let missing = try await fetch("/none")
            #expect(missing.contains("Status: 404") && missing.hasSuffix("nothing"))
            let endless = try await fetch("/endless")
            #expect(endless.contains("there is more") && endless.utf8.count < 1_300)
            let found = try await server.answer("search", ["query": "a b&c", "limit": 1])
            #expect(found["results"]?.list.first?["title"] == "One" && found["results"]?.list.count == 1)
            #expect(site.questions.last?.path == "/search?q=a%20b%26c&format=json")
            #expect(await server.refusal("fetch", ["url": "http://127.0.0.1/"]).contains("not a public address"))
            #expect(await server.refusal("fetch", ["url": "file:///etc/passwd"]).contains("only http:// and https://"))
        }
        #expect(await WebTools.server(WebSettings()).tools().map(\.name) == ["fetch"])
    }
}
