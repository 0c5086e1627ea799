// How do workflows ask web servers? As the web tools do: the public internet only, each address checked before it is asked.

/// The guarded way to the web, for workflows.
public struct FetchedWorkflowHTTP: WorkflowHTTP {
    private let fetcher: WebFetcher

    /// - Parameter privateHosts: hosts of the operator's network that may be asked all the same.
    public init(privateHosts: Set<String>) { fetcher = WebFetcher(privateHosts: privateHosts) }

    init(_ fetcher: WebFetcher) { self.fetcher = fetcher }

    public func send(_ request: WorkflowHTTPRequest) async throws -> WorkflowHTTPAnswer {
        var asked = WebRequest(
            try WebAddress(request.url), headers: request.headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
            timeLimit: request.timeLimit, answerLimit: request.answerLimit)
        asked.method = request.method
        asked.body = request.body
        // What acts is sent where its author wrote, and nowhere else.
        asked.followsRedirects = ["GET", "HEAD"].contains(request.method)
        let answer = try await fetcher.send(asked)
        let headers = Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { $0 + ", " + $1 }
        return WorkflowHTTPAnswer(status: answer.status, headers: headers, body: answer.body)
    }
}
