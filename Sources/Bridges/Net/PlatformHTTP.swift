internal import AsyncHTTPClient
internal import Foundation
internal import JSON
internal import NIOCore
internal import NIOHTTP1

// How is a platform asked over HTTP? By one request and one answer, both bounded. Addresses hold tokens here (Telegram, Green API), so
// nothing of what was asked stands in an error, no redirect is followed, and certificates are verified. What an answer means is the
// platform's affair: any status is an answer.

/// Asks a platform.
struct PlatformHTTP: Sendable {
    /// Keeps connections for a while; lives as long as the process. Times are watched from outside, because some calls wait on purpose.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10), read: nil)
        configuration.connectionPool.idleTimeout = .seconds(30)
        // Long polls and sends of many chats go on side by side.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    private let timeLimit: Duration

    /// - Parameter timeLimit: of a request that names none.
    init(timeLimit: Duration = .seconds(30)) { self.timeLimit = timeLimit }

    /// What is asked.
    struct Request: Sendable {
        var method: String
        /// `http` or `https`. Never told to anybody but the server.
        var url: String
        var headers: [(String, String)]
        var body: Body
        /// For all of it, from looking up the name to the last byte; nil: the client's own.
        var timeLimit: Duration?
        /// Bytes of the answer's body.
        var answerLimit: Int

        init(
            _ method: String, _ url: String, headers: [(String, String)] = [], body: Body = .none,
            timeLimit: Duration? = nil, answerLimit: Int = 4 << 20
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
            self.timeLimit = timeLimit
            self.answerLimit = answerLimit
        }
    }

    enum Body: Sendable {
        case none
        case json(JSONValue)
        case bytes([UInt8], type: String)
        /// Fields of a form, `application/x-www-form-urlencoded`.
        case form([(String, String)])
        case multipart([Part])
    }

    /// What came back.
    struct Answer: Sendable {
        var status: Int
        /// Names in lower case; of several of a name the first.
        var headers: [String: String]
        var body: [UInt8]

        /// - Throws: ``PlatformFailure/unavailable(_:)`` for a body that is no JSON, as a proxy in front of the platform gives.
        func json() throws(PlatformFailure) -> JSONValue {
            do { return try JSONDecoder().decode(JSONValue.self, from: Data(body)) } catch {
                throw .unavailable("it answered with status \(status) and no JSON")
            }
        }
    }

    /// Sends a request and reads the answer whole.
    ///
    /// - Throws: ``PlatformFailure/unavailable(_:)``, and ``PlatformFailure/refused(_:)`` when a file to send can't be read;
    ///   `CancellationError`.
    func send(_ request: Request) async throws -> Answer {
        let limit = request.timeLimit ?? timeLimit
        let asked = try Self.asked(request)
        return try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask {
                try await Self.telling {
                    let answer = try await Self.client.execute(asked, deadline: .distantFuture)
                    let body = try await answer.body.collect(upTo: request.answerLimit)
                    return Answer(
                        status: Int(answer.status.code), headers: Self.headers(of: answer),
                        body: Array(body.readableBytesView))
                }
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw PlatformFailure.unavailable("it did not answer within \(limit)")
            }
            defer { group.cancelAll() }
            guard let answer = try await group.next() else { throw CancellationError() }
            return answer
        }
    }

    /// Fetches a file and hands it over in pieces, at the pace of `write`.
    ///
    /// - Parameters:
    ///   - limit: bytes.
    ///   - idleLimit: how long the server may send nothing while somebody waits for it.
    /// - Throws: ``PlatformFailure/unavailable(_:)``, ``PlatformFailure/wait(_:_:)``, ``PlatformFailure/refused(_:)`` when there is no such
    ///   file or it is too large; `CancellationError`; what `write` throws.
    func download(
        _ url: String, headers: [(String, String)] = [], limit: Int64, idleLimit: Duration = .seconds(30),
        _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let asked = try Self.asked(Request("GET", url, headers: headers))
        let watch = IdleWatch(idleLimit)
        try await withoutActuallyEscaping(write) { write in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.fetch(asked, limit: limit, watch, write) }
                group.addTask {
                    try await watch.run()
                    throw PlatformFailure.unavailable("it stopped sending a file")
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    private static func fetch(
        _ asked: HTTPClientRequest, limit: Int64, _ watch: IdleWatch, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        watch.begin()
        let answer = try await telling { try await client.execute(asked, deadline: .distantFuture) }
        try check(answer)
        let tooLarge = PlatformFailure.refused("the file is larger than \(limit) bytes")
        if let length = answer.headers.first(name: "Content-Length").flatMap(Int64.init), length > limit {
            throw tooLarge
        }
        var left = limit
        var pieces = answer.body.makeAsyncIterator()
        while true {
            watch.begin()
            let piece: ByteBuffer?
            do { piece = try await pieces.next() } catch { throw try failure(error) }
            guard let piece else { return }
            watch.end()
            left -= Int64(piece.readableBytes)
            guard left >= 0 else { throw tooLarge }
            try await write(Array(piece.readableBytesView))
        }
    }

    private static func check(_ answer: HTTPClientResponse) throws(PlatformFailure) {
        let status = Int(answer.status.code)
        switch status {
        case 200: return
        case 429:
            let seconds = answer.headers.first(name: "Retry-After").flatMap(Double.init) ?? 1
            throw .wait(.seconds(min(max(seconds, 0), 3600)), .everything)
        case 500...: throw .unavailable("it answered a request for a file with status \(status)")
        default: throw .refused("it does not give the file: status \(status)")
        }
    }

    // MARK: Parts

    private static func asked(_ request: Request) throws -> HTTPClientRequest {
        var asked = HTTPClientRequest(url: request.url)
        asked.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers {
            // The client would say which, with the value.
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw PlatformFailure.account("the token in the configuration holds a line break or the like")
            }
            asked.headers.add(name: name, value: value)
        }
        if !asked.headers.contains(name: "User-Agent") { asked.headers.add(name: "User-Agent", value: "openagent") }
        switch request.body {
        case .none: break
        case .json(let value):
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard let json = try? encoder.encode(value) else {
                throw PlatformFailure.refused("the request holds a number that JSON cannot carry")
            }
            asked.headers.replaceOrAdd(name: "Content-Type", value: "application/json")
            asked.body = .bytes(ByteBuffer(bytes: json))
        case .bytes(let bytes, let type):
            asked.headers.replaceOrAdd(name: "Content-Type", value: type)
            asked.body = .bytes(ByteBuffer(bytes: bytes))
        case .form(let fields):
            asked.headers.replaceOrAdd(name: "Content-Type", value: "application/x-www-form-urlencoded")
            asked.body = .bytes(ByteBuffer(string: FormCoding.text(fields)))
        case .multipart(let parts):
            let form = try MultipartBody(parts)
            asked.headers.replaceOrAdd(name: "Content-Type", value: form.contentType)
            asked.body = .stream(form, length: .known(form.length))
        }
        return asked
    }

    private static func headers(of answer: HTTPClientResponse) -> [String: String] {
        Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
    }

    private static let cut = PlatformFailure.unavailable("it cut the connection before its answer was complete")

    private static func telling<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        do { return try await body() } catch { throw try failure(error) }
    }

    /// Puts what went wrong into our words: the error's own may name what was asked.
    ///
    /// - Throws: `CancellationError` when that is the reason.
    private static func failure(_ error: any Error) throws -> PlatformFailure {
        try Task.checkCancellation()
        return switch error {
        case is CancellationError: throw error
        case let error as PlatformFailure: error
        case is NIOTooManyBytesError: .unavailable("its answer is too large")
        case let error as HTTPClientError where error == .connectTimeout || error == .getConnectionFromPoolTimeout:
            .unavailable("it can't be reached: it did not answer in time")
        case let error as HTTPClientError where error == .remoteConnectionClosed: cut
        case let error as HTTPParserError: error == .invalidEOFState ? cut : .unavailable("its answer is no HTTP")
        case let error as HTTPClientError where error == .invalidURL || error == .emptyHost || error == .emptyScheme:
            .account("the platform's address in the configuration, or the token in it, is no address")
        default: .unavailable(Connecting.reason(error))
        }
    }
}
