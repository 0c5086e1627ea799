import Foundation
import Testing

@testable import Agent

// What providers send means the same wherever the network cuts it. The streams are of the shapes that vendors send and document, among them
// the odd ones.

@Suite struct StreamTests {
    /// What came of a stream.
    enum Outcome: Equatable {
        case reply(ModelReply)
        case failed(ModelError)
    }

    struct Recorded: Sendable, CustomTestStringConvertible {
        var name: String
        var outcome: Outcome
        var testDescription: String { name }

        init(_ name: String, _ reply: ModelReply) { (self.name, outcome) = (name, .reply(reply)) }
        init(_ name: String, _ error: ModelError) { (self.name, outcome) = (name, .failed(error)) }

        var bytes: [UInt8] {
            get throws {
                let url = try #require(Bundle.module.url(forResource: "Streams/\(name)", withExtension: "txt"))
                return Array(try Data(contentsOf: url))
            }
        }

        var parser: any ModelStream {
            switch name.prefix(while: { $0 != "-" }) {
            case "openai": OpenAIStream()
            case "anthropic": AnthropicStream()
            case "gemini": GeminiStream()
            case "ollama": OllamaStream()
            default: ProgramStream()
            }
        }
    }

    private static let early = ModelError.unavailable("the answer ended in the middle")
    private static let broken = ModelError.unavailable("the provider failed in the middle of the answer")

    static let recorded: [Recorded] = [
        .init("openai-text", ModelReply(text: "Grüße, Welt 🌍!\n\nEnd", inputTokens: 12, outputTokens: 9)),
        .init(
            "openai-tools",
            ModelReply(
                text: "Let me look.",
                calls: [
                    ToolCall(id: "call_9rQ", name: "vault_search_notes", arguments: #"{"query":"größe \"x\""}"#),
                    ToolCall(id: "call_7Zb", name: "scheduler_list", arguments: "{}"),
                ], stop: .toolCalls, inputTokens: 80, outputTokens: 33)),
        .init("openai-openrouter", ModelReply(text: "Two words", inputTokens: 20, outputTokens: 4, cost: 0.00042)),
        .init("openai-deepseek", ModelReply(text: "Four", inputTokens: 5, outputTokens: 7)),
        .init(
            "openai-mistral",
            ModelReply(
                calls: [
                    ToolCall(id: "D681PevKs", name: "get_time", arguments: #"{"zone": "UTC"}"#),
                    ToolCall(id: "aB3dE6gH9", name: "get_date", arguments: "{}"),
                ], stop: .toolCalls, inputTokens: 93, outputTokens: 28)),
        .init("openai-mistral-thinking", ModelReply(text: "Answer.")),
        .init(
            "openai-same-place",
            ModelReply(
                calls: [
                    ToolCall(id: "function-call-1", name: "first", arguments: #"{"a":1}"#),
                    ToolCall(id: "function-call-2", name: "second", arguments: #"{"b":2}"#),
                ], stop: .toolCalls)),
        .init(
            "openai-no-place",
            ModelReply(
                calls: [
                    ToolCall(id: "a", name: "first", arguments: #"{"a":1}"#),
                    ToolCall(id: "b", name: "second", arguments: #"{"b":2}"#),
                ], stop: .toolCalls)),
        .init(
            "openai-no-ids",
            ModelReply(
                calls: [
                    ToolCall(id: "", name: "first", arguments: "{}"), ToolCall(id: "", name: "second", arguments: "{}"),
                ], stop: .toolCalls)),
        .init(
            "openai-object-arguments",
            ModelReply(
                calls: [ToolCall(id: "x1", name: "first", arguments: #"{"a":"/x","b":[1,true]}"#)], stop: .toolCalls)),
        .init("openai-groq", ModelReply(text: "Hi", inputTokens: 3, outputTokens: 1)),
        .init("openai-whole", ModelReply(text: "All at once", inputTokens: 1, outputTokens: 3)),
        .init("openai-length", ModelReply(text: "Long", stop: .length, inputTokens: 1, outputTokens: 2)),
        .init("openai-refusal", ModelReply(text: "I can't help.", stop: .refused)),
        .init("openai-filtered", ModelReply(text: "Wel", stop: .refused)),
        .init("openai-error", broken),
        .init("openai-openrouter-error", .busy(retryAfter: nil)),
        .init("openai-cut", early),
        .init("openai-only-done", ModelReply(text: "Fine")),
        .init("openai-second-choice", ModelReply(text: "yes")),
        .init("openai-fields", ModelReply(text: "a")),
        .init("anthropic-text", ModelReply(text: "Grüße 🌍", inputTokens: 100, outputTokens: 15)),
        .init(
            "anthropic-tools",
            ModelReply(
                text: "I'll check.",
                calls: [
                    ToolCall(id: "toolu_01T1", name: "vault_search_notes", arguments: #"{"query": "San \"F\""}"#),
                    ToolCall(id: "toolu_02", name: "now", arguments: "{}"),
                ], stop: .toolCalls, inputTokens: 100, outputTokens: 89)),
        .init("anthropic-thinking", ModelReply(text: "27", inputTokens: 100, outputTokens: 9)),
        .init(
            "anthropic-early-input",
            ModelReply(
                calls: [ToolCall(id: "toolu_9", name: "write", arguments: #"{"a":"x","b":1}"#)], stop: .toolCalls,
                inputTokens: 100, outputTokens: 3)),
        .init("anthropic-overloaded", .busy(retryAfter: nil)),
        .init("anthropic-api-error", broken),
        .init("anthropic-too-long", .contextTooLong),
        .init("anthropic-length", ModelReply(text: "Lo", stop: .length, inputTokens: 100, outputTokens: 4)),
        .init("anthropic-refusal", ModelReply(text: "I", stop: .refused, inputTokens: 100, outputTokens: 1)),
        .init("anthropic-cut", early),
        .init("gemini-text", ModelReply(text: "Grüße 🌍!", inputTokens: 11, outputTokens: 38)),
        .init(
            "gemini-tools",
            ModelReply(
                text: "Looking.",
                calls: [
                    ToolCall(
                        id: "", name: "vault_search_notes", arguments: #"{"limit":2,"query":"x"}"#,
                        signature: "CiQB0e2Kb=="),
                    ToolCall(id: "", name: "now", arguments: "{}"),
                ], stop: .toolCalls, inputTokens: 11, outputTokens: 38)),
        .init(
            "gemini-ids",
            ModelReply(calls: [ToolCall(id: "adk-1", name: "now", arguments: "{}")], stop: .toolCalls)),
        .init("gemini-blocked", ModelReply(stop: .refused, inputTokens: 4)),
        .init("gemini-safety", ModelReply(text: "We", stop: .refused)),
        .init("gemini-length", ModelReply(text: "Lo", stop: .length, inputTokens: 11, outputTokens: 38)),
        .init(
            "gemini-malformed-call", .malformed("the model wrote a tool call that its provider could not read")),
        .init("gemini-error", broken),
        .init("gemini-cut", early),
        .init("ollama-text", ModelReply(text: "Grüße 🌍", inputTokens: 26, outputTokens: 9)),
        .init(
            "ollama-tools",
            ModelReply(
                calls: [
                    ToolCall(id: "", name: "vault_search_notes", arguments: #"{"n":1.5,"query":"x"}"#),
                    ToolCall(id: "call_q", name: "now", arguments: "{}"),
                ], stop: .toolCalls, inputTokens: 26, outputTokens: 9)),
        .init("ollama-no-newline", ModelReply(text: "Fine.", inputTokens: 26, outputTokens: 9)),
        .init("ollama-length", ModelReply(text: "Lo", stop: .length, inputTokens: 26, outputTokens: 9)),
        .init("ollama-error", broken),
        .init("ollama-cut", early),
        .init(
            "claude-partial",
            ModelReply(text: "Let me look.\n\nGrüße 🌍", inputTokens: 10, outputTokens: 11, cost: 0.0123)),
        .init("claude-result-only", ModelReply(text: "Done", inputTokens: 1, outputTokens: 1)),
        .init("claude-error", .unavailable("the program failed: Credit balance is too low")),
        .init("codex", ModelReply(text: "Grüße\n\n🌍", inputTokens: 24, outputTokens: 12)),
        .init("codex-failed", .unavailable("the program failed: stream disconnected")),
    ]

    /// Reads pieces to their end; what was told on the way is in the reply, in the same order.
    static func read(_ parser: any ModelStream, _ pieces: [[UInt8]]) throws -> Outcome {
        var parser = parser
        var told = ""
        do {
            for piece in pieces {
                for text in try parser.consume(piece) { told += text }
            }
            let reply = try parser.finish()
            #expect(reply.text.hasPrefix(told))
            return .reply(reply)
        } catch let error as ModelError {
            return .failed(error)
        }
    }

    @Test("each protocol's streams are understood", arguments: recorded)
    func understood(_ stream: Recorded) throws {
        #expect(try Self.read(stream.parser, [try stream.bytes]) == stream.outcome)
    }

    @Test("a stream that is cut at any byte, and one that comes byte by byte, means the same", arguments: recorded)
    func cutAnywhere(_ stream: Recorded) throws {
        let bytes = try stream.bytes
        for place in bytes.indices {
            let outcome = try Self.read(stream.parser, [Array(bytes[..<place]), Array(bytes[place...])])
            guard outcome != stream.outcome else { continue }
            Issue.record("cut at \(place): \(outcome)")
            return
        }
        #expect(try Self.read(stream.parser, bytes.map { [$0] }) == stream.outcome)
    }

    @Test(
        "lines may end in CR alone, or in CR and LF",
        arguments: recorded.filter { ["openai", "anthropic", "gemini"].contains($0.name.prefix { $0 != "-" }) })
    func otherLineEnds(_ stream: Recorded) throws {
        let plain = try stream.bytes.filter { $0 != UInt8(ascii: "\r") }
        for end in ["\r", "\r\n"] {
            let bytes = plain.flatMap { $0 == UInt8(ascii: "\n") ? Array(end.utf8) : [$0] }
            #expect(try Self.read(stream.parser, [bytes]) == stream.outcome)
            #expect(try Self.read(stream.parser, bytes.map { [$0] }) == stream.outcome)
        }
    }

    @Test("nonsense of any kind is an error or an answer, and never the end of the process", arguments: recorded)
    func nonsense(_ stream: Recorded) throws {
        let bytes = try stream.bytes
        var random = Numbers(seed: UInt64(bytes.count))
        for _ in 0..<60 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) where !damaged.isEmpty {
                let place = Int.random(in: damaged.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: place)
                case 2: damaged.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: damaged.removeSubrange(place...)
                }
            }
            #expect(throws: Never.self) { try Self.read(stream.parser, [damaged]) }
        }
    }

    @Test(
        "what is no JSON, or JSON of another kind, is malformed",
        arguments: ["<html>", "[1]", "3", "\"x\"", "{\"a\":", "null", String(repeating: "[", count: 100_000)])
    func malformed(_ text: String) throws {
        let parsers: [(any ModelStream, String)] = [
            (OpenAIStream(), "data: \(text)\n\n"), (AnthropicStream(), "data: \(text)\n\n"),
            (GeminiStream(), "data: \(text)\n\n"), (OllamaStream(), "\(text)\n"),
        ]
        for (parser, bytes) in parsers {
            guard case .failed(.malformed) = try Self.read(parser, [Array(bytes.utf8)]) else {
                Issue.record("\(type(of: parser)) takes \(text.prefix(20))")
                continue
            }
        }
    }

    @Test("an answer has bounds: its lines, its text, its calls and their arguments")
    func bounds() throws {
        let endless = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        for parser in [OpenAIStream(), OllamaStream(), ProgramStream()] as [any ModelStream] {
            let outcome = try Self.read(parser, [Array("data: ".utf8)] + Array(repeating: endless, count: 5))
            #expect(outcome == .failed(.malformed("a line is too long")))
        }
        let text = String(repeating: "y", count: 1 << 20)
        let chunk = Array(#"data: {"choices":[{"index":0,"delta":{"content":"\#(text)"}}]}"#.utf8) + [10, 10]
        #expect(
            try Self.read(OpenAIStream(), Array(repeating: chunk, count: 5))
                == .failed(.malformed("the answer is too long")))
        let calls = (0...ReplyDraft.mostCalls).map { #"{"index":\#($0),"function":{"name":"a"}}"# }
        let many =
            #"data: {"choices":[{"index":0,"delta":{"tool_calls":[\#(calls.joined(separator: ","))]}}]}"# + "\n\n"
        #expect(
            try Self.read(OpenAIStream(), [Array(many.utf8)]) == .failed(.malformed("there are too many tool calls")))
        let part =
            #"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"a","arguments":"\#(text)"}}]}}]}"#
            + "\n\n"
        #expect(
            try Self.read(OpenAIStream(), Array(repeating: Array(part.utf8), count: 5))
                == .failed(.malformed("the tool calls are too long")))
    }

    @Test("plain text comes through as it is, in whole characters")
    func plainText() throws {
        let text = "Grüße 🌍\n\nein 👩‍👩‍👧 Satz"
        let bytes = Array(text.utf8)
        for size in 1...5 {
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                Array(bytes[$0..<min($0 + size, bytes.count)])
            }
            #expect(try Self.read(PlainTextStream(), pieces) == .reply(ModelReply(text: text)))
        }
        let cut = try Self.read(PlainTextStream(), [[0x61, 0xF0, 0x9F], [0xFF, 0x80]])
        guard case .reply(let reply) = cut else { return #expect(Bool(false), "\(cut)") }
        #expect(reply.text.hasPrefix("a\u{FFFD}"))
    }
}

/// Numbers that look random and are the same each time.
private struct Numbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
