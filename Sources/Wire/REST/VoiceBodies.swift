// What is said over REST about speech: what to speak, and what was heard. Audio itself is bytes.

/// The body of `POST /api/tts/synthesize`.
public struct SpeechRequest: Codable, Sendable, Equatable {
    /// Required; its absence has an error of its own.
    public var text: String?
    public var language: String?

    public init(text: String?, language: String? = nil) {
        self.text = text
        self.language = language
    }
}

/// The answer to `POST /api/stt/transcribe`.
public struct RecognisedText: Codable, Sendable, Equatable {
    public var text: String

    public init(text: String) { self.text = text }
}
