internal import Logging
internal import Store
internal import Wire

// What do the frame's parts have in common? The platform, the bridge's own database, the agent, and the world's time.

struct BridgeFrame: Sendable {
    let bridge: any Bridge
    let settings: ChannelSettings
    let store: BridgeRepository
    let agent: AgentCalls
    let seams: BridgeSeams
    let logger: Logger
    /// A folder of the bridge's own.
    let temporary: String

    var limits: PlatformLimits { bridge.limits }
    var platform: Platform { bridge.platform }

    /// Writes, and waits as long as the disk takes nothing.
    ///
    /// - Throws: what won't pass by itself.
    func persist<T: Sendable>(_ write: @Sendable () async throws -> T) async throws -> T {
        var failures = 0
        while true {
            do { return try await write() } catch  where StorageFault(error).mayPass {
                failures += 1
                logger.error("bridge::not_saved", metadata: ["error": "\(StorageFault(error))"])
                try await seams.pause(after: failures)
            }
        }
    }

    /// - Throws: ``PlatformFailure``, `CancellationError`, and nothing else.
    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        do {
            return try await bridge.perform(act, at: place, key: key)
        } catch let error where error is PlatformFailure || error is CancellationError {
            throw error
        } catch {
            try Task.checkCancellation()
            throw PlatformFailure.unavailable("\(error)")
        }
    }

    /// The same for the same session, within what a button carries.
    static func mark(of session: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in session.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let text = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
