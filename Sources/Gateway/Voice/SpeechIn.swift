internal import Agent
internal import Logging
internal import Wire

// What do users say? Pieces of audio are gathered for each socket and session; a whole utterance is recognised beside the
// socket's reader and becomes a turn like any typed text. Nothing of it is kept before that: when the process dies in between,
// the client, which has seen no `queued`, sends it again with the same `message_id`.

/// The utterances of all sockets.
actor SpeechIn {
    private struct Key: Hashable {
        let watcher: UInt64
        let sessionID: String
    }

    private struct Entry {
        var utterance: Utterance
        let watcher: Watcher
    }

    /// A whole utterance.
    struct Job: Sendable {
        let recording: Recording
        /// What it counts for among the audio that is held.
        let heldBytes: Int
        let sessionID: String
        let messageID: String?
        let watcher: Watcher
        /// Who spoke, if they still may.
        let speaker: @Sendable () -> Caller?
    }

    private let voice: Voice
    private let identifierLength: Int
    private let logger: Logger
    private var entries: [Key: Entry] = [:]
    /// Utterances of each socket that are being recognised.
    private var recognising: [UInt64: Int] = [:]
    /// Sockets among them that are closed.
    private var gone: Set<UInt64> = []
    private var heldBytes = 0

    private nonisolated let jobs: AsyncStream<Job>
    private let job: AsyncStream<Job>.Continuation
    private nonisolated let gatherings: AsyncStream<Void>
    private let gathering: AsyncStream<Void>.Continuation

    /// - Parameter identifierLength: UTF-8 bytes of a session's or message's id.
    init(_ voice: Voice, identifierLength: Int, logger: Logger) {
        self.voice = voice
        self.identifierLength = identifierLength
        self.logger = logger
        (jobs, job) = AsyncStream.makeStream()
        (gatherings, gathering) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Recognises utterances until the task is cancelled. Once.
    nonisolated func run(_ sessions: SessionManager) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.forgetSilent() }
            for await job in jobs { group.addTask { await self.recognise(job, sessions) } }
            group.cancelAll()
        }
    }

    // MARK: Sockets

    /// - Parameter speaker: asks again who speaks, when the speech has been recognised.
    func receive(
        _ chunk: ClientMessage.AudioChunk, on watcher: Watcher, speaker: @escaping @Sendable () -> Caller?
    ) {
        guard !chunk.sessionID.isEmpty, chunk.sessionID.utf8.count <= identifierLength,
            chunk.messageID?.utf8.count ?? 0 <= identifierLength
        else {
            return reply(.badMessage, "This id is too long.", nil, nil, watcher)
        }
        let now = ContinuousClock.now
        let key = Key(watcher: watcher.id, sessionID: chunk.sessionID)
        guard var entry = entries[key] ?? begin(chunk, on: watcher, now) else { return }
        let before = entry.utterance.length
        let step = entry.utterance.receive(chunk, now: now)
        heldBytes += entry.utterance.length - before
        let messageID = entry.utterance.messageID
        if heldBytes > voice.limits.heldAudio, case .more = step, entry.utterance.length > before {
            heldBytes -= entry.utterance.length
            entry.utterance.refuse()
            reply(.unavailable, "Too much is being said at the moment. Try again.", chunk.sessionID, messageID, watcher)
        }
        switch step {
        case .more: entries[key] = entry
        case .over: entries[key] = nil
        case .failed(let problem):
            heldBytes -= entry.utterance.length
            // What is still under way of it must not become another utterance.
            entry.utterance.refuse()
            entries[key] = chunk.isEnd ? nil : entry
            reply(problem.code, problem.text, chunk.sessionID, messageID, watcher)
        case .complete(let recording):
            entries[key] = nil
            recognising[watcher.id, default: 0] += 1
            job.yield(
                Job(
                    recording: recording, heldBytes: entry.utterance.length, sessionID: chunk.sessionID,
                    messageID: messageID, watcher: watcher, speaker: speaker))
        }
        gathering.yield()
    }

    /// The socket is gone: what it has said to the end still counts.
    func forget(_ watcher: UInt64) {
        for (key, entry) in entries where key.watcher == watcher {
            heldBytes -= entry.utterance.length
            entries[key] = nil
        }
        if recognising[watcher] != nil { gone.insert(watcher) }
    }

    /// - Returns: nil when nothing of the utterance is to be remembered, not even that it is not wanted.
    private func begin(
        _ chunk: ClientMessage.AudioChunk, on watcher: Watcher, _ now: ContinuousClock.Instant
    ) -> Entry? {
        let ofSocket = entries.keys.count { $0.watcher == watcher.id } + recognising[watcher.id, default: 0]
        guard ofSocket < 4 * voice.limits.utterancesPerSocket else { return nil }
        var entry = Entry(utterance: Utterance(chunk, limits: voice.limits, now: now), watcher: watcher)
        if voice.speechToText == nil {
            entry.utterance.refuse()
            reply(
                .unavailable, "This agent understands no speech: set stt.command in its openagent.yaml.",
                chunk.sessionID, chunk.messageID, watcher)
        } else if ofSocket >= voice.limits.utterancesPerSocket {
            entry.utterance.refuse()
            reply(
                .unavailable, "This connection says too much at a time. Try again.", chunk.sessionID,
                chunk.messageID, watcher)
        }
        return entry
    }

    /// Looks every second while somebody speaks.
    private func forgetSilent() async {
        for await _ in gatherings {
            while !entries.isEmpty {
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
                let now = ContinuousClock.now
                for (key, entry) in entries where entry.utterance.deadline <= now {
                    heldBytes -= entry.utterance.length
                    entries[key] = nil
                    if let problem = entry.utterance.expired() {
                        reply(
                            problem.code, problem.text, key.sessionID, entry.utterance.messageID, entry.watcher)
                    }
                }
            }
        }
    }

    // MARK: Recognition

    private nonisolated func recognise(_ job: Job, _ sessions: SessionManager) async {
        await turn(from: job, sessions)
        if await finished(job) { await sessions.detach(job.watcher.id) }
    }

    private nonisolated func turn(from job: Job, _ sessions: SessionManager) async {
        guard let backend = voice.speechToText, let caller = job.speaker() else { return }
        func refuse(_ code: ErrorCode, _ text: String) {
            reply(code, text, job.sessionID, job.messageID, job.watcher)
        }
        var recording = job.recording
        recording.language = await sessions.speech(
            for: SessionKey(handle: caller.handle, sessionID: job.sessionID)
        ).language
        let text: String
        do {
            text = try await voice.hearing.withSlot { [recording] in try await backend.text(of: recording) }
        } catch is Slots.Full {
            return refuse(.unavailable, "Too much speech waits to be recognised. Try again.")
        } catch {
            // The process goes down: the client hears that from its socket.
            guard !Task.isCancelled else { return }
            logger.warning("voice::not_recognised", metadata: ["error": "\(error)"])
            return refuse(.unavailable, "The speech could not be recognised; the server's log says why.")
        }
        guard !text.allSatisfy(\.isWhitespace) else { return refuse(.invalid, "nothing was understood") }
        // Its rights may have gone while it was being recognised.
        guard let caller = job.speaker() else { return }
        job.watcher.outbox.send(
            .text(ServerMessage(.heard(text), sessionID: job.sessionID, messageID: job.messageID).frame))
        await sessions.accept(
            ClientMessage.TextFinal(
                sessionID: job.sessionID, text: text, messageID: job.messageID, source: .speech),
            from: caller, on: job.watcher)
    }

    /// - Returns: whether the socket has gone meanwhile, and was the last to say so.
    private func finished(_ job: Job) -> Bool {
        let id = job.watcher.id
        heldBytes -= job.heldBytes
        recognising[id, default: 1] -= 1
        let isGone = gone.contains(id)
        if recognising[id] == 0 {
            recognising[id] = nil
            gone.remove(id)
        }
        return isGone
    }

    private nonisolated func reply(
        _ code: ErrorCode, _ text: String, _ sessionID: String?, _ messageID: String?, _ watcher: Watcher
    ) {
        watcher.outbox.send(
            .text(ServerMessage(.error(code: code, text: text), sessionID: sessionID, messageID: messageID).frame))
    }
}
