// What may a client say on `/ws`? One JSON object per text frame, told apart by `type`. This file is the client half of
// the vocabulary (reference: websocket.md §2), which server, CLI, bridges and tests share; how it becomes JSON is beside it.

/// A frame from client to server.
public enum ClientMessage: Sendable, Equatable {
    /// Legacy greeting of token-era clients. Accepted and ignored: identity comes from the certificate.
    case auth
    case ping
    case sessionOpen(SessionOpen)
    case sessionClose(sessionID: String)
    /// Also what legacy clients send as `message`, and a `text_delta` that is final.
    case textFinal(TextFinal)
    /// The user is typing. Nothing follows from it.
    case textDelta(sessionID: String)
    /// Also `audio_end_in`, which is an empty chunk with the end of speech.
    case audioChunk(AudioChunk)
    /// A file for the next turn of the session.
    case attachment(sessionID: String, Attachment)
    case interrupt(sessionID: String)
    case command(Command)
    /// The user's word about a call that waits.
    case approvalReply(id: String, decision: ApprovalReply)
    /// A type that this version does not know.
    case unknown(type: String, sessionID: String?)

    public enum ApprovalReply: String, Sendable, Codable { case approve, deny }

    public struct SessionOpen: Sendable, Equatable {
        public var sessionID: String
        /// Replay events after this sequence number, then go on live. Nil: live only.
        public var afterSequence: Int?
        /// How long typed messages are gathered into one turn, in milliseconds. Nil or 0: each is a turn of its own.
        public var coalesceWindow: Int?
        /// Whether answers are spoken when the agent has a voice. Nil is as true.
        public var speak: Bool?
        /// The language of speech, ISO 639-1.
        public var language: String?

        public init(
            sessionID: String, afterSequence: Int? = nil, coalesceWindow: Int? = nil, speak: Bool? = nil,
            language: String? = nil
        ) {
            self.sessionID = sessionID
            self.afterSequence = afterSequence
            self.coalesceWindow = coalesceWindow
            self.speak = speak
            self.language = language
        }
    }

    /// Where the text of a turn comes from.
    public enum Source: String, Sendable, Codable {
        case typed = "user_typed"
        /// Recognised speech.
        case speech = "stt"
        case system
    }

    public struct TextFinal: Sendable, Equatable {
        public var sessionID: String
        public var text: String
        /// Chosen by the client; a repeat of the same id is recognised and never runs twice.
        public var messageID: String?
        public var source: Source
        public var attachments: [Attachment]

        public init(
            sessionID: String, text: String, messageID: String? = nil, source: Source = .typed,
            attachments: [Attachment] = []
        ) {
            self.sessionID = sessionID
            self.text = text
            self.messageID = messageID
            self.source = source
            self.attachments = attachments
        }
    }

    /// A piece of microphone audio.
    public struct AudioChunk: Sendable, Equatable {
        public var sessionID: String
        public var data: [UInt8]
        /// Position in the utterance, from 0 or 1; nil when the client sends pieces in their order.
        public var sequence: Int?
        /// `webm`, `pcm16`, `opus`, or another word of the speech recogniser's.
        public var encoding: String
        /// Samples a second, for `pcm16`.
        public var sampleRate: Int?
        public var isEnd: Bool
        /// The id of the message that the utterance becomes.
        public var messageID: String?

        public init(
            sessionID: String, data: [UInt8], sequence: Int? = nil, encoding: String = "webm", sampleRate: Int? = nil,
            isEnd: Bool = false, messageID: String? = nil
        ) {
            self.sessionID = sessionID
            self.data = data
            self.sequence = sequence
            self.encoding = encoding
            self.sampleRate = sampleRate
            self.isEnd = isEnd
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

    /// A missing or blank `session_id` means this session.
    public static let defaultSessionID = "default"
}
