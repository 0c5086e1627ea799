internal import Foundation
internal import Wire

// What do `interrupt`, `session_close` and the slash commands do? The words that a user has over running and waiting
// turns (websocket.md §4, §5). Answers are texts that the existing clients show as they are.

extension SessionManager {
    /// Stops the running turn of a session; what waits goes on, except for text that is being gathered. No answer of its
    /// own.
    func interrupt(sessionID: String, by caller: Caller) async {
        let key = SessionKey(handle: caller.handle, sessionID: sessionID)
        await discardGathered(in: key, by: caller)
        _ = interrupt(.user) { $0.key == key }
    }

    /// Stops the running turn of a session and drops those that wait; the transcript stays.
    func close(sessionID: String, by caller: Caller, on watcher: Watcher) async {
        let key = SessionKey(handle: caller.handle, sessionID: sessionID)
        _ = interrupt(.user) { $0.key == key }
        _ = await dropWaiting { $0.key == key }
        _ = pendingAttachments.take(for: attachmentKey(sessionID, caller))
        watched[watcher.id]?.remove(key)
        sessions[key]?.unwatch(watcher.id)
        forgetIfIdle(key)
    }

    /// Runs a command and answers it, in the order of the requests.
    func perform(_ command: ClientMessage.Command, by caller: Caller, on watcher: Watcher) async {
        let text: String
        switch command.name {
        case "stop": text = sentence(await stop(command, caller, forgetting: false)) ?? "Nothing running."
        case "new", "clear", "reset": text = await startAfresh(command, caller)
        case "status":
            let load = load(of: caller)
            let busy = load.isBusy ? "Busy" : "Idle"
            let count = (try? await repository.sessionCount(of: caller.handle)) ?? 0
            text = "\(busy) | Queue: \(load.waiting) | Sessions: \(count)"
        case "queue": text = "Queue depth: \(load(of: caller).waiting)"
        case "help": text = Self.help
        default: text = "Unknown command: \(command.name.prefix(100))"
        }
        reply(ServerMessage(.commandResult(text), sessionID: command.sessionID), watcher)
    }

    private static let help = """
        • /new — start a fresh conversation
        • /clear — forget this conversation
        • /stop — stop the current answer and drop what waits
        • /status — what is running and waiting
        • /queue — how many messages wait
        • /help — this list
        """

    /// Stops what runs and drops what waits, in one session or in all that this device has something under way in.
    private func stop(
        _ command: ClientMessage.Command, _ caller: Caller, forgetting: Bool
    ) async -> [String] {
        let key = command.sessionID.map { SessionKey(handle: caller.handle, sessionID: $0) }
        let matches: (Turn) -> Bool = { turn in key.map { $0 == turn.key } ?? (turn.record.sender == caller.sender) }
        let stopped = interrupt(forgetting ? .userForgets : .user, where: matches)
        let dropped = await dropWaiting(where: matches)
        var parts: [String] = []
        if stopped > 0 { parts.append("Stopped current operation") }
        if dropped > 0 { parts.append("cleared \(dropped) queued message\(dropped == 1 ? "" : "s")") }
        return parts
    }

    private func startAfresh(_ command: ClientMessage.Command, _ caller: Caller) async -> String {
        var parts = await stop(command, caller, forgetting: true)
        do {
            let forgotten = try await repository.forgetHistory(handle: caller.handle, sessionID: command.sessionID)
            if forgotten > 0 { parts.append("forgot \(forgotten) prior conversation\(forgotten == 1 ? "" : "s")") }
        } catch {
            return "The conversation could not be forgotten: the server cannot write its database."
        }
        parts.append("fresh session: \(UUID().uuidString.prefix(8).lowercased())")
        return sentence(parts) ?? ""
    }

    private func sentence(_ parts: [String]) -> String? {
        parts.isEmpty ? nil : parts.joined(separator: ". ") + "."
    }
}
