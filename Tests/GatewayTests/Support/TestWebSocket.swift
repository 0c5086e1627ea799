import Foundation
import NIOCore
import Testing

@testable import Wire

// A WebSocket client of the tests: RFC 6455 by hand, so that broken frames can be sent too.

final class TestWebSocket: Sendable {
    enum Event: Sendable, Equatable {
        case message(ServerMessage)
        case pong([UInt8])
        case close(code: Int, reason: String)
        case end
    }

    let stream: TestStream

    init(_ stream: TestStream) {
        self.stream = stream
    }

    static let upgradeRequest = """
        GET /ws HTTP/1.1\r
        Host: agent\r
        Connection: Upgrade\r
        Upgrade: websocket\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        \r

        """

    static func frame(_ opcode: UInt8, _ payload: [UInt8], fin: Bool = true, masked: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = [(fin ? 0x80 : 0) | opcode]
        let mask: UInt8 = masked ? 0x80 : 0
        switch payload.count {
        case ..<126: bytes.append(mask | UInt8(payload.count))
        case ..<65_536: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        default:
            bytes.append(mask | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payload.count >> shift & 255)) }
        }
        let key: [UInt8] = [1, 2, 3, 4]
        if masked { bytes += key }
        return bytes + (masked ? payload.enumerated().map { $1 ^ key[$0 % 4] } : payload)
    }

    func send(_ message: ClientMessage) async throws {
        try await send(text: String(decoding: try JSONEncoder().encode(message), as: UTF8.self))
    }

    func send(text: String) async throws {
        try await stream.send(Self.frame(1, Array(text.utf8)))
    }

    func say(_ text: String, session: String = "s", id: String? = nil) async throws {
        try await send(.textFinal(.init(sessionID: session, text: text, messageID: id)))
    }

    func close() async {
        try? await stream.send(Self.frame(8, [0x03, 0xE8]))
        await stream.close()
    }

    /// The next frame that is no broadcast: those come when they come, and tests that want them ask for them.
    func next(within seconds: Double = 30) async throws -> Event {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let event = try await nextOfAll(within: max(0, (deadline - .now) / .seconds(1)))
            if case .message(let message) = event {
                switch message.body {
                case .resourceEvent, .systemSnapshot: continue
                default: break
                }
            }
            return event
        }
    }

    /// The next `resource_event` that matches; everything before it is dropped.
    func resourceEvent(
        within seconds: Double = 30, where matches: @Sendable (ServerMessage.ResourceEvent) -> Bool = { _ in true }
    ) async throws -> ServerMessage.ResourceEvent {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let event = try await nextOfAll(within: max(0, (deadline - .now) / .seconds(1)))
            if case .message(let message) = event, case .resourceEvent(let news) = message.body, matches(news) {
                return news
            }
            if event == .end { throw Unexpected(event: event) }
        }
    }

    func nextOfAll(within seconds: Double = 30) async throws -> Event {
        try await within(seconds, "a WebSocket frame") { [queue = stream.queue] in
            try await queue.read { bytes -> Event? in try Self.parse(&bytes) } ?? .end
        }
    }

    /// The next message; anything else fails the test.
    func message(within seconds: Double = 30) async throws -> ServerMessage {
        let event = try await next(within: seconds)
        guard case .message(let message) = event else { throw Unexpected(event: event) }
        return message
    }

    /// Messages up to and with the first that matches.
    func messages(through matches: @Sendable (ServerMessage) -> Bool) async throws -> [ServerMessage] {
        var all: [ServerMessage] = []
        while true {
            let next = try await message()
            all.append(next)
            if matches(next) { return all }
        }
    }

    struct Unexpected: Error {
        let event: Event
    }

    private static func parse(_ bytes: inout ByteBuffer) throws -> Event? {
        var copy = bytes
        guard let first = copy.readInteger(as: UInt8.self), let second = copy.readInteger(as: UInt8.self) else {
            return nil
        }
        #expect(second & 0x80 == 0, "a server never masks")
        var length = Int(second & 127)
        if length == 126 {
            guard let long = copy.readInteger(as: UInt16.self) else { return nil }
            length = Int(long)
        } else if length == 127 {
            guard let long = copy.readInteger(as: UInt64.self) else { return nil }
            length = Int(long)
        }
        guard let payload = copy.readBytes(length: length) else { return nil }
        bytes = copy
        switch first & 15 {
        case 1: return .message(try JSONDecoder().decode(ServerMessage.self, from: Data(payload)))
        case 8:
            let code = payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 1005
            return .close(code: code, reason: String(decoding: payload.dropFirst(2), as: UTF8.self))
        case 10: return .pong(payload)
        default: throw Unexpected(event: .end)
        }
    }
}

extension ServerMessage {
    var isTurnEnd: Bool { if case .turnComplete = body { true } else { false } }
    var text: String? {
        switch body {
        case .delta(let text), .status(let text), .commandResult(let text): text
        case .response(let text, _, _): text
        case .error(_, let text): text
        default: nil
        }
    }
    var position: Int? { if case .queued(let position) = body { position } else { nil } }
    var errorCode: ErrorCode? { if case .error(let code, _) = body { code } else { nil } }
    var responseText: String? { if case .response(let text, _, _) = body { text } else { nil } }
    var endReason: TurnComplete.Reason? { if case .turnComplete(let end) = body { end.reason } else { nil } }
}
