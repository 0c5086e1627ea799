internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Transport
internal import Wire

// How does a command ask an agent about its network? With the same requests whatever carries them: this file writes
// requests and reads answers. How they travel is the carriers' business, what a refusal means to a person
// AdministrationRefusal's.

/// One request to an agent.
struct AdministrationRequest: Sendable {
    var method: HTTPMethod
    /// Origin form with query.
    var path: String
    var body: [UInt8]?
    /// Besides the content type, which is JSON where nothing else is said.
    var headers: [(String, String)] = []

    /// All headers of the request.
    var fields: HTTPHeaders {
        var fields = HTTPHeaders(headers)
        if body != nil, !fields.contains(name: "Content-Type") {
            fields.add(name: "Content-Type", value: "application/json")
        }
        return fields
    }
}

/// What came back.
struct AdministrationReply: Sendable {
    var status: Int
    var body: [UInt8]
    /// Of what was asked for, in its quotes.
    var etag: String?
}

/// What of an answer of success is handed out as it comes.
enum AnswerPieces: Sendable {
    /// A stream of events only; any other answer comes in one go.
    case events
    case all
}

/// A way for requests to one agent.
protocol AdministrationCarrier: Sendable {
    /// - Returns: whatever the agent answered; any status is an answer.
    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply
    /// As ``exchange(_:)``, but takes longer if need be, and these pieces of an answer of success go to `receive` as they
    /// come; the reply's body is empty then.
    func follow(
        _ request: AdministrationRequest, _ pieces: AnswerPieces, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply
    func close() async
}

/// An agent that can be asked and told.
struct Administration: Sendable {
    /// An answer that was understood, and the bytes that it was.
    struct Answer<Body: Sendable>: Sendable {
        var value: Body
        var json: String
    }

    /// How long an agent that is started again is waited for.
    static let restartTime = Duration.seconds(5)

    private let carrier: any AdministrationCarrier
    private let patience: Duration

    /// - Parameter patience: how long an agent that can't be reached is asked again, where that can do no harm.
    init(_ carrier: any AdministrationCarrier, patience: Duration = Self.restartTime) {
        self.carrier = carrier
        self.patience = patience
    }

    /// - Parameter hint: what a person can do when the agent refuses and says no more than that.
    /// - Throws: ``CommandError``, and what the carrier throws.
    func get<Body: Decodable & Sendable>(
        _ path: String, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        let deadline = ContinuousClock.now + patience
        var pause = Duration.milliseconds(100)
        while true {
            do { return try await send(AdministrationRequest(method: .GET, path: path), hint: hint) } catch {
                guard Self.mayPass(error), ContinuousClock.now + pause < deadline else { throw error }
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(1))
        }
    }

    /// Whether it is what a restart of the agent looks like from here.
    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case is ConnectError, is AgentUnreachable: true
        case GatewayClientError.streamFailed: true
        default: false
        }
    }

    func delete<Body: Decodable & Sendable>(
        _ path: String, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await send(AdministrationRequest(method: .DELETE, path: path), hint: hint)
    }

    func patch<Body: Decodable & Sendable>(
        _ path: String, _ change: some Encodable, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await send(
            AdministrationRequest(method: .PATCH, path: path, body: Array(try JSONEncoder().encode(change))), hint: hint
        )
    }

    func post<Body: Decodable & Sendable>(
        _ path: String, _ thing: some Encodable, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await send(
            AdministrationRequest(method: .POST, path: path, body: Array(try JSONEncoder().encode(thing))), hint: hint)
    }

    /// Puts bytes of a type at a path.
    func put<Body: Decodable & Sendable>(
        _ path: String, bytes: [UInt8], type mime: String, headers: [(String, String)] = [],
        as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await send(
            AdministrationRequest(
                method: .PUT, path: path, body: bytes, headers: headers + [("Content-Type", mime)]), hint: hint)
    }

    /// The answer as it came, if it is one of success.
    func raw(_ method: HTTPMethod, _ path: String, hint: String? = nil) async throws -> AdministrationReply {
        let reply = try await exchange(method, path)
        guard (200..<300).contains(reply.status) else { throw CommandError(refusal: reply, hint: hint) }
        return reply
    }

    /// The answer as it came, if it is no error.
    ///
    /// - Parameter receive: gets the parts of a stream of events as they come.
    func raw(
        _ request: AdministrationRequest, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        let reply = try await carrier.follow(request, .events, receive)
        guard reply.status < 400 else { throw CommandError(refusal: reply, hint: nil) }
        return reply
    }

    /// The answer as it came, whatever it says.
    ///
    /// - Parameter receive: gets the parts of a stream of events as they come.
    func follow(
        _ request: AdministrationRequest, _ receive: ([UInt8]) throws -> Void
    ) async throws -> AdministrationReply {
        try await carrier.follow(request, .events, receive)
    }

    /// Hands out the body of a long answer piece by piece.
    func download(
        _ request: AdministrationRequest, hint: String? = nil, _ take: ([UInt8]) throws -> Void
    ) async throws {
        let reply = try await carrier.follow(request, .all, take)
        guard (200..<300).contains(reply.status) else { throw CommandError(refusal: reply, hint: hint) }
    }

    /// The answer as it came, whatever it says.
    func exchange(_ method: HTTPMethod, _ path: String) async throws -> AdministrationReply {
        try await carrier.exchange(AdministrationRequest(method: method, path: path))
    }

    /// Hands out an answer that goes on, as it comes, until it ends.
    func follow(_ path: String, hint: String? = nil, _ receive: ([UInt8]) throws -> Void) async throws {
        let reply = try await carrier.follow(AdministrationRequest(method: .GET, path: path), .events, receive)
        guard reply.status < 400 else { throw CommandError(refusal: reply, hint: hint) }
    }

    /// `path` with one more component, whatever characters it has.
    static func path(_ path: String, _ component: String) -> String {
        path + "/" + (component.addingPercentEncoding(withAllowedCharacters: .uriComponent) ?? "")
    }

    /// `path` with the values that are there as its query.
    static func path(_ path: String, query: [(name: String, value: String?)]) -> String {
        let items = query.compactMap { item in
            item.value?.addingPercentEncoding(withAllowedCharacters: .uriComponent).map { "\(item.name)=\($0)" }
        }
        return items.isEmpty ? path : path + "?" + items.joined(separator: "&")
    }

    /// What a command prints that puts a document together itself.
    static func answer<Body: Encodable & Sendable>(_ value: Body) throws -> Answer<Body> {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Answer(value: value, json: String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// - Parameter status: a refusal that the caller can do something about.
    /// - Returns: nil when the agent refused with that status.
    func send<Body: Decodable & Sendable>(
        _ request: AdministrationRequest, accepting status: Int?, as type: Body.Type = Body.self, hint: String?
    ) async throws -> Answer<Body>? {
        let reply = try await carrier.exchange(request)
        if reply.status == status { return nil }
        return try understood(reply, hint: hint)
    }

    private func send<Body: Decodable & Sendable>(
        _ request: AdministrationRequest, hint: String?
    ) async throws -> Answer<Body> {
        try understood(try await carrier.exchange(request), hint: hint)
    }

    private func understood<Body: Decodable & Sendable>(
        _ reply: AdministrationReply, hint: String?
    ) throws -> Answer<Body> {
        guard (200..<300).contains(reply.status) else { throw CommandError(refusal: reply, hint: hint) }
        do {
            return Answer(
                value: try JSONDecoder().decode(Body.self, from: Data(reply.body)),
                json: String(decoding: reply.body, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        } catch is DecodingError {
            throw CommandError(
                .failed, "the agent's answer cannot be understood",
                hint: "update openagent here or there: compare 'openagent version' on both machines")
        }
    }
}

extension CharacterSet {
    /// What stands for itself in a component of a path or a query.
    fileprivate static let uriComponent = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
}
