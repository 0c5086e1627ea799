public import JSON

// What is a language model to the turn loop? Something that reads a conversation with tools and streams an answer. One implementation
// for each provider's protocol; none of them retries, falls back or knows what a turn is.

/// A message as a model reads it.
public enum ModelMessage: Sendable, Equatable, Codable {
    case user(String)
    /// What the model said before, with the tools that it asked for.
    case assistant(String, calls: [ToolCall])
    /// Results of the tools that the message before asked for.
    case tool(callID: String, name: String, ToolResult)
}

/// A tool that a model wants to be called.
public struct ToolCall: Sendable, Equatable, Codable {
    /// The model's own name for the call.
    public var id: String
    /// The tool's full name.
    public var name: String
    /// JSON text as the model wrote it; it may be no valid JSON.
    public var arguments: String
    /// What the provider wants to have back with the call, unread (Gemini's thought signature).
    public var signature: String?

    public init(id: String, name: String, arguments: String, signature: String? = nil) {
        self.id = id
        self.name = name
        self.arguments = arguments
        self.signature = signature
    }
}

/// One call of a model.
public struct ModelRequest: Sendable {
    /// As the provider calls it.
    public var model: String
    public var system: String
    public var messages: [ModelMessage]
    public var tools: [OfferedTool]
    /// Tokens; nil: what the provider thinks fit.
    public var outputLimit: Int?
    /// Same for all calls of a conversation.
    public var sessionID: String?

    public init(
        model: String, system: String = "", messages: [ModelMessage], tools: [OfferedTool] = [],
        outputLimit: Int? = nil, sessionID: String? = nil
    ) {
        self.model = model
        self.system = system
        self.messages = messages
        self.tools = tools
        self.outputLimit = outputLimit
        self.sessionID = sessionID
    }
}

/// What a model answered, whole.
public struct ModelReply: Sendable, Equatable, Codable {
    public enum Stop: String, Sendable, Codable {
        case complete
        case toolCalls
        /// The answer is as long as it may be.
        case length
        /// The provider did not want to answer.
        case refused
    }

    public var text: String
    public var calls: [ToolCall]
    public var stop: Stop
    /// Nil when the provider did not say.
    public var inputTokens: Int?
    public var outputTokens: Int?
    /// In US dollars, when the provider says so.
    public var cost: Double?

    public init(
        text: String = "", calls: [ToolCall] = [], stop: Stop = .complete, inputTokens: Int? = nil,
        outputTokens: Int? = nil, cost: Double? = nil
    ) {
        self.text = text
        self.calls = calls
        self.stop = stop
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// Why a model did not answer. Holds no key, no header and no more of a provider's words than `describing` says.
public enum ModelError: Error, Sendable, Equatable {
    /// 429 and 529; try again after so many seconds, when the provider said.
    case busy(retryAfter: Double?)
    /// 5xx, no connection, connection lost, time is up: another attempt may go better.
    case unavailable(String)
    /// 401 and 403: the key is wrong. No attempt goes better.
    case unauthorized
    /// The conversation is longer than the model can read.
    case contextTooLong
    /// Any other refusal of the request (4xx), with the provider's reason, bounded and without secrets.
    case rejected(String)
    /// What came was not what the protocol says.
    case malformed(String)
}

/// Speaks one provider's protocol.
public protocol LanguageModel: Sendable {
    /// Sends the conversation and streams the answer.
    ///
    /// - Parameter emit: called with each piece of text, in order; awaiting it holds the provider back.
    /// - Throws: ``ModelError``; `CancellationError`.
    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply
}
