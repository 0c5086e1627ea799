internal import Logging

// What does the session manager do without being asked? It ends the windows in which text is gathered, and forgets, now and
// then, what nobody is promised any more. What is
// old is said by the clock of the gateway; a clock that was put back makes things younger, and they stay for longer.

extension SessionManager {
    /// Runs beside the turns until the task is cancelled.
    nonisolated func keepHouse() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepWindows() }
            while !Task.isCancelled {
                await forget()
                do { try await Task.sleep(for: limits.forgettingInterval) } catch { break }
            }
            group.cancelAll()
        }
    }

    /// Drops events that can no longer be asked for, and messages that need not be recognised any more.
    func forget() async {
        let time = now()
        pendingAttachments.forget(before: time - PendingAttachments.memory)
        do {
            try await repository.forget(
                turnsEndedBefore: time - limits.messageMemory.seconds, eventsBefore: time - limits.eventMemory.seconds)
        } catch {
            logger.error("sessions::not_forgotten", metadata: ["error": "\(error)"])
        }
    }
}
