internal import Foundation
internal import NIOCore
internal import NIOHTTP1
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
}

/// A way for requests to one agent.
protocol AdministrationCarrier: Sendable {
    /// - Returns: whatever the agent answered; any status is an answer.
    func exchange(_ request: AdministrationRequest) async throws -> AdministrationReply
    /// Hands out the body of an answer of success piece by piece.
    ///
    /// - Returns: the answer's status, with the body only where that is an error's.
    func download(
        _ request: AdministrationRequest, _ take: (ByteBuffer) throws -> Void
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

    private let carrier: any AdministrationCarrier

    init(_ carrier: any AdministrationCarrier) { self.carrier = carrier }

    /// - Parameter hint: what a person can do when the agent refuses and says no more than that.
    /// - Throws: ``CommandError``, and what the carrier throws.
    func get<Body: Decodable & Sendable>(
        _ path: String, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await send(AdministrationRequest(method: .GET, path: path), hint: hint)
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
    func raw(_ request: AdministrationRequest) async throws -> AdministrationReply {
        let reply = try await carrier.exchange(request)
        guard reply.status < 400 else { throw CommandError(refusal: reply, hint: nil) }
        return reply
    }

    /// Hands out the body of a long answer piece by piece.
    func download(
        _ request: AdministrationRequest, hint: String? = nil, _ take: (ByteBuffer) throws -> Void
    ) async throws {
        let reply = try await carrier.download(request, take)
        guard (200..<300).contains(reply.status) else { throw CommandError(refusal: reply, hint: hint) }
    }

    /// The answer as it came, whatever it says.
    func exchange(_ method: HTTPMethod, _ path: String) async throws -> AdministrationReply {
        try await carrier.exchange(AdministrationRequest(method: method, path: path))
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

    private func send<Body: Decodable & Sendable>(
        _ request: AdministrationRequest, hint: String?
    ) async throws -> Answer<Body> {
        let reply = try await carrier.exchange(request)
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
