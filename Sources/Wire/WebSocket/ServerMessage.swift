// What does the server say on `/ws`? The server half of the vocabulary (reference: websocket.md §3). Frames that belong
// to a session carry its id and a sequence number from 1, by which a client that reconnects asks for what it missed.

/// A frame from server to client.
public struct ServerMessage: Sendable, Equatable {
    public var body: Body
    public var sessionID: String?
    /// Position in the session's event stream, from 1; nil on frames outside of it.
    public var sequence: Int?
    /// The turn that the frame belongs to.
    public var turnID: String?
    /// The client's own id of that turn, when it gave one.
    public var messageID: String?

    public init(
        _ body: Body, sessionID: String? = nil, sequence: Int? = nil, turnID: String? = nil, messageID: String? = nil
    ) {
        self.body = body
        self.sessionID = sessionID
        self.sequence = sequence
        self.turnID = turnID
        self.messageID = messageID
    }

    public enum Body: Sendable, Equatable {
        /// Always the first frame of a socket.
        case authOK(AuthOK)
        case pong
        /// The turn is committed and waits behind `position` others.
        case queued(position: Int)
        case status(String)
        case delta(String)
        case response(text: String, model: String?)
        case turnComplete(TurnComplete)
        case error(code: ErrorCode, text: String)
        case commandResult(String)
        /// A type that this version does not know.
        case unknown(type: String)
    }

    public struct AuthOK: Sendable, Equatable {
        public var agentName: String
        public var version: String
        public var handle: String
        /// The network's name.
        public var network: String
        public var networkID: String

        public init(agentName: String, version: String, handle: String, network: String, networkID: String) {
            self.agentName = agentName
            self.version = version
            self.handle = handle
            self.network = network
            self.networkID = networkID
        }
    }

    public struct TurnComplete: Sendable, Equatable {
        public enum Reason: String, Sendable, Codable { case completed, error, cancelled, empty }
        public var reason: Reason
        public var inputTokens: Int
        public var outputTokens: Int
        /// In US dollars.
        public var cost: Double

        public init(reason: Reason, inputTokens: Int = 0, outputTokens: Int = 0, cost: Double = 0) {
            self.reason = reason
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.cost = cost
        }
    }
}

/// Stable names of errors on the wire, for programs. New names may come; readers treat an unknown one as `internal`.
public struct ErrorCode: RawRepresentable, Hashable, Sendable, Codable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    public static let badMessage = ErrorCode(rawValue: "bad_message")
    public static let unknownType = ErrorCode(rawValue: "unknown_type")
    public static let tooLarge = ErrorCode(rawValue: "too_large")
    public static let queueFull = ErrorCode(rawValue: "queue_full")
    public static let unauthorized = ErrorCode(rawValue: "unauthorized")
    public static let forbidden = ErrorCode(rawValue: "forbidden")
    public static let notFound = ErrorCode(rawValue: "not_found")
    public static let conflict = ErrorCode(rawValue: "conflict")
    public static let invalid = ErrorCode(rawValue: "invalid")
    public static let unavailable = ErrorCode(rawValue: "unavailable")
    public static let shuttingDown = ErrorCode(rawValue: "shutting_down")
    public static let internalError = ErrorCode(rawValue: "internal")
}

extension ServerMessage: Codable {
    private enum Key: String, CodingKey {
        case type, text, model, attachments, position, usage, reason, code, seq, version, handle, network
        case sessionID = "session_id"
        case turnID = "turn_id"
        case messageID = "message_id"
        case agentName = "agent_name"
        case networkID = "network_id"
    }

    private struct Usage: Codable {
        var inputTokens: Int?
        var outputTokens: Int?
        var cost: Double?

        enum CodingKeys: String, CodingKey {
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
            case cost
        }
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func text(_ key: Key) throws -> String { try fields.decodeIfPresent(String.self, forKey: key) ?? "" }
        sessionID = try fields.decodeIfPresent(String.self, forKey: .sessionID)
        sequence = try fields.decodeIfPresent(Int.self, forKey: .seq)
        turnID = try fields.decodeIfPresent(String.self, forKey: .turnID)
        messageID = try fields.decodeIfPresent(String.self, forKey: .messageID)
        let type = try fields.decode(String.self, forKey: .type)
        switch type {
        case "auth_ok":
            body = .authOK(
                AuthOK(
                    agentName: try text(.agentName), version: try text(.version), handle: try text(.handle),
                    network: try text(.network), networkID: try text(.networkID)))
        case "pong": body = .pong
        case "queued": body = .queued(position: try fields.decodeIfPresent(Int.self, forKey: .position) ?? 1)
        case "status": body = .status(try text(.text))
        case "delta": body = .delta(try text(.text))
        case "response":
            body = .response(text: try text(.text), model: try fields.decodeIfPresent(String.self, forKey: .model))
        case "turn_complete":
            let usage = try fields.decodeIfPresent(Usage.self, forKey: .usage)
            let reason = try fields.decodeIfPresent(String.self, forKey: .reason)
            body = .turnComplete(
                TurnComplete(
                    reason: reason.flatMap(TurnComplete.Reason.init) ?? .completed,
                    inputTokens: usage?.inputTokens ?? 0, outputTokens: usage?.outputTokens ?? 0,
                    cost: usage?.cost ?? 0))
        case "error":
            let code = try fields.decodeIfPresent(String.self, forKey: .code).map(ErrorCode.init(rawValue:))
            body = .error(code: code ?? .internalError, text: try text(.text))
        case "command_result": body = .commandResult(try text(.text))
        default: body = .unknown(type: type)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encodeIfPresent(sessionID, forKey: .sessionID)
        try fields.encodeIfPresent(sequence, forKey: .seq)
        try fields.encodeIfPresent(turnID, forKey: .turnID)
        try fields.encodeIfPresent(messageID, forKey: .messageID)
        func put(_ type: String) throws { try fields.encode(type, forKey: .type) }
        switch body {
        case .authOK(let greeting):
            try put("auth_ok")
            try fields.encode(greeting.agentName, forKey: .agentName)
            try fields.encode(greeting.version, forKey: .version)
            try fields.encode(greeting.handle, forKey: .handle)
            try fields.encode(greeting.network, forKey: .network)
            try fields.encode(greeting.networkID, forKey: .networkID)
        case .pong: try put("pong")
        case .queued(let position):
            try put("queued")
            try fields.encode(position, forKey: .position)
        case .status(let text):
            try put("status")
            try fields.encode(text, forKey: .text)
        case .delta(let text):
            try put("delta")
            try fields.encode(text, forKey: .text)
        case .response(let text, let model):
            try put("response")
            try fields.encode(text, forKey: .text)
            // Readers of the reference's clients expect both keys, null when empty.
            try fields.encodeNil(forKey: .attachments)
            try fields.encode(model, forKey: .model)
        case .turnComplete(let end):
            try put("turn_complete")
            try fields.encode(end.reason.rawValue, forKey: .reason)
            try fields.encode(
                Usage(inputTokens: end.inputTokens, outputTokens: end.outputTokens, cost: end.cost), forKey: .usage)
        case .error(let code, let text):
            try put("error")
            try fields.encode(code.rawValue, forKey: .code)
            try fields.encode(text, forKey: .text)
        case .commandResult(let text):
            try put("command_result")
            try fields.encode(text, forKey: .text)
        case .unknown(let type): try put(type)
        }
    }
}
