import Synchronization

@testable import Bridges
@testable import Wire

// A bridge of which a test knows how many updates the frame has dealt with, whatever became of them.

struct CountedBridge: Bridge {
    final class Count: Sendable {
        private let count = Mutex(0)
        var now: Int { count.withLock { $0 } }
        fileprivate func add() { count.withLock { $0 += 1 } }
    }

    let bridge: any Bridge
    let count = Count()

    var platform: Platform { bridge.platform }
    var limits: PlatformLimits { bridge.limits }

    func listen(_ inbox: any Inbox) async throws {
        try await bridge.listen(CountedInbox(inbox: inbox, count: count))
    }

    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        try await bridge.perform(act, at: place, key: key)
    }
}

private struct CountedInbox: Inbox {
    let inbox: any Inbox
    let count: CountedBridge.Count

    func receive(_ update: InboundUpdate) async throws {
        try await inbox.receive(update)
        count.add()
    }

    func remembered(_ key: String) async throws -> String? { try await inbox.remembered(key) }
    func remember(_ key: String, _ value: String?) async throws { try await inbox.remember(key, value) }
    func connected(as name: String) async { await inbox.connected(as: name) }
}
