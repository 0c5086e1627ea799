// How does an answer grow while it arrives? Each protocol has a parser of its own: bytes in, pieces of text out, and the whole reply at
// the end. What they have in common is the reply under construction, with its bounds: what a provider sends is a stranger's.

/// Reads one provider's streamed answer. It does not matter where the bytes are cut.
protocol ModelStream: Sendable {
    /// - Returns: the pieces of text that are complete now.
    /// - Throws: ``ModelError``; the stream is over then.
    mutating func consume(_ bytes: [UInt8]) throws -> [String]
    /// The body of an answer that was not streamed although that was asked for; nothing else is consumed then.
    mutating func whole(_ body: [UInt8]) throws -> [String]
    /// To be called once, at the end of the bytes. Calls whose id the provider left out have an empty one.
    ///
    /// - Throws: ``ModelError``, also when the end came too early.
    mutating func finish() throws -> ModelReply
}

extension ModelStream {
    /// Where a stream of one piece is as good.
    mutating func whole(_ body: [UInt8]) throws -> [String] { try consume(body) }
}

/// A reply under construction.
struct ReplyDraft: Sendable {
    /// Bytes of the text, and of all calls together.
    static let longest = 4 << 20
    static let mostCalls = 128
    private static let longestName = 256
    private static let longestSignature = 1 << 16

    private struct Draft {
        var place: Int?
        var call: ToolCall
    }

    private var text = ""
    private var calls: [Draft] = []
    private var callBytes = 0
    private(set) var stop: ModelReply.Stop?
    private var isOver = false
    var inputTokens: Int?
    var outputTokens: Int?
    var cost: Double?

    /// There is something that says how the answer ended.
    var isComplete: Bool { isOver || stop != nil }
    var hasText: Bool { !text.isEmpty }

    func hasCall(at place: Int) -> Bool { calls.contains { $0.place == place } }

    /// - Returns: the piece, when there is something in it.
    mutating func add(_ piece: String?) throws -> String? {
        guard let piece, !piece.isEmpty else { return nil }
        guard text.utf8.count + piece.utf8.count <= Self.longest else {
            throw ModelError.malformed("the answer is too long")
        }
        text += piece
        return piece
    }

    /// Begins a call, or goes on with one.
    ///
    /// - Parameters:
    ///   - place: where the provider says that the call stands among the others; nil when it does not say.
    ///   - arguments: the next part of them.
    mutating func addCall(
        place: Int?, id: String?, name: String?, arguments: String?, signature: String? = nil
    ) throws {
        let id = id.flatMap { (1...Self.longestName).contains($0.utf8.count) ? $0 : nil }
        let index: Int
        if let found = indexOfCall(place, id) {
            index = found
        } else {
            guard calls.count < Self.mostCalls else { throw ModelError.malformed("there are too many tool calls") }
            index = calls.count
            calls.append(Draft(place: place, call: ToolCall(id: id ?? "", name: "", arguments: "")))
        }
        if calls[index].call.id.isEmpty, let id { calls[index].call.id = id }
        if calls[index].call.name.isEmpty, let name { calls[index].call.name = name }
        guard calls[index].call.name.utf8.count <= Self.longestName else {
            throw ModelError.malformed("the name of a tool is too long")
        }
        if let signature, signature.utf8.count <= Self.longestSignature { calls[index].call.signature = signature }
        guard let arguments else { return }
        callBytes += arguments.utf8.count
        guard callBytes <= Self.longest else { throw ModelError.malformed("the tool calls are too long") }
        calls[index].call.arguments += arguments
    }

    /// Some leave out the place, some give every call the same one: another id is another call.
    private func indexOfCall(_ place: Int?, _ id: String?) -> Int? {
        let candidate = place.map { place in calls.lastIndex { $0.place == place } } ?? calls.indices.last
        guard let candidate else { return nil }
        let known = calls[candidate].call.id
        return id == nil || known.isEmpty || known == id ? candidate : nil
    }

    mutating func end(_ stop: ModelReply.Stop) { if self.stop != .refused { self.stop = stop } }

    /// The provider says that nothing comes any more, and not why.
    mutating func end() { isOver = true }

    /// - Throws: ``ModelError`` when the answer is not whole.
    func reply() throws -> ModelReply {
        guard isComplete else { throw ModelError.unavailable("the answer ended in the middle") }
        var calls = calls.map(\.call)
        guard calls.allSatisfy({ !$0.name.isEmpty }) else { throw ModelError.malformed("a tool call has no name") }
        var stop = stop ?? .complete
        switch stop {
        // A call that was cut off must not run, and where one was the others may be, too.
        case .length, .refused: calls = []
        case .complete, .toolCalls: stop = calls.isEmpty ? .complete : .toolCalls
        }
        for index in calls.indices where calls[index].arguments.isEmpty { calls[index].arguments = "{}" }
        return ModelReply(
            text: text, calls: calls, stop: stop, inputTokens: inputTokens, outputTokens: outputTokens, cost: cost)
    }
}
