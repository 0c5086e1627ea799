internal import Foundation
internal import JSON
internal import Synchronization
internal import Wire

// How is one connection of Socket Mode kept, from its address to its end? Slack closes each after some hours and says so before; what is on
// the line until then is read. A line that says nothing although it was pinged is dead. What its envelopes mean is not known here.

/// What a connection tells.
enum SlackHappening: Sendable {
    /// Slack is ready to send.
    case greeted(Int)
    case envelope(payload: JSONValue, kind: String, acknowledge: ChatIntake.Confirmation)
    /// Slack will close it: another one is wanted.
    case retiring(Int, reason: String)
    case ended(Int, PlatformFailure)
}

/// What a test decides in place of the world.
struct SlackSeams: Sendable {
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    var now: @Sendable () -> ContinuousClock.Instant = { .now }
    /// Between two pings.
    var pingEvery: Duration = .seconds(15)
    /// How long a connection may say nothing, or go without a greeting at its start.
    var silence: Duration = .seconds(45)
    /// How long a connection that is to end is kept.
    var farewell: Duration = .seconds(60)
    /// Before a connection is replaced that lived no longer than ``shortLife``.
    var shortPause: Duration = .seconds(5)
    var shortLife: Duration = .seconds(10)
}

/// One connection. `run` returns when it has ended, after it told so.
struct SlackConnection: Sendable {
    /// Of an envelope; Slack's are far smaller.
    private static let limits: WebSocketConnection.Limits = {
        var limits = WebSocketConnection.Limits()
        limits.frame = 4 << 20
        limits.message = 4 << 20
        return limits
    }()

    let number: Int
    /// Before it asks for an address.
    let delay: Duration
    let api: SlackAPI
    let seams: SlackSeams
    let tell: @Sendable (SlackHappening) -> Void

    /// - Throws: `CancellationError`.
    func run() async throws {
        do {
            if delay > .zero { try await seams.pause(delay) }
            let address = try await api.connectionAddress()
            try await PlatformSocket.with(url: address, limits: Self.limits) { socket in
                let life = Life(seams.now())
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await read(socket, life) }
                    group.addTask { try await watch(socket, life) }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
            tell(.ended(number, .unavailable("Slack closed the connection")))
        } catch let failure as PlatformFailure {
            try Task.checkCancellation()
            tell(.ended(number, failure))
        } catch {
            try Task.checkCancellation()
            tell(.ended(number, .unavailable("the connection to Slack failed")))
        }
    }

    /// When something was last heard.
    private final class Life: Sendable {
        struct Times {
            var opened: ContinuousClock.Instant
            var heard: ContinuousClock.Instant
            var retired: ContinuousClock.Instant?
            var isGreeted = false
        }

        let times: Mutex<Times>

        init(_ now: ContinuousClock.Instant) { times = Mutex(Times(opened: now, heard: now)) }
    }

    private func read(_ socket: PlatformSocket, _ life: Life) async throws {
        for try await event in socket.events {
            let now = seams.now()
            life.times.withLock { $0.heard = now }
            switch event {
            case .closed: return
            case .pong: continue
            case .text(let text):
                guard let frame = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else { continue }
                hear(SlackFrame(frame), socket, life, now)
            }
        }
    }

    private func hear(_ frame: SlackFrame, _ socket: PlatformSocket, _ life: Life, _ now: ContinuousClock.Instant) {
        switch frame {
        case .hello:
            let isFirst = life.times.withLock { times in
                defer { times.isGreeted = true }
                return !times.isGreeted
            }
            if isFirst { tell(.greeted(number)) }
        case .disconnect(let reason):
            let isFirst = life.times.withLock { times in
                defer { times.retired = times.retired ?? now }
                return times.retired == nil
            }
            if isFirst { tell(.retiring(number, reason: reason)) }
        case .envelope(let id, let payload, let kind):
            tell(
                .envelope(payload: payload, kind: kind) {
                    // When the line is gone Slack brings the envelope again, and it is known then.
                    try? await socket.send(#"{"envelope_id":\#(Self.quoted(id))}"#)
                })
        case .unknown: break
        }
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    /// Ends a connection that is dead, and one that was to end long ago.
    private func watch(_ socket: PlatformSocket, _ life: Life) async throws {
        while true {
            try await seams.pause(seams.pingEvery)
            let (times, now) = (life.times.withLock { $0 }, seams.now())
            if let retired = times.retired, now - retired > seams.farewell { return }
            let isSilent = now - times.heard > seams.silence
            guard !isSilent, times.isGreeted || now - times.opened <= seams.silence else {
                throw PlatformFailure.unavailable("Slack has said nothing for \(seams.silence)")
            }
            try await socket.ping()
        }
    }
}
