// What may a client say on `/ws`? One JSON object per text frame, told apart by `type`. This file is the client half of
// the vocabulary (reference: websocket.md §2), readable and writable, so that server, CLI, bridges and tests share it.

/// A frame from client to server.
public enum ClientMessage: Sendable, Equatable {
    /// Legacy greeting of token-era clients. Accepted and ignored: identity comes from the certificate.
    case auth
    case ping
    case sessionOpen(SessionOpen)
    case sessionClose(sessionID: String)
    case textFinal(TextFinal)
    case interrupt(sessionID: String)
    case command(Command)
    /// A type that this version does not know.
    case unknown(type: String, sessionID: String?)

    public struct SessionOpen: Sendable, Equatable {
        public var sessionID: String
        /// Replay events after this sequence number, then go on live. Nil: live only.
        public var afterSequence: Int?

        public init(sessionID: String, afterSequence: Int? = nil) {
            self.sessionID = sessionID
            self.afterSequence = afterSequence
        }
    }

    public struct TextFinal: Sendable, Equatable {
        public var sessionID: String
        public var text: String
        /// Chosen by the client; a repeat of the same id is recognised and never runs twice.
        public var messageID: String?

        public init(sessionID: String, text: String, messageID: String? = nil) {
            self.sessionID = sessionID
            self.text = text
            self.messageID = messageID
        }
    }

    public struct Command: Sendable, Equatable {
        public var name: String
        /// Nil addresses every session of the client.
        public var sessionID: String?
        public var argument: String?

        public init(name: String, sessionID: String? = nil, argument: String? = nil) {
            self.name = name
            self.sessionID = sessionID
            self.argument = argument
        }
    }
}

extension ClientMessage: Codable {
    private enum Key: String, CodingKey {
        case type, text, name, arg
        case sessionID = "session_id"
        case messageID = "message_id"
        case afterSequence = "after_seq"
    }

    /// A missing or blank `session_id` means this session.
    public static let defaultSessionID = "default"

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        let type = try fields.decode(String.self, forKey: .type)
        let named = try fields.decodeIfPresent(String.self, forKey: .sessionID)
            .flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
        let sessionID = named ?? Self.defaultSessionID
        switch type {
        case "auth": self = .auth
        case "ping": self = .ping
        case "session_open":
            let after = try fields.decodeIfPresent(Int.self, forKey: .afterSequence)
            self = .sessionOpen(SessionOpen(sessionID: sessionID, afterSequence: after))
        case "session_close": self = .sessionClose(sessionID: sessionID)
        case "text_final":
            self = .textFinal(
                TextFinal(
                    sessionID: sessionID, text: try fields.decodeIfPresent(String.self, forKey: .text) ?? "",
                    messageID: try fields.decodeIfPresent(String.self, forKey: .messageID)))
        case "interrupt": self = .interrupt(sessionID: sessionID)
        case "command":
            self = .command(
                Command(
                    name: try fields.decode(String.self, forKey: .name), sessionID: named,
                    argument: try fields.decodeIfPresent(String.self, forKey: .arg)))
        default: self = .unknown(type: type, sessionID: named)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        switch self {
        case .auth: try fields.encode("auth", forKey: .type)
        case .ping: try fields.encode("ping", forKey: .type)
        case .sessionOpen(let open):
            try fields.encode("session_open", forKey: .type)
            try fields.encode(open.sessionID, forKey: .sessionID)
            try fields.encodeIfPresent(open.afterSequence, forKey: .afterSequence)
        case .sessionClose(let sessionID):
            try fields.encode("session_close", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
        case .textFinal(let turn):
            try fields.encode("text_final", forKey: .type)
            try fields.encode(turn.sessionID, forKey: .sessionID)
            try fields.encode(turn.text, forKey: .text)
            try fields.encodeIfPresent(turn.messageID, forKey: .messageID)
        case .interrupt(let sessionID):
            try fields.encode("interrupt", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
        case .command(let command):
            try fields.encode("command", forKey: .type)
            try fields.encode(command.name, forKey: .name)
            try fields.encodeIfPresent(command.sessionID, forKey: .sessionID)
            try fields.encodeIfPresent(command.argument, forKey: .arg)
        case .unknown(let type, let sessionID):
            try fields.encode(type, forKey: .type)
            try fields.encodeIfPresent(sessionID, forKey: .sessionID)
        }
    }
}
