internal import Foundation
internal import JSON

// How does one call of a model go over HTTP? The request goes out, the answer is read as it arrives, and whatever goes wrong is put into
// the few cases of a ModelError. The protocol's words are a parser's business; trying again is nobody's here.

/// Where a model is, and within which bounds it is asked.
struct ModelEndpoint: Sendable {
    var http: any OutboundHTTP
    /// Without a slash at the end.
    var address: String
    var key: String?
    /// Until the answer begins, and between two pieces of it: a model may load for minutes and think for minutes.
    var patience: Duration
    /// Unix seconds.
    var now: @Sendable () -> Double
    /// Unique each time: ids for calls that a provider gives none.
    var makeID: @Sendable () -> String

    static let usualPatience = Duration.seconds(300)
    /// Bytes of an answer as it is sent; each word of it may come in an envelope of hundreds.
    static let answerLimit = 256 << 20
    /// Bytes of an answer that is not streamed.
    static let wholeLimit = 16 << 20
    /// Bytes of an answer that is no success.
    static let refusalLimit = 64 << 10

    /// Sends a request and reads the answer.
    ///
    /// - Parameters:
    ///   - path: appended to the address.
    ///   - stream: reads the answer.
    ///   - names: how tools were called in the request.
    /// - Throws: ``ModelError`` without the key in its words; `CancellationError`.
    func call(
        _ path: String, headers: [(name: String, value: String)], body: JSONValue, stream: some ModelStream,
        names: ToolNames, emit: @Sendable (String) async -> Void
    ) async throws -> ModelReply {
        let request = OutboundRequest(
            method: "POST", url: address + path, headers: [("Content-Type", "application/json")] + headers,
            body: body.bytes, timeLimit: patience, answerLimit: Self.answerLimit)
        do {
            var reply = try await withoutActuallyEscaping(emit) { emit in
                try await http.stream(request, idleLimit: patience) { answer in
                    guard answer.status == 200 else { throw try await refusal(answer) }
                    return try await read(answer, stream, emit)
                }
            }
            complete(&reply, names)
            return reply
        } catch let error as ModelError {
            throw ProviderFailure.clean(error, secret: key)
        } catch let error as OutboundHTTPError {
            switch error {
            case .timedOut: throw ModelError.unavailable("the provider did not answer in time")
            case .unreachable: throw ModelError.unavailable("the provider can't be reached, or hung up")
            case .tooLarge: throw ModelError.malformed("the answer is too long")
            }
        }
    }

    private func read(
        _ answer: OutboundStream, _ stream: some ModelStream, _ emit: @Sendable (String) async -> Void
    ) async throws -> ModelReply {
        var stream = stream
        var emitted = 0
        let isWhole = answer.headers["content-type"]?.hasPrefix("application/json") ?? false
        while let piece = try await (isWhole ? answer.whole(upTo: Self.wholeLimit) : answer.next()) {
            for text in try isWhole ? stream.whole(piece) : stream.consume(piece) {
                emitted += text.utf8.count
                await emit(text)
            }
            try Task.checkCancellation()
        }
        let reply = try stream.finish()
        if reply.text.utf8.count > emitted {
            await emit(String(decoding: Array(reply.text.utf8.dropFirst(emitted)), as: UTF8.self))
        }
        return reply
    }

    private func refusal(_ answer: OutboundStream) async throws -> ModelError {
        var body: [UInt8] = []
        do { body = try await answer.rest(upTo: Self.refusalLimit) } catch is OutboundHTTPError {
            // The status says enough.
        }
        return ProviderFailure.error(
            status: answer.status, headers: answer.headers, body: body, secret: key, now: now())
    }

    /// Every call gets an id of its own, and tools their names again.
    private func complete(_ reply: inout ModelReply, _ names: ToolNames) {
        var seen: Set<String> = []
        for index in reply.calls.indices {
            reply.calls[index].name = names.meant(reply.calls[index].name)
            if reply.calls[index].id.isEmpty || !seen.insert(reply.calls[index].id).inserted {
                reply.calls[index].id = "call_" + makeID()
                seen.insert(reply.calls[index].id)
            }
        }
    }
}

extension OutboundStream {
    /// The whole body; nil when nothing is left of it.
    fileprivate func whole(upTo limit: Int) async throws -> [UInt8]? {
        let body = try await rest(upTo: limit + 1)
        guard body.count <= limit else { throw OutboundHTTPError.tooLarge }
        return body.isEmpty ? nil : body
    }
}

/// Speaks OpenAI's chat completions, as many do.
struct OpenAIModel: LanguageModel {
    var endpoint: ModelEndpoint
    var dialect: RequestEncoding.Dialect

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        let names = ToolNames(request)
        return try await endpoint.call(
            "/chat/completions",
            headers: [("Accept", "text/event-stream")]
                + (endpoint.key.map { [("Authorization", "Bearer \($0)")] } ?? []),
            body: RequestEncoding.openAI(request, names, dialect), stream: OpenAIStream(), names: names, emit: emit)
    }
}

/// Speaks Anthropic's messages.
struct AnthropicModel: LanguageModel {
    var endpoint: ModelEndpoint

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        let names = ToolNames(request)
        return try await endpoint.call(
            "/messages",
            headers: [("Accept", "text/event-stream"), ("anthropic-version", "2023-06-01")]
                + (endpoint.key.map { [("x-api-key", $0)] } ?? []),
            body: RequestEncoding.anthropic(request, names), stream: AnthropicStream(), names: names, emit: emit)
    }
}

/// Speaks Google's `generateContent`.
struct GeminiModel: LanguageModel {
    var endpoint: ModelEndpoint

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        let names = ToolNames(request)
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        guard let model = request.model.addingPercentEncoding(withAllowedCharacters: allowed) else {
            throw ModelError.rejected("no model can be called so")
        }
        return try await endpoint.call(
            "/models/\(model):streamGenerateContent?alt=sse",
            headers: endpoint.key.map { [("x-goog-api-key", $0)] } ?? [],
            body: RequestEncoding.google(request, names), stream: GeminiStream(), names: names, emit: emit)
    }
}

/// Speaks Ollama's own API.
struct OllamaModel: LanguageModel {
    var endpoint: ModelEndpoint

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        let names = ToolNames(request)
        return try await endpoint.call(
            "/api/chat", headers: endpoint.key.map { [("Authorization", "Bearer \($0)")] } ?? [],
            body: RequestEncoding.ollama(request, names), stream: OllamaStream(), names: names, emit: emit)
    }
}
