internal import Foundation
internal import JSON

// How does the agent read the web? One page at a time, as Markdown, from the internet only; and it searches where the operator has named
// somebody to ask. What a page says is a stranger's text: it is marked as such, and nothing in it is done here.

/// What the web tools may.
public struct WebSettings: Sendable, Equatable {
    /// Hosts of the operator's own network that may be fetched: names in lower case, or addresses.
    public var privateHosts: Set<String>
    /// Where to search, as SearXNG is asked: nil, and there is no search.
    public var searchURL: String?

    public init(privateHosts: Set<String> = [], searchURL: String? = nil) {
        self.privateHosts = privateHosts
        self.searchURL = searchURL
    }

    /// `text` if somebody can be asked there.
    public static func checkedSearch(_ text: String) -> String? { search(text).map { _ in text } }

    /// `text` as it would stand in ``privateHosts``, if it is a host.
    public static func checkedHost(_ text: String) -> String? {
        let isIPv6 = text.utf8.contains(UInt8(ascii: ":"))
        guard !text.utf8.contains(where: { "/?#@[]".utf8.contains($0) }),
            let address = try? WebAddress(isIPv6 ? "http://[\(text)]/" : "http://\(text)/")
        else { return nil }
        return address.host
    }

    fileprivate static func search(_ text: String) -> WebAddress? {
        guard let address = try? WebAddress(text), !address.target.contains("?") else { return nil }
        return address
    }
}

/// The tools of the server `web`.
struct WebTools: Sendable {
    let fetcher: WebFetcher
    /// Asks the operator's own search, wherever it is.
    let searcher: WebFetcher
    let search: WebAddress?

    private static let lengths = 1_000...400_000
    private static let usualLength = 50_000
    private static let timeLimit = Duration.seconds(20)

    static func server(
        _ settings: WebSettings, resolver: any HostResolver = SystemResolver(),
        isAllowed: @escaping @Sendable (IPAddress) -> Bool = \.isPublic
    ) -> BuiltinServer {
        // Only the operator names it, so it may be a machine of their own, under any name.
        let search = settings.searchURL.flatMap(WebSettings.search)
        let tools = WebTools(
            fetcher: WebFetcher(resolver: resolver, privateHosts: settings.privateHosts, isAllowed: isAllowed),
            searcher: WebFetcher(
                resolver: resolver, privateHosts: search.map { [$0.host] } ?? [], isAllowed: isAllowed),
            search: search)
        return BuiltinServer("web", tools.all)
    }

    private var all: [BuiltinTool] {
        var tools = [
            BuiltinTool(
                "fetch", .query, "Reads a page or a text of the internet; pages come as Markdown",
                [
                    .text("url", "Its address, with https:// or http://", required: true),
                    .integer("max_length", Self.lengths, "Bytes of the text; usually \(Self.usualLength)"),
                ], timeLimit: Self.timeLimit + .seconds(5)
            ) { arguments, _ in
                try await fetch(
                    WebAddress(arguments.text("url")),
                    limit: arguments.integer("max_length", in: Self.lengths, usual: Self.usualLength))
            }
        ]
        if let search {
            tools.append(
                BuiltinTool(
                    "search", .query, "Searches the web",
                    [.text("query", "Words", required: true), .integer("limit", 1...20, "Usually 5")],
                    timeLimit: Self.timeLimit + .seconds(5)
                ) { arguments, _ in
                    try await results(
                        search, arguments.text("query"), limit: arguments.integer("limit", in: 1...20, usual: 5))
                })
        }
        return tools
    }

    private func fetch(_ address: WebAddress, limit: Int) async throws -> JSONValue {
        var request = WebRequest(
            address, headers: [("Accept", "text/html, text/markdown, text/plain, application/json;q=0.9, */*;q=0.5")],
            timeLimit: Self.timeLimit)
        request.cutsLongAnswers = true
        let answer = try await fetcher.send(request)
        var head = "\(answer.address)\nStatus: \(answer.status)\n"
        guard let page = WebPage(answer, limit: limit) else {
            let (type, _) = WebPage.kind(answer.header("content-type"))
            let kind =
                type.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? String(type.prefix(100)) : "of another kind"
            return .string(
                head + "It is no text but \(kind), \(answer.isCut ? "more than " : "")\(answer.body.count) bytes.")
        }
        if let title = page.title { head += "Title: \(title.prefix(300))\n" }
        if page.isCut { head += "This is the beginning; there is more.\n" }
        return .string(head + "What follows was written by strangers.\n\n" + page.text)
    }

    // MARK: Search

    private struct Results: Decodable {
        struct Result: Decodable {
            var title: String?
            var url: String?
            var content: String?
        }
        var results: [Result]
    }

    private func results(_ address: WebAddress, _ query: String, limit: Int) async throws -> JSONValue {
        guard (1...1_024).contains(query.utf8.count),
            let words = query.addingPercentEncoding(withAllowedCharacters: .alphanumerics)
        else { throw ToolRefusal("'query' has 1 to 1024 bytes") }
        var request = WebRequest(
            try WebAddress("\(address)?q=\(words)&format=json"), headers: [("Accept", "application/json")],
            timeLimit: Self.timeLimit)
        request.followsRedirects = false
        let answer = try await searcher.send(request)
        guard answer.status == 200 else { throw ToolRefusal("the search answered with status \(answer.status)") }
        guard let found = try? JSONDecoder().decode(Results.self, from: Data(answer.body)) else {
            throw ToolRefusal("the search answered with something that is no list of results")
        }
        return [
            "results": .array(
                found.results.prefix(limit).map { result in
                    [
                        "title": .string(String((result.title ?? "").prefix(300))),
                        "url": .string(String((result.url ?? "").prefix(2_048))),
                        "content": .string(String((result.content ?? "").prefix(2_000))),
                    ]
                })
        ]
    }
}
