internal import Agent
internal import Logging
internal import Store
internal import Synchronization
internal import Wire

// What happens to a turn while the disk takes nothing? It waits. Its steps and its end are written as soon as there is room,
// and told then, once; its lane goes on only behind it, so that no answer is lost in between. Where waiting cannot help,
// because the file is damaged, the turn fails with a clear word and others go on.
//
//     write ──fails, may pass──▶ told once, logged once ──pause, doubled each time──▶ write … ──▶ saved
//       └──fails for good, or the process ends──▶ thrown

/// Ends of turns that could not be written at once and that no running turn waits for.
final class UnsavedEndings: Sendable {
    /// Turns that were dropped. One consumer.
    let drops: AsyncStream<Turn>
    private let drop: AsyncStream<Turn>.Continuation
    private let isDamageReported = Mutex(false)

    init() { (drops, drop) = AsyncStream.makeStream() }

    func add(_ turn: Turn) { drop.yield(turn) }

    /// True once.
    func reportsDamage() -> Bool {
        isDamageReported.withLock { isReported in
            defer { isReported = true }
            return !isReported
        }
    }
}

extension SessionManager {
    /// Writes something of a turn, again and again until it is written.
    ///
    /// - Parameter write: one transaction, with or without effect on disk when it throws.
    /// - Throws: when waiting is of no use, or when the task is cancelled.
    func persist<R: Sendable>(_ turn: Turn, _ write: @Sendable () async throws -> R) async throws -> R {
        var pause = limits.savingPause
        var isTold = false
        while true {
            do {
                let result = try await write()
                if isTold { logger.notice("sessions::saved", metadata: ["turn": "\(turn.id)"]) }
                return result
            } catch {
                let fault = StorageFault(error)
                guard fault.mayPass, !Task.isCancelled else { throw error }
                if !isTold {
                    isTold = true
                    logger.error(
                        "sessions::not_saved",
                        metadata: ["turn": "\(turn.id)", "reason": "\(fault)", "error": "\(error)"])
                    tell("This turn waits: \(fault). It goes on as soon as it can be saved.", of: turn)
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, limits.longestSavingPause)
            }
        }
    }

    /// Ends turns that were dropped while the disk took nothing, until the task is cancelled.
    func saveDrops() async {
        for await turn in unsaved.drops { await endUnstarted(turn, patiently: true) }
    }

    /// What a user is told of a run that failed with an error of ours; the log has it whole, a damaged file once.
    func reason(_ error: any Error, of turn: Turn) -> String {
        let fault = StorageFault(error)
        if fault == .damaged {
            if unsaved.reportsDamage() {
                logger.critical(
                    "sessions::database_damaged",
                    metadata: ["error": "\(error)", "fix": "openagent doctor"])
            }
            return
                "the agent's database is damaged where this conversation is; 'openagent doctor' on its machine says more"
        }
        logger.error("sessions::turn_failed", metadata: ["turn": "\(turn.id)", "error": "\(error)"])
        return fault == .other ? "the agent could not answer; the server's log says why" : "\(fault)"
    }

    /// The end of a turn was not written and will not be.
    func giveUp(saving turn: Turn, _ error: any Error) {
        let why = reason(error, of: turn)
        logger.error("sessions::end_not_saved", metadata: ["turn": "\(turn.id)"])
        tell("The end of this turn could not be saved: \(why). It runs again after a restart.", of: turn)
    }

    private func tell(_ text: String, of turn: Turn) {
        sessions[turn.key]?.tell(
            ServerMessage(
                .error(code: .unavailable, text: text), sessionID: turn.key.sessionID, turnID: turn.id,
                messageID: turn.record.messageID
            ).frame)
    }
}

/// A journal that waits for room rather than losing what a tool did.
struct PatientJournal: TurnJournal {
    let turn: Turn
    let journal: any TurnJournal
    let sessions: SessionManager

    func entries() async throws -> [JournalEntry] {
        do { return try await journal.entries() } catch is CancellationError {
            throw CancellationError()
        } catch {
            _ = await sessions.reason(error, of: turn)
            throw StorageFault(error)
        }
    }

    func append(_ entry: JournalEntry) async throws {
        do {
            try await sessions.persist(turn) { try await journal.append(entry) }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            _ = await sessions.reason(error, of: turn)
            throw StorageFault(error)
        }
    }
}
