internal import HTTPTypes
internal import Hummingbird
internal import JSON
internal import NIOCore
internal import Wire

// How are events written into an HTTP answer? As `text/event-stream` (WHATWG HTML, "Server-sent events"): a name, a number
// where there is one, and one line of JSON, with a comment now and then so that everybody on the way sees that it lives.

/// One event of a stream.
struct ServerSentEvent: Sendable, Equatable {
    static let mediaType = "text/event-stream"

    var name: String
    var id: Int?
    /// One line.
    var data: String

    /// As it stands in the stream.
    var text: String { "event: \(name)\n" + (id.map { "id: \($0)\n" } ?? "") + "data: \(data)\n\n" }

    /// What keeps the stream alive.
    static let signOfLife = ":\n\n"

    /// Comes first: how soon a reader that lost the stream may come back, in milliseconds.
    static let opening = "retry: 2000\n\n"

    /// The last word of a stream that ends before its time.
    init(_ closing: WebSocketClosing) {
        let end: JSONValue = ["code": .integer(Int64(closing.code)), "reason": .string(closing.reason)]
        name = "close"
        // A number and a text always have a JSON form.
        data = (try? JSON.text(end)) ?? "{}"
    }

    init(_ message: ServerMessage, frame: String) {
        name = message.body.name
        id = message.sequence
        data = frame
    }
}

extension Request {
    /// Whether the client would rather have events than one JSON document.
    var wantsEvents: Bool {
        headers[values: .accept].contains { value in
            value.split(separator: ",").contains { range in
                let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
                return parts.first == ServerSentEvent.mediaType && !parts.dropFirst().contains { $0.isZeroWeight }
            }
        }
    }
}

extension String {
    /// `q=0`, `q=0.0`, …: not this one.
    fileprivate var isZeroWeight: Bool { hasPrefix("q=") && Double(dropFirst(2)) == 0 }
}

extension Response {
    /// A stream of events. `write` is called once, and only if the answer is written.
    static func events(
        _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: ServerSentEvent.mediaType],
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(string: ServerSentEvent.opening))
                try await write(&writer)
                try await writer.finish(nil)
            })
    }
}

extension ServerMessage.Body {
    /// The `type` of its frame.
    var name: String {
        switch self {
        case .authOK: "auth_ok"
        case .pong: "pong"
        case .queued: "queued"
        case .status: "status"
        case .delta: "delta"
        case .response: "response"
        case .turnComplete: "turn_complete"
        case .error: "error"
        case .commandResult: "command_result"
        case .approvalRequest: "approval_request"
        case .approvalSettled: "approval_settled"
        case .heard: "text_final"
        case .audioStart: "audio_start"
        case .audioChunk: "audio_chunk"
        case .audioEnd: "audio_end"
        case .resourceEvent: "resource_event"
        case .systemSnapshot: "system_snapshot"
        case .sessionState: "session_state"
        case .unknown(let type): type
        }
    }
}
