internal import Foundation

// What does a model say when a test asks it? A script of pieces, that is put into the words of whichever protocol asks. What a server
// can do wrong in the middle of an answer is a piece, too.

/// What a fake model says to one question.
public struct FakeAnswer: Sendable, Equatable {
    public enum Piece: Sendable, Equatable {
        /// One piece of the answer's text.
        case text(String)
        /// A tool that is to be called; `arguments` is JSON text.
        case call(id: String, name: String, arguments: String)
        /// Bytes that go out as they are.
        case raw(String)
        case pause(Duration)
        /// Nothing comes any more.
        case silence
        /// Comes to life every 20 ms without saying anything, until the client is gone.
        case hold
        /// The connection is closed.
        case disconnect
    }

    /// When it isn't 200, ``body`` is the answer.
    public var status = 200
    public var headers: [String: String] = [:]
    public var body = ""
    public var pieces: [Piece]
    public var inputTokens = 7
    public var outputTokens = 5
    /// OpenRouter's cost of the call in US dollars.
    public var cost: Double?
    /// In the protocol's own words; nil: what fits the pieces.
    public var finish: String?

    public init(_ pieces: [Piece]) { self.pieces = pieces }

    /// Says a text, a word at a time.
    public static func text(_ text: String) -> FakeAnswer {
        var words: [String] = []
        for character in text {
            if character == " " || words.isEmpty { words.append("") }
            words[words.count - 1].append(character)
        }
        return FakeAnswer(words.map(Piece.text))
    }

    /// Asks for one tool, perhaps after a text.
    public static func call(
        _ name: String, _ arguments: String = "{}", id: String = "call_1", saying text: String? = nil
    ) -> FakeAnswer {
        FakeAnswer((text.map { [.text($0)] } ?? []) + [.call(id: id, name: name, arguments: arguments)])
    }

    /// Refuses, as the vendors do.
    public static func failing(_ status: Int, _ body: String = "", headers: [String: String] = [:]) -> FakeAnswer {
        var answer = FakeAnswer([])
        answer.status = status
        answer.body = body
        answer.headers = headers
        return answer
    }

    fileprivate var hasCalls: Bool {
        pieces.contains { if case .call = $0 { true } else { false } }
    }
}

/// A protocol of models, as far as its streams go.
enum FakeProtocol {
    case openai
    case anthropic
    case google
    case ollama

    /// The protocol whose answers are asked for at a path; nil when it is none.
    init?(path: String) {
        if path.hasSuffix("/chat/completions") {
            self = .openai
        } else if path.hasSuffix("/messages") {
            self = .anthropic
        } else if path.hasSuffix(":streamGenerateContent") {
            self = .google
        } else if path == "/api/chat" {
            self = .ollama
        } else {
            return nil
        }
    }

    var mediaType: String { self == .ollama ? "application/x-ndjson" : "text/event-stream" }
    /// Says nothing.
    var keepAlive: String { self == .ollama ? "\n" : ": keep\n\n" }

    func beginning(_ answer: FakeAnswer) -> String {
        guard self == .anthropic else { return "" }
        return event(
            "message_start",
            #""message":{"id":"msg_1","type":"message","role":"assistant","model":"fake","content":[],"stop_reason":null,"usage":{"input_tokens":\#(answer.inputTokens),"output_tokens":1}}"#
        )
    }

    /// - Parameter index: of the piece among the texts and calls of the answer.
    func text(_ text: String, _ index: Int) -> String {
        let quoted = Self.quoted(text)
        return switch self {
        case .openai: chunk(#"{"index":0,"delta":{"content":\#(quoted)},"finish_reason":null}"#)
        case .anthropic:
            event(
                "content_block_start", #""index":\#(index),"content_block":{"type":"text","text":""}"#)
                + event(
                    "content_block_delta", #""index":\#(index),"delta":{"type":"text_delta","text":\#(quoted)}"#)
                + event("content_block_stop", #""index":\#(index)"#)
        case .google: #"data: {"candidates":[{"content":{"role":"model","parts":[{"text":\#(quoted)}]}}]}"# + "\r\n\r\n"
        case .ollama:
            #"{"model":"fake","message":{"role":"assistant","content":\#(quoted)},"done":false}"# + "\n"
        }
    }

    /// - Parameters:
    ///   - index: as in ``text(_:_:)``.
    ///   - call: of the call among the calls of the answer.
    func call(_ id: String, _ name: String, _ arguments: String, _ index: Int, call: Int) -> String {
        let half = arguments.index(arguments.startIndex, offsetBy: arguments.count / 2)
        let parts = [arguments[..<half], arguments[half...]].map { Self.quoted(String($0)) }
        let (id, name) = (Self.quoted(id), Self.quoted(name))
        switch self {
        case .openai:
            let head =
                #"{"index":0,"delta":{"tool_calls":[{"index":\#(call),"id":\#(id),"type":"function","function":{"name":\#(name),"arguments":""}}]},"finish_reason":null}"#
            let rest = parts.map {
                #"{"index":0,"delta":{"tool_calls":[{"index":\#(call),"function":{"arguments":\#($0)}}]},"finish_reason":null}"#
            }
            return ([head] + rest).map(chunk).joined()
        case .anthropic:
            let deltas = parts.map {
                event(
                    "content_block_delta",
                    #""index":\#(index),"delta":{"type":"input_json_delta","partial_json":\#($0)}"#)
            }
            return event(
                "content_block_start",
                #""index":\#(index),"content_block":{"type":"tool_use","id":\#(id),"name":\#(name),"input":{}}"#)
                + deltas.joined() + event("content_block_stop", #""index":\#(index)"#)
        case .google:
            return
                #"data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":\#(name),"args":\#(arguments)}}]}}]}"#
                + "\r\n\r\n"
        case .ollama:
            return
                #"{"model":"fake","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":\#(name),"arguments":\#(arguments)}}]},"done":false}"#
                + "\n"
        }
    }

    func end(_ answer: FakeAnswer) -> String {
        let (read, written) = (answer.inputTokens, answer.outputTokens)
        switch self {
        case .openai:
            let finish = answer.finish ?? (answer.hasCalls ? "tool_calls" : "stop")
            let cost = answer.cost.map { #","cost":\#($0)"# } ?? ""
            return chunk(#"{"index":0,"delta":{},"finish_reason":\#(Self.quoted(finish))}"#)
                + #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake","choices":[],"usage":{"prompt_tokens":\#(read),"completion_tokens":\#(written),"total_tokens":\#(read + written)\#(cost)}}"#
                + "\n\ndata: [DONE]\n\n"
        case .anthropic:
            let stop = answer.finish ?? (answer.hasCalls ? "tool_use" : "end_turn")
            return event(
                "message_delta",
                #""delta":{"stop_reason":\#(Self.quoted(stop)),"stop_sequence":null},"usage":{"output_tokens":\#(written)}"#
            ) + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
        case .google:
            return
                #"data: {"candidates":[{"content":{"role":"model","parts":[]},"finishReason":\#(Self.quoted(answer.finish ?? "STOP"))}],"usageMetadata":{"promptTokenCount":\#(read),"candidatesTokenCount":\#(written),"totalTokenCount":\#(read + written)}}"#
                + "\r\n\r\n"
        case .ollama:
            return
                #"{"model":"fake","message":{"role":"assistant","content":""},"done":true,"done_reason":\#(Self.quoted(answer.finish ?? "stop")),"prompt_eval_count":\#(read),"eval_count":\#(written)}"#
                + "\n"
        }
    }

    private func chunk(_ choice: String) -> String {
        #"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"fake","choices":[\#(choice)]}"#
            + "\n\n"
    }

    private func event(_ type: String, _ fields: String) -> String {
        "event: \(type)\ndata: {\"type\":\"\(type)\",\(fields)}\n\n"
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
