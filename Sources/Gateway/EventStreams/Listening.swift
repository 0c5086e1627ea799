internal import Foundation
internal import Wire

// How does a request hear what happens after it was asked? It has an outbox like a socket, is known to the registry of live
// connections, so that it ends with its caller's rights, and leaves when nobody holds it any more, whether its answer was ever
// written or not. What it hears and how that is told is the routes' business.

/// A request that goes on listening while it is answered.
final class Listening: Sendable {
    /// How long a reader that takes nothing may hold back the word why its stream ends.
    private static let farewellTime = Duration.seconds(1)
    /// Seconds. A certificate may name any time, a `Duration` can't hold every one.
    private static let longestWait: Double = 1_000_000_000

    /// What a request listens with.
    struct Room: Sendable {
        let live: LiveConnections
        let sessions: SessionManager
        let limits: GatewayLimits
        /// Unix seconds.
        let now: @Sendable () -> Double
        /// Whether turns run and anything happens.
        let isServed: Bool

        init(_ configuration: GatewayConfiguration, _ live: LiveConnections, _ sessions: SessionManager) {
            self.live = live
            self.sessions = sessions
            limits = configuration.limits
            now = configuration.now
            isServed = configuration.isServed
        }
    }

    let watcher: Watcher
    private let room: Room
    private let origin: RequestOrigin
    private let expiresAt: Double?

    /// - Throws: `ErrorResponse` when nobody serves the agent, ``Refusal`` when the caller's rights have ended meanwhile.
    init(_ room: Room, hears interest: Interest, as caller: Caller, in context: GatewayContext) throws {
        guard room.isServed else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "Nobody serves this agent.",
                hint: "Start it with: openagent serve DIR")
        }
        self.room = room
        origin = context.origin
        expiresAt = caller.expiresAt
        watcher = Watcher(
            id: room.live.nextID(), outbox: Outbox(limits: room.limits), hearsSpeech: false)
        room.live.add(
            watcher, of: caller.isOperator ? nil : caller.handle, at: caller.device, on: origin.peer, hears: interest)
        // In the registry before the rights are looked at again: no change can slip between the two.
        _ = try origin.authenticate().get()
    }

    deinit {
        room.live.remove(watcher, on: origin.peer)
        room.sessions.leave(watcher.id)
    }

    /// Runs `body`, which reads the outbox and writes the answer.
    ///
    /// - Parameters:
    ///   - silence: after which a sign of life is put in line; nil: nothing is written before the end.
    ///   - time: after which the outbox is closed with ``WebSocketClosing/waited``.
    func attend(
        silence: Duration? = nil, atMost time: Duration? = nil, _ body: () async throws -> Void
    ) async throws {
        let (outbox, origin, now) = (watcher.outbox, origin, room.now)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let silence {
                group.addTask {
                    guard let closing = await outbox.closing() else { return }
                    if closing != .slow { try await Task.sleep(for: Self.farewellTime) }
                    // The writer is stuck behind a peer that does not read.
                    origin.abort()
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: silence)
                        _ = outbox.offer(.pong([]))
                    }
                }
            }
            if let time {
                group.addTask {
                    try await Task.sleep(for: time)
                    outbox.close(.waited)
                }
            }
            if let end = expiresAt {
                group.addTask {
                    try await Task.sleep(for: .seconds(min(max(0, end - now()), Self.longestWait)))
                    outbox.close(.expired)
                }
            }
            defer { group.cancelAll() }
            try await body()
        }
    }
}

extension WebSocketClosing {
    /// A request has waited as long as it may.
    static let waited = WebSocketClosing(
        code: WebSocketCloseCode.normal, reason: "this took longer than a request waits", isOrderly: true)
}

extension SessionManager {
    /// A request is gone that watched. Its turns go on.
    nonisolated func leave(_ watcher: UInt64) {
        errandsContinuation.yield { await self.detach(watcher) }
    }
}
