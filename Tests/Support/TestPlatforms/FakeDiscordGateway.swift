internal import Foundation
internal import JSON

// How does a fake Discord speak over its gateway? Hello, then a session that begins or is taken up, then events; with the codes that Discord
// closes with.

struct FakeDiscordGateway: Sendable {
    private let state: Watched<FakeDiscord.State>

    init(_ state: Watched<FakeDiscord.State>) { self.state = state }

    func speak(_ socket: FakeSocket) async throws {
        let (frames, outbox) = AsyncStream.makeStream(of: JSONValue.self)
        let number = socket.request.number
        state.change { $0.sockets[number] = .init(outbox: outbox) }
        defer {
            state.change { state in
                state.sockets[number] = nil
                for id in state.sessions.keys where state.sessions[id]?.socket == number {
                    state.sessions[id]?.socket = nil
                }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await frame in frames { try await socket.send(frame) }
            }
            defer {
                outbox.finish()
                group.cancelAll()
            }
            let interval = state.now.behaviour.heartbeat
            outbox.yield(["op": 10, "d": ["heartbeat_interval": .integer(Int64(interval))], "s": .null, "t": .null])
            for await event in socket.events {
                guard case .text = event else { continue }
                guard let frame = event.json, case .integer(let op)? = frame["op"] else {
                    return try await socket.close(code: 4002, reason: "Error while decoding payload.")
                }
                if let code = take(Int(op), frame["d"] ?? .null, number, socket, outbox) {
                    return try await socket.close(code: code, reason: "code \(code)")
                }
            }
        }
    }

    /// - Returns: the code to close with.
    private func take(
        _ op: Int, _ data: JSONValue, _ number: Int, _ socket: FakeSocket, _ outbox: AsyncStream<JSONValue>.Continuation
    ) -> UInt16? {
        state.change { state in
            guard state.sockets[number]?.isSilent != true else { return nil }
            switch op {
            case 1:
                var sequence: Int?
                if case .integer(let number) = data { sequence = Int(number) }
                state.heartbeats.append(sequence)
                outbox.yield(["op": 11, "d": .null, "s": .null, "t": .null])
                return nil
            case 2: return Self.identify(&state, data, number, socket)
            case 6: return Self.resume(&state, data, number, outbox)
            default: return state.sessions.values.contains { $0.socket == number } ? 4001 : 4003
            }
        }
    }

    private static func identify(
        _ state: inout FakeDiscord.State, _ data: JSONValue, _ number: Int, _ socket: FakeSocket
    ) -> UInt16? {
        guard data["token"]?.string == FakeDiscord.token else { return 4004 }
        guard case .integer(let intents)? = data["intents"], intents >= 0, intents < 1 << 26 else { return 4013 }
        guard intents & (1 << 15) == 0 || state.behaviour.allowsMessageContent else { return 4014 }
        guard data["properties"]?["os"]?.string != nil else { return 4002 }
        guard !state.sessions.values.contains(where: { $0.socket == number }) else { return 4005 }
        state.identifies += 1
        state.behaviour.sessionStarts -= 1
        let id = "session-\(state.identifies)-\(number)"
        state.sessions[id] = .init(socket: number)
        let host = socket.request.headers["host"] ?? ""
        let isHeld = state.behaviour.holdsEvents
        state.behaviour.holdsEvents = false
        state.emit(
            "READY",
            [
                "v": 10, "user": state.userJSON(FakeDiscord.bot), "session_id": .string(id), "session_type": "normal",
                "resume_gateway_url": .string("ws://\(host)"), "shard": [0, 1], "private_channels": [],
                "guilds": [["id": .string(FakeDiscord.guild), "unavailable": true]],
                "application": ["id": .string(FakeDiscord.application), "flags": 0],
            ], to: id)
        state.emit("GUILD_CREATE", state.guildJSON, to: id)
        state.behaviour.holdsEvents = isHeld
        return nil
    }

    private static func resume(
        _ state: inout FakeDiscord.State, _ data: JSONValue, _ number: Int,
        _ outbox: AsyncStream<JSONValue>.Continuation
    ) -> UInt16? {
        guard data["token"]?.string == FakeDiscord.token else { return 4004 }
        guard case .integer(let sequence)? = data["seq"] else { return 4002 }
        state.resumes.append(Int(sequence))
        guard let id = data["session_id"]?.string, let session = state.sessions[id], !state.behaviour.refusesResume
        else {
            outbox.yield(["op": 9, "d": false, "s": .null, "t": .null])
            return nil
        }
        guard sequence <= session.events.count, sequence >= 0 else { return 4007 }
        // An older connection of the session ends.
        state.sessions[id]?.socket = number
        for frame in session.events.dropFirst(Int(sequence)) { outbox.yield(frame) }
        state.emit("RESUMED", ["_trace": []], to: id)
        return nil
    }
}
