internal import Agent
internal import Logging
internal import Synchronization
internal import Wire

// How does the answer of one turn get spoken while it is being written? Its text comes in as it streams, sentence by sentence it
// is synthesised, and the audio goes out. One piece at a time, in order; whoever stops it silences it at once.

/// The speech of one turn.
final class SpokenTurn: Sendable {
    private struct State {
        var splitter = SentenceSplitter()
        /// The answer as far as it has been streamed.
        var streamed = ""
        var characters = 0
        var isClosed = false
    }

    private let turn: Turn
    private let language: String?
    private let voice: Voice
    private let logger: Logger
    private let output: AudioOutput
    private let state = Mutex(State())
    private let (pieces, piece) = AsyncStream.makeStream(of: String.self)
    private let (stops, stopping) = AsyncStream.makeStream(of: Void.self)
    private let (ends, ending) = AsyncStream.makeStream(of: Void.self)

    init(_ turn: Turn, language: String?, voice: Voice, sessions: SessionManager, logger: Logger) {
        self.turn = turn
        self.language = language
        self.voice = voice
        self.logger = logger
        output = AudioOutput(turn, limits: voice.limits, sessions: sessions)
    }

    // MARK: Text

    /// More of the answer.
    func add(_ text: String) {
        state.withLock { state in
            guard !state.isClosed, state.characters < voice.limits.spokenLength else { return }
            state.streamed += text
            state.characters += text.count
            for text in state.splitter.push(text) { piece.yield(text) }
        }
    }

    /// The answer is complete. What of it was not streamed is spoken, too.
    func complete(_ text: String) {
        let rest = state.withLock { state in
            text.hasPrefix(state.streamed) ? String(text.dropFirst(state.streamed.count)) : ""
        }
        if !rest.isEmpty { add(String(rest.prefix(voice.limits.spokenLength))) }
        state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            for text in state.splitter.finish() { piece.yield(text) }
            piece.finish()
        }
    }

    /// Nothing more is to be heard.
    func stop() {
        state.withLock { $0.isClosed = true }
        piece.finish()
        stopping.finish()
    }

    /// Returns when everything has been spoken, or the time is over, or the task is cancelled. Then nothing of the turn is
    /// heard any more.
    func waitForEnd(atMost time: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in self.ends { break } }
            group.addTask { try? await Task.sleep(for: time) }
            await group.next()
            group.cancelAll()
        }
        stop()
        await output.end()
    }

    // MARK: Speech

    /// Speaks until the text is over or the turn is stopped.
    func run(by backend: any TextToSpeech) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.speak(by: backend) }
            group.addTask { for await _ in self.stops { break } }
            await group.next()
            group.cancelAll()
        }
        ending.finish()
    }

    private func speak(by backend: any TextToSpeech) async {
        for await text in pieces {
            // Nobody listens yet, or any more.
            guard await output.hasListeners() else { continue }
            do {
                let audio = try await voice.speaking.withSlot { [language] in
                    try await backend.speech(for: text, language: language)
                }
                try await output.send(audio)
            } catch {
                guard !Task.isCancelled else { return }
                logger.warning("voice::not_spoken", metadata: ["turn": "\(turn.id)", "error": "\(error)"])
                return await output.fail("The answer could not be spoken: see tts.command, and the server's log.")
            }
        }
    }
}

/// Speaks the answers that have to be spoken.
final class SpeechOut: TurnListener {
    private let voice: Voice
    private let logger: Logger
    private let turns = Mutex<[String: SpokenTurn]>([:])
    private let (starts, start) = AsyncStream.makeStream(of: (SpokenTurn, any TextToSpeech).self)

    init(_ voice: Voice, logger: Logger) {
        self.voice = voice
        self.logger = logger
    }

    /// Speaks until the task is cancelled. Once.
    func run() async {
        guard voice.isChanging || voice.textToSpeech != nil else { return }
        await withDiscardingTaskGroup { group in
            for await (turn, backend) in starts { group.addTask { await turn.run(by: backend) } }
            group.cancelAll()
        }
    }

    func began(_ turn: Turn, in sessions: SessionManager) async {
        guard let backend = voice.textToSpeech else { return }
        let settings = await sessions.speech(for: turn.key)
        guard turn.record.source != ClientMessage.Source.typed.rawValue || settings.speak else { return }
        let spoken = SpokenTurn(
            turn, language: settings.language, voice: voice, sessions: sessions, logger: logger)
        turns.withLock { $0[turn.id] = spoken }
        start.yield((spoken, backend))
    }

    func delta(_ text: String, of turn: Turn, in sessions: SessionManager) async {
        turns.withLock { $0[turn.id] }?.add(text)
    }

    func willEnd(_ turn: Turn, text: String?, in sessions: SessionManager) async {
        guard let spoken = turns.withLock({ $0.removeValue(forKey: turn.id) }) else { return }
        if let text, !Task.isCancelled { spoken.complete(text) } else { spoken.stop() }
        await spoken.waitForEnd(atMost: voice.limits.endTime)
    }
}
