internal import Foundation
internal import Logging
internal import Wire

// How is Discord's gateway listened to? This carries out what DiscordGatewayMachine decides, connection after connection, and hands the
// events over to DiscordIntake.

/// Listens once: until it is cancelled, or the frame has to pause or tell an admin.
struct DiscordListening: Sendable {
    let rest: DiscordREST
    let token: String
    let progress: DiscordProgress
    let intake: DiscordIntake
    let seams: DiscordSeams
    let logger: Logger
    let memory: DiscordMemory

    /// For the goodbye, and for a frame that a dead connection does not take.
    private static let sendTime = Duration.seconds(10)
    private static let closeTime = Duration.seconds(2)

    /// The end, in contrast to a connection that broke.
    private struct Final: Error { var failure: PlatformFailure }

    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func run() async throws {
        let (identifiedAt, usesCommonAddress) = memory.start
        var machine = DiscordGatewayMachine(
            session: progress.session, identifiedAt: identifiedAt, usesCommonAddress: usesCommonAddress)
        var actions = machine.handle(.start, moment)
        while true {
            try Task.checkCancellation()
            var next: [DiscordGatewayMachine.Action] = []
            for action in actions {
                switch action {
                case .wait(let duration):
                    try await seams.sleep(duration)
                    next += machine.handle(.delayIsOver, moment)
                case .connect(let url):
                    let code = try await connect(url, &machine)
                    logger.debug(
                        "bridge::discord_disconnected", metadata: ["code": "\(code.map(String.init) ?? "none")"])
                    next += machine.handle(.ended(code: code), moment)
                case .forget: progress.forget()
                case .fail(let failure): throw failure
                default: break
                }
            }
            guard !next.isEmpty else { throw PlatformFailure.unavailable("Discord's gateway can't be listened to") }
            actions = next
        }
    }

    private var moment: DiscordGatewayMachine.Moment {
        .init(now: seams.now(), random: seams.random(), accepted: progress.accepted)
    }

    // MARK: Connecting

    private struct GatewayAddress: Decodable {
        struct Limit: Decodable {
            var remaining: Int
            var resetAfter: Double
        }
        var url: String
        var sessionStartLimit: Limit?
    }

    /// - Returns: the code with which Discord closed the connection.
    private func connect(_ known: String?, _ machine: inout DiscordGatewayMachine) async throws -> UInt16? {
        var address = known.flatMap { isUsable($0) ? $0 : nil }
        let isOwnAddress = address != nil
        if address == nil { address = try await commonAddress(isNew: machine.session == nil) }
        guard let address else { throw PlatformFailure.unavailable("Discord named no usable gateway") }
        let separator = address.contains("?") ? "&" : address.hasSuffix("/") ? "?" : "/?"
        var opened = false
        defer { memory.note(identifiedAt: machine.identifiedAt) }
        do {
            return try await PlatformSocket.with(url: "\(address)\(separator)v=10&encoding=json") { socket in
                opened = true
                memory.note(reached: true)
                return try await converse(socket, &machine)
            }
        } catch let final as Final {
            throw final.failure
        } catch PlatformFailure.unavailable(let reason) {
            if isOwnAddress, !opened { memory.note(reached: false) }
            guard opened else { throw PlatformFailure.unavailable(reason) }
            return nil
        }
    }

    private func commonAddress(isNew: Bool) async throws -> String? {
        let address: GatewayAddress
        do { address = try await rest.ask(DiscordRequest("GET", "/gateway/bot"), as: GatewayAddress.self) } catch let
            refusal as DiscordRefusal
        { throw PlatformFailure.unavailable("Discord names no gateway: \(refusal.text)") }
        if isNew, let limit = address.sessionStartLimit, limit.remaining <= 0 {
            throw PlatformFailure.wait(.milliseconds(max(limit.resetAfter, 1000)), .everything)
        }
        return isUsable(address.url) ? address.url : nil
    }

    /// The token goes there: never unencrypted, except where the configuration itself asks for that.
    private func isUsable(_ url: String) -> Bool {
        url.lowercased().hasPrefix("wss://") || rest.base.hasPrefix("http://") && url.lowercased().hasPrefix("ws://")
    }

    // MARK: Speaking

    private enum Heard: Sendable {
        case text(String)
        case closed(UInt16?)
        /// With the number of the timer: one that was replaced says nothing.
        case heartbeat(Int)
        case patience
    }

    private func converse(_ socket: PlatformSocket, _ machine: inout DiscordGatewayMachine) async throws -> UInt16? {
        let (heard, feed) = AsyncStream.makeStream(of: Heard.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    for try await event in socket.events {
                        switch event {
                        case .text(let text): feed.yield(.text(text))
                        case .closed(let code, _): feed.yield(.closed(code))
                        case .pong: break
                        }
                    }
                } catch {}
                feed.yield(.closed(nil))
            }
            var heartbeat = 0
            var patienceEnd: ContinuousClock.Instant?
            var isWaiting = false

            func pause(_ duration: Duration, _ then: Heard) {
                group.addTask {
                    try await seams.sleep(duration)
                    feed.yield(then)
                }
            }
            /// - Returns: whether we left.
            func carryOut(_ actions: [DiscordGatewayMachine.Action], _ text: String) async throws -> Bool {
                for action in actions {
                    switch action {
                    case .transmit(let command):
                        try await within(Self.sendTime) { try await socket.send(command.json(token: token)) }
                    case .heartbeatIn(let duration):
                        heartbeat += 1
                        pause(duration, .heartbeat(heartbeat))
                    case .patience(let duration):
                        patienceEnd = duration.map { seams.now() + $0 }
                        if let duration, !isWaiting {
                            isWaiting = true
                            pause(duration, .patience)
                        }
                    case .close(let code):
                        try? await within(Self.closeTime) { try await socket.close(code: code) }
                        return true
                    case .begin(let session, let sequence): intake.begin(session, sequence)
                    case .resumed(let session, let sequence): intake.resumed(session, sequence)
                    case .deliver(let sequence, let event):
                        guard intake.take(sequence, event, text) else {
                            try? await within(Self.closeTime) { try await socket.close(code: 4000) }
                            throw PlatformFailure.unavailable("more messages wait for the agent than are held")
                        }
                    case .forget: progress.forget()
                    case .fail(let failure): throw Final(failure: failure)
                    case .connect, .wait: break
                    }
                }
                return false
            }

            if try await carryOut(machine.handle(.opened, moment), "") { return nil }
            for await something in heard {
                let actions: [DiscordGatewayMachine.Action]
                var text = ""
                switch something {
                case .text(let frame):
                    text = frame
                    actions = machine.handle(.received(DiscordFrame(frame)), moment)
                case .closed(let code): return code
                case .heartbeat(let number):
                    guard number == heartbeat else { continue }
                    actions = machine.handle(.heartbeatIsDue, moment)
                case .patience:
                    isWaiting = false
                    guard let patienceEnd else { continue }
                    let left = patienceEnd - seams.now()
                    if left > .zero {
                        isWaiting = true
                        pause(left, .patience)
                        continue
                    }
                    actions = machine.handle(.patienceIsOver, moment)
                }
                if try await carryOut(actions, text) { return nil }
            }
            throw CancellationError()
        }
    }

    /// - Throws: ``PlatformFailure/unavailable(_:)`` when it takes longer; what `body` throws.
    private func within(_ time: Duration, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: time)
                throw PlatformFailure.unavailable("Discord's gateway takes nothing any more")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
