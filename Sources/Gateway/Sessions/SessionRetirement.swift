internal import Logging
internal import Store

// What happens to conversations when their user is removed? What runs is stopped, what waits is dropped, and what was said is
// out of reach: the handle may be given to somebody else.

extension SessionManager {
    /// A device was put out of the network, or its user suspended: what it sent does nothing more, begun or not. What a restart comes
    /// before is looked at when its turn comes.
    func dropRevoked() async {
        _ = interrupt(.user, where: isRevoked)
        await dropWaiting(where: isRevoked)
    }

    /// The user is gone.
    func retire(_ handle: String) async {
        _ = interrupt(.userForgets) { $0.key.handle == handle }
        // Their last words reach nobody.
        for id in running.values.filter({ $0.turn.key.handle == handle }).map(\.turn.id) { running[id] = nil }
        await dropWaiting { $0.key.handle == handle }
        await takeAway(handle)
        for key in sessions.keys where key.handle == handle { sessions[key] = nil }
        forgottenSessions += 1
    }

    /// Again and again while the disk takes nothing: whoever has the handle next must not find anything.
    private func takeAway(_ handle: String) async {
        var pause = limits.savingPause
        var isLogged = false
        while true {
            do { return try await repository.retire(handle: handle, now: now()) } catch {
                if !isLogged {
                    logger.error("sessions::not_retired", metadata: ["handle": "\(handle)", "error": "\(error)"])
                }
                isLogged = true
                guard StorageFault(error).mayPass, (try? await Task.sleep(for: pause)) != nil else { return }
                pause = min(pause * 2, limits.longestSavingPause)
            }
        }
    }

    /// Looks for users who left while nobody told.
    ///
    /// - Parameter isUser: nil when that cannot be said at the moment.
    func retireMissing(_ isUser: @Sendable (String) -> Bool?) async {
        do {
            for handle in try await repository.handles() where isUser(handle) == false { await retire(handle) }
        } catch {
            logger.error("sessions::not_retired", metadata: ["error": "\(error)"])
        }
    }
}
