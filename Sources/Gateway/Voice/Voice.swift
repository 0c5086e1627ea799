public import Agent

// What can the agent hear and say with, and how much of it? The backends and the bounds of speech, shared by sockets, turns and
// routes.

/// Bounds of speech.
struct VoiceLimits: Sendable {
    /// Bytes of one utterance, and pieces in which it may come.
    var utteranceLength = 25 << 20
    var utterancePieces = 4_096
    /// How long an utterance may be silent before it is forgotten.
    var idleTime = Duration.seconds(60)
    /// How long pieces may come behind the end of their utterance.
    var lateTime = Duration.seconds(2)
    /// Utterances that one socket may speak at a time.
    var utterancesPerSocket = 4
    /// Bytes of audio that is being spoken or waits to be recognised, of all sockets.
    var heldAudio = 128 << 20
    /// Characters of an answer that are spoken.
    var spokenLength = 32_768
    /// Bytes in one `audio_chunk`.
    var chunkLength = 48 << 10
    /// How long a socket may have no room before it gets no more audio of the turn.
    var slowTime = Duration.seconds(2)
    /// How long speech may hold back the end of a turn whose text is complete.
    var endTime = Duration.seconds(10)
    /// UTF-8 bytes of a text that is spoken on request.
    var textLength = 16 << 10
}

/// The agent's ear and mouth.
public struct Voice: Sendable {
    var speechToText: (any SpeechToText)? { ear() }
    var textToSpeech: (any TextToSpeech)? { mouth() }
    /// Whether it may learn to speak, or forget it, while it runs.
    let isChanging: Bool
    private let ear: @Sendable () -> (any SpeechToText)?
    private let mouth: @Sendable () -> (any TextToSpeech)?
    var limits = VoiceLimits()
    /// Recognitions, and syntheses, at a time.
    let hearing = Slots(2, waiting: 16)
    let speaking = Slots(2, waiting: 64)
    /// Recordings that are taken by routes at a time: each is in memory until it has been recognised.
    let taking = Slots(8, waiting: 0)

    /// - Parameters:
    ///   - speechToText: nil: no speech is understood.
    ///   - textToSpeech: nil: the agent doesn't speak.
    public init(speechToText: (any SpeechToText)? = nil, textToSpeech: (any TextToSpeech)? = nil) {
        ear = { speechToText }
        mouth = { textToSpeech }
        isChanging = false
    }

    /// Backends that are asked for before each use.
    init(
        ear: @escaping @Sendable () -> (any SpeechToText)?, mouth: @escaping @Sendable () -> (any TextToSpeech)?
    ) {
        self.ear = ear
        self.mouth = mouth
        isChanging = true
    }
}
