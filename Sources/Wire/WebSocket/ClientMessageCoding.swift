internal import Foundation

// How is a client's message written? Field names of the seed and of the clients that exist are read alike; we write one of
// them.

extension ClientMessage: Codable {
    private enum Key: String, CodingKey {
        case type, text, name, arg, source, attachments, speak, language, data, seq, encoding, final
        case id, decision
        case sessionID = "session_id"
        case messageID = "message_id"
        case afterSequence = "after_seq"
        case coalesceWindow = "coalesce_window_ms"
        case wasVoice = "input_was_voice"
        case sampleRate = "sample_rate"
        case isEnd = "is_end"
        case endOfSpeech = "end_of_speech"
    }

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
            self = .sessionOpen(
                SessionOpen(
                    sessionID: sessionID, afterSequence: try fields.decodeIfPresent(Int.self, forKey: .afterSequence),
                    coalesceWindow: try fields.decodeIfPresent(Int.self, forKey: .coalesceWindow),
                    // Only a literal false turns it off.
                    speak: try? fields.decodeIfPresent(Bool.self, forKey: .speak),
                    language: try fields.decodeIfPresent(String.self, forKey: .language)))
        case "session_close": self = .sessionClose(sessionID: sessionID)
        case "text_final", "message": self = .textFinal(try Self.turn(fields, sessionID: sessionID))
        case "text_delta":
            let isFinal = try fields.decodeIfPresent(Bool.self, forKey: .final) ?? false
            self = isFinal ? .textFinal(try Self.turn(fields, sessionID: sessionID)) : .textDelta(sessionID: sessionID)
        case "audio_chunk_in", "audio_end_in":
            self = .audioChunk(try Self.audio(fields, sessionID: sessionID, isEnd: type == "audio_end_in"))
        case "attachment":
            self = .attachment(sessionID: sessionID, try Attachment(frame: decoder))
        case "interrupt": self = .interrupt(sessionID: sessionID)
        case "command":
            self = .command(
                Command(
                    name: try fields.decode(String.self, forKey: .name), sessionID: named,
                    argument: try fields.decodeIfPresent(String.self, forKey: .arg)))
        case "approval_reply":
            self = .approvalReply(
                id: try fields.decode(String.self, forKey: .id),
                decision: try fields.decode(ApprovalReply.self, forKey: .decision))
        default: self = .unknown(type: type, sessionID: named)
        }
    }

    private static func turn(_ fields: KeyedDecodingContainer<Key>, sessionID: String) throws -> TextFinal {
        let wasVoice = try fields.decodeIfPresent(Bool.self, forKey: .wasVoice) ?? false
        let source = try fields.decodeIfPresent(String.self, forKey: .source).flatMap(Source.init)
        return TextFinal(
            sessionID: sessionID, text: try fields.decodeIfPresent(String.self, forKey: .text) ?? "",
            messageID: try fields.decodeIfPresent(String.self, forKey: .messageID),
            source: source ?? (wasVoice ? .speech : .typed),
            attachments: try fields.decodeIfPresent([Attachment].self, forKey: .attachments) ?? [])
    }

    private static func audio(
        _ fields: KeyedDecodingContainer<Key>, sessionID: String, isEnd: Bool
    ) throws -> AudioChunk {
        let text = try fields.decodeIfPresent(String.self, forKey: .data) ?? ""
        guard let data = Data(base64Encoded: text) else {
            throw DecodingError.dataCorruptedError(forKey: .data, in: fields, debugDescription: "not base64")
        }
        let ends =
            try fields.decodeIfPresent(Bool.self, forKey: .isEnd)
            ?? fields.decodeIfPresent(Bool.self, forKey: .endOfSpeech) ?? false
        return AudioChunk(
            sessionID: sessionID, data: Array(data), sequence: try fields.decodeIfPresent(Int.self, forKey: .seq),
            encoding: try fields.decodeIfPresent(String.self, forKey: .encoding) ?? "webm",
            sampleRate: try fields.decodeIfPresent(Int.self, forKey: .sampleRate), isEnd: isEnd || ends,
            messageID: try fields.decodeIfPresent(String.self, forKey: .messageID))
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
            try fields.encodeIfPresent(open.coalesceWindow, forKey: .coalesceWindow)
            try fields.encodeIfPresent(open.speak, forKey: .speak)
            try fields.encodeIfPresent(open.language, forKey: .language)
        case .sessionClose(let sessionID):
            try fields.encode("session_close", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
        case .textFinal(let turn):
            try fields.encode("text_final", forKey: .type)
            try fields.encode(turn.sessionID, forKey: .sessionID)
            try fields.encode(turn.text, forKey: .text)
            try fields.encodeIfPresent(turn.messageID, forKey: .messageID)
            if turn.source != .typed { try fields.encode(turn.source, forKey: .source) }
            if !turn.attachments.isEmpty { try fields.encode(turn.attachments, forKey: .attachments) }
        case .textDelta(let sessionID):
            try fields.encode("text_delta", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
        case .audioChunk(let chunk):
            try fields.encode("audio_chunk_in", forKey: .type)
            try fields.encode(chunk.sessionID, forKey: .sessionID)
            try fields.encode(Data(chunk.data).base64EncodedString(), forKey: .data)
            try fields.encode(chunk.encoding, forKey: .encoding)
            try fields.encode(chunk.isEnd, forKey: .isEnd)
            try fields.encodeIfPresent(chunk.sequence, forKey: .seq)
            try fields.encodeIfPresent(chunk.sampleRate, forKey: .sampleRate)
            try fields.encodeIfPresent(chunk.messageID, forKey: .messageID)
        case .attachment(let sessionID, let attachment):
            try fields.encode("attachment", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
            try attachment.encodeAsFrame(to: encoder)
        case .interrupt(let sessionID):
            try fields.encode("interrupt", forKey: .type)
            try fields.encode(sessionID, forKey: .sessionID)
        case .command(let command):
            try fields.encode("command", forKey: .type)
            try fields.encode(command.name, forKey: .name)
            try fields.encodeIfPresent(command.sessionID, forKey: .sessionID)
            try fields.encodeIfPresent(command.argument, forKey: .arg)
        case .approvalReply(let id, let decision):
            try fields.encode("approval_reply", forKey: .type)
            try fields.encode(id, forKey: .id)
            try fields.encode(decision, forKey: .decision)
        case .unknown(let type, let sessionID):
            try fields.encode(type, forKey: .type)
            try fields.encodeIfPresent(sessionID, forKey: .sessionID)
        }
    }
}
