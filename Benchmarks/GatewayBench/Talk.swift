internal import NIOCore
internal import Transport
internal import Wire

// How does a measured device talk? Over one WebSocket of its own connection. Frames are looked into, not decoded: a client
// that shares the gateway's cores must not cost more than it measures.

/// One open WebSocket.
struct Talk {
    /// A frame from the gateway, as its text.
    struct Frame {
        let text: String
        let type: String

        init(_ text: String) {
            self.text = text
            type = Self.field("type", of: text) ?? ""
        }

        /// A field's value up to the next quote, comma, blank or brace: of numbers all, of texts the first word. Quotes
        /// within texts are escaped, so a field's name is found nowhere else.
        func field(_ name: String) -> String? { Self.field(name, of: text) }

        private static func field(_ name: String, of text: String) -> String? {
            let name = Array("\"\(name)\":".utf8)
            var text = text
            return text.withUTF8 { bytes in
                var start = 0
                while start + name.count < bytes.count {
                    // Most bytes are not the beginning: that is seen without making a slice.
                    if bytes[start] == name[0], bytes[start + 1] == name[1], bytes[start...].starts(with: name) {
                        let value = bytes[(start + name.count)...].drop { $0 == UInt8(ascii: "\"") }
                        return String(decoding: value.prefix { !ends.contains($0) }, as: UTF8.self)
                    }
                    start += 1
                }
                return nil
            }
        }

        private static let ends: [UInt8] = Array("\",} ".utf8)
    }

    let socket: WebSocketConnection
    private var events: WebSocketConnection.Events.AsyncIterator

    private init(_ socket: WebSocketConnection) {
        self.socket = socket
        events = socket.events.makeAsyncIterator()
    }

    /// Runs `body` with a socket of this device that has been greeted.
    static func with<R: Sendable>(_ device: Device, _ body: (inout Talk) async throws -> R) async throws -> R {
        let pool = device.pool(to: device.coordinator)
        defer { pool.close() }
        return try await GatewayClient(dialer: pool).withWebSocket { socket in
            var talk = Talk(socket)
            _ = try await talk.next()
            return try await body(&talk)
        }
    }

    func send(_ message: ClientMessage) async throws {
        try await socket.send(message.json())
    }

    func say(_ text: String, session: String, id: String) async throws {
        try await send(.textFinal(.init(sessionID: session, text: text, messageID: id)))
    }

    /// - Throws: when the gateway closes, or says that something went wrong.
    mutating func next() async throws -> Frame {
        switch try await event() {
        case .text(let text):
            let frame = Frame(text)
            if frame.type == "error" { throw BenchError.unexpected(text) }
            return frame
        case .closed(let code, let reason): throw BenchError.unexpected("closed with \(code ?? 0): \(reason)")
        case .pong: return try await next()
        }
    }

    mutating func next(type: String) async throws -> Frame {
        while true {
            let frame = try await next()
            if frame.type == type { return frame }
        }
    }

    mutating func event() async throws -> WebSocketEvent {
        guard let event = try await events.next() else { throw BenchError.unexpected("the socket ended") }
        return event
    }

    /// Everything that was sent before has been taken in.
    mutating func settle() async throws {
        try await send(.ping)
        _ = try await next(type: "pong")
    }
}

/// What a distribution says in short.
struct Percentiles {
    private let sorted: [Double]

    init(_ samples: [Double]) { sorted = samples.sorted() }

    func fields(_ name: String) -> [(String, Report.Value)] {
        guard let worst = sorted.last else { return [] }
        return [
            ("\(name)_p50_ms", .number(sorted[sorted.count / 2])),
            ("\(name)_p99_ms", .number(sorted[sorted.count * 99 / 100])), ("\(name)_worst_ms", .number(worst)),
        ]
    }
}
