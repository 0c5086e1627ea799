internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

// How is a page fetched whose address somebody else chose? Every host is looked up once, every one of its addresses is checked, and the
// socket goes to the address that was checked: whatever the name stands for a moment later, nobody gets us into the network around
// this machine. Each redirect begins again from the start. Time and size are bounded.

/// Fetches from the internet and from nowhere else.
public struct WebFetcher: Sendable {
    private let resolver: any HostResolver
    private let privateHosts: Set<String>
    private let isAllowed: @Sendable (IPAddress) -> Bool

    static let mostRedirects = 5
    /// Of a host's addresses, so many are tried.
    private static let mostTries = 3
    /// What goes along when a page leads to another host.
    private static let harmlessHeaders: Set<String> = ["accept", "accept-language", "user-agent"]

    /// - Parameters:
    ///   - privateHosts: hosts of the operator's network that may be asked all the same: names in lower case, or addresses.
    ///   - isAllowed: which addresses may be asked; a test takes its own.
    public init(
        resolver: any HostResolver = SystemResolver(), privateHosts: Set<String> = [],
        isAllowed: @escaping @Sendable (IPAddress) -> Bool = \.isPublic
    ) {
        self.resolver = resolver
        self.privateHosts = privateHosts
        self.isAllowed = isAllowed
    }

    /// Sends a request and reads the answer. An answer of any status is one.
    ///
    /// - Throws: ``WebError``; `CancellationError`.
    public func send(_ request: WebRequest) async throws -> WebAnswer {
        try await withThrowingTaskGroup(of: WebAnswer.self) { group in
            group.addTask { try await follow(request) }
            group.addTask {
                try await Task.sleep(for: request.timeLimit)
                throw WebError.timedOut(request.address.host)
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw CancellationError() }
            return answer
        }
    }

    private func follow(_ first: WebRequest) async throws -> WebAnswer {
        var request = first
        var redirects = 0
        while true {
            let answer = try await ask(request)
            guard request.followsRedirects, [301, 302, 303, 307, 308].contains(answer.status),
                let location = answer.header("location")
            else { return answer }
            guard redirects < Self.mostRedirects else { throw WebError.tooManyRedirects }
            redirects += 1
            let next = try request.address.resolve(location)
            guard next.isSecure || !request.address.isSecure else { throw WebError.downgraded }
            if next.origin != request.address.origin {
                request.headers.removeAll { !Self.harmlessHeaders.contains($0.name.lowercased()) }
                // What was meant for one host is not given to another.
                if !request.body.isEmpty { (request.method, request.body) = ("GET", []) }
            }
            if answer.status == 303 || (answer.status < 303 && request.method == "POST") {
                request.method = request.method == "HEAD" ? "HEAD" : "GET"
                request.body = []
                request.headers.removeAll { $0.name.lowercased().hasPrefix("content-") }
            }
            request.address = next
        }
    }

    /// The addresses of a host, all of them checked.
    private func check(_ address: WebAddress) async throws -> [IPAddress] {
        let isPrivate = privateHosts.contains(address.host)
        guard isPrivate || !address.isLocalName else { throw WebError.refused(address.host) }
        let found: [IPAddress]
        if let literal = address.literal {
            found = [literal]
        } else {
            found = try await resolver.addresses(of: address.host)
        }
        guard !found.isEmpty else { throw WebError.unknownHost(address.host) }
        // One that is refused is enough: whoever names it next to a public one means no good.
        guard isPrivate || found.allSatisfy(isAllowed) else {
            throw WebError.refused(address.host)
        }
        return found
    }

    private func ask(_ request: WebRequest) async throws -> WebAnswer {
        let host = request.address.host
        var seen: Set<IPAddress> = []
        let addresses = try await check(request.address).filter { seen.insert($0).inserted }.prefix(Self.mostTries)
        for (number, address) in addresses.enumerated() {
            do {
                return try await exchange(request, with: address)
            } catch let error as WebError where error == .unreachable(host) && number + 1 < addresses.count {
                continue
            }
        }
        throw WebError.unreachable(host)
    }

    private func exchange(_ request: WebRequest, with address: IPAddress) async throws -> WebAnswer {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(30))
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        // The name stays in the Host header and in the certificate's check; the socket goes where was checked.
        configuration.dnsOverride = [request.address.host: address.description]
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<WebAnswer, any Error>
        do { result = .success(try await read(request, client)) } catch { result = .failure(error) }
        try? await client.shutdown()
        return try result.get()
    }

    private func read(_ request: WebRequest, _ client: HTTPClient) async throws -> WebAnswer {
        var asked = HTTPClientRequest(url: request.address.description)
        asked.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers { asked.headers.add(name: name, value: value) }
        if !asked.headers.contains(name: "User-Agent") { asked.headers.add(name: "User-Agent", value: "openagent") }
        // An answer that is packed could be much larger than what is read.
        asked.headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
        if !request.body.isEmpty { asked.body = .bytes(request.body) }
        do {
            let answer = try await client.execute(
                asked, deadline: .now() + .nanoseconds(Int64(request.timeLimit / .nanoseconds(1))))
            var body: [UInt8] = []
            var isCut = false
            for try await piece in answer.body {
                body += piece.readableBytesView.prefix(request.answerLimit - body.count + 1)
                guard body.count > request.answerLimit else { continue }
                guard request.cutsLongAnswers else { throw WebError.tooLarge(limit: request.answerLimit) }
                body.removeLast()
                isCut = true
                break
            }
            return WebAnswer(
                address: request.address, status: Int(answer.status.code),
                headers: answer.headers.map { ($0.name, $0.value) }, body: body, isCut: isCut)
        } catch let error as WebError {
            throw error
        } catch let error as HTTPClientError {
            try Task.checkCancellation()
            let late: [HTTPClientError] = [.deadlineExceeded, .readTimeout, .getConnectionFromPoolTimeout]
            throw late.contains(error) ? WebError.timedOut(request.address.host) : .unreachable(request.address.host)
        } catch {
            try Task.checkCancellation()
            throw WebError.unreachable(request.address.host)
        }
    }
}

public struct WebRequest: Sendable {
    public var method = "GET"
    public var address: WebAddress
    public var headers: [(name: String, value: String)]
    public var body: [UInt8] = []
    /// For all of it, redirects included.
    public var timeLimit: Duration
    /// Bytes of the answer's body.
    public var answerLimit: Int
    /// Whether of a longer answer the beginning is taken; else it is an error.
    public var cutsLongAnswers = false
    public var followsRedirects = true

    public init(
        _ address: WebAddress, headers: [(name: String, value: String)] = [], timeLimit: Duration = .seconds(20),
        answerLimit: Int = 2 << 20
    ) {
        self.address = address
        self.headers = headers
        self.timeLimit = timeLimit
        self.answerLimit = answerLimit
    }
}

public struct WebAnswer: Sendable {
    /// Where it came from in the end.
    public var address: WebAddress
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// There was more of it.
    public var isCut: Bool

    /// The first header of this name.
    ///
    /// - Parameter name: in lower case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }
}
