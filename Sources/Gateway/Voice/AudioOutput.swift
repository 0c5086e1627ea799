internal import Agent
internal import Wire

// Who hears the speech of a turn? The sockets that watched its session when it began. Audio only goes where there is room: it
// never closes a socket, and one that has no room for too long hears no more of this turn. Pieces of WAVE become one stream with
// one header, so that whoever puts all chunks together can play them.

/// The audio of one turn on its way out.
actor AudioOutput {
    /// Pieces that do not belong together.
    struct FormChanged: Error {}

    private struct Listener {
        let outbox: Outbox
        var isTooSlow = false
        var hears: Bool { !isTooSlow && !outbox.isClosing }
    }

    private static let lookAgain = Duration.milliseconds(20)

    private let turn: Turn
    private let limits: VoiceLimits
    private let sessions: SessionManager
    private var listeners: [UInt64: Listener] = [:]
    private var form: (format: AudioFormat, layout: [UInt8]?)?
    private var chunks = 0
    private var isOver = false

    init(_ turn: Turn, limits: VoiceLimits, sessions: SessionManager) {
        self.turn = turn
        self.limits = limits
        self.sessions = sessions
    }

    /// Whether anybody would hear the next piece.
    func hasListeners() async -> Bool {
        guard form == nil else { return listeners.values.contains { $0.hears } }
        return await !sessions.audience(of: turn.key).isEmpty
    }

    /// Sends a piece of the speech. Suspends while there is no room.
    func send(_ audio: SpokenAudio) async throws {
        let wave = audio.format == .wav ? WaveFile(audio.bytes) : nil
        if form == nil {
            let audience = await sessions.audience(of: turn.key)
            guard !isOver, !audience.isEmpty else { return }
            listeners = audience.mapValues { Listener(outbox: $0) }
            form = (audio.format, wave?.layout)
            offer(.audioStart(.init(format: audio.format.rawValue, mime: audio.format.mime)))
            if let wave { return await send(wave.endlessHeader + wave.samples) }
        }
        guard let form, form.format == audio.format, form.layout == wave?.layout else { throw FormChanged() }
        await send(wave?.samples ?? audio.bytes)
    }

    /// The speech is over; nothing is heard after this.
    func end() {
        guard !isOver else { return }
        isOver = true
        if form != nil { offer(.audioEnd(chunks: chunks), alsoToSlow: true) }
        listeners = [:]
    }

    /// There will be no more speech, and why.
    func fail(_ reason: String) async {
        guard !isOver else { return }
        end()
        await sessions.say(.error(code: .unavailable, text: reason), of: turn)
    }

    // MARK: Parts

    private func send(_ bytes: [UInt8]) async {
        for start in stride(from: 0, to: bytes.count, by: limits.chunkLength) {
            guard !isOver else { return }
            let data = Array(bytes[start..<min(start + limits.chunkLength, bytes.count)])
            chunks += 1
            let item = Outbox.Item.text(message(.audioChunk(data: data, number: chunks)))
            var waiting = listeners.filter { $0.value.hears && !$0.value.outbox.offer(item) }
            let deadline = ContinuousClock.now + limits.slowTime
            while !waiting.isEmpty, ContinuousClock.now < deadline {
                guard (try? await Task.sleep(for: Self.lookAgain)) != nil, !isOver else { return }
                waiting = waiting.filter { !$0.value.outbox.offer(item) }
            }
            for id in waiting.keys { listeners[id]?.isTooSlow = true }
        }
    }

    private func offer(_ body: ServerMessage.Body, alsoToSlow: Bool = false) {
        let item = Outbox.Item.text(message(body))
        for (id, listener) in listeners where listener.hears || alsoToSlow {
            if !listener.outbox.offer(item) { listeners[id]?.isTooSlow = true }
        }
    }

    private func message(_ body: ServerMessage.Body) -> String {
        ServerMessage(
            body, sessionID: turn.key.sessionID, turnID: turn.id, messageID: turn.record.messageID
        ).frame
    }
}

extension SessionManager {
    /// The sockets that are told now what happens in a session, by their ids.
    func audience(of key: SessionKey) -> [UInt64: Outbox] { sessions[key]?.listeners ?? [:] }
}
