import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Wire

// The client's side of a stream of events: `text/event-stream` in chunks, as it comes.

/// Reads an answer that goes on. One reader.
final class TestEvents: Sendable {
    struct Event: Sendable, Equatable {
        var name: String?
        var id: Int?
        var data: String?
        /// A comment, or nothing but `retry`.
        var isSignOfLife: Bool { name == nil && data == nil }

        var message: ServerMessage {
            get throws { try ServerMessage(json: data ?? "") }
        }
    }

    let head: TestResponse
    private let stream: TestStream
    private let text = Mutex("")

    /// Asks for the stream; the request must be answered with one.
    init(_ stream: TestStream, _ method: String, _ path: String, _ body: String? = nil) async throws {
        self.stream = stream
        let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        try await stream.send(
            "\(method) \(path) HTTP/1.1\r\nHost: agent\r\nAccept: text/event-stream\r\n\(length)\r\n\(body ?? "")")
        head = try #require(try await stream.response())
        #expect(head.status == 200 && head.headers["content-type"] == "text/event-stream", "\(head)")
        #expect(head.headers["transfer-encoding"] == "chunked" && head.headers["cache-control"] == "no-store")
    }

    /// The next event; nil at the end.
    func next(within seconds: Double = 30) async throws -> Event? {
        while let event = try await nextOfAll(within: seconds) {
            if !event.isSignOfLife { return event }
        }
        return nil
    }

    /// The next event or sign of life; nil at the end.
    func nextOfAll(within seconds: Double = 30) async throws -> Event? {
        while true {
            if let block = takeBlock() { return Self.parse(block) }
            let chunk = try await within(seconds, "more of the stream") { [stream] in
                try await stream.queue.read(Self.chunk)
            }
            guard let chunk, !chunk.isEmpty else { return nil }
            text.withLock { $0 += chunk }
        }
    }

    /// Everything up to the end of the stream.
    func rest() async throws -> [Event] {
        var events: [Event] = []
        while let event = try await next() { events.append(event) }
        return events
    }

    func close() async { await stream.close() }

    private func takeBlock() -> String? {
        text.withLock { text in
            guard let end = text.range(of: "\n\n") else { return nil }
            defer { text.removeSubrange(..<end.upperBound) }
            return String(text[..<end.lowerBound])
        }
    }

    private static func parse(_ block: String) -> Event {
        var event = Event()
        for line in block.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            switch parts[0] {
            case "event": event.name = value
            case "id": event.id = Int(value)
            case "data": event.data = value
            default: break
            }
        }
        return event
    }

    /// One chunk (RFC 9112 §7.1); empty is the last one.
    @Sendable private static func chunk(_ bytes: inout ByteBuffer) throws -> String? {
        let view = bytes.readableBytesView
        guard let newline = view.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let digits = String(decoding: view[..<newline], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        let length = try #require(Int(digits, radix: 16), "\(digits)")
        let head = newline - view.startIndex + 1
        guard bytes.readableBytes >= head + length + 2 else { return nil }
        bytes.moveReaderIndex(forwardBy: head)
        let text = bytes.readString(length: length) ?? ""
        bytes.moveReaderIndex(forwardBy: 2)
        return text
    }
}
