internal import Hummingbird
internal import NIOCore
internal import Wire

// What has changed since I looked? `GET /api/events`: what `/ws` broadcasts, for programs that only listen.

enum EventRoutes {
    /// Asks for the measurements of the machine.
    private static let system = "system"

    static func routes(_ room: Listening.Room) -> [Route] {
        [
            .member(.get, "/api/events", .events) { request, context, caller in
                let listening = try Listening(room, hears: try interest(of: request), as: caller, in: context)
                listening.watcher.outbox.greet()
                return .events { writer in
                    try await listening.attend(silence: room.limits.streamSilence) {
                        try await write(listening.watcher.outbox, to: &writer)
                    }
                }
            }
        ]
    }

    private static func write(_ outbox: Outbox, to writer: inout any ResponseBodyWriter) async throws {
        while let items = await outbox.next() {
            let text = items.map { item in
                switch item {
                case .text(let frame):
                    (try? ServerMessage(json: frame)).map { ServerSentEvent($0, frame: frame).text } ?? ""
                case .pong: ServerSentEvent.signOfLife
                }
            }
            try await writer.write(ByteBuffer(string: text.joined()))
        }
        if let closing = outbox.takeFarewell() {
            try await writer.write(ByteBuffer(string: ServerSentEvent(closing).text))
        }
    }

    /// `resource=vault,session` hears of those; without it, of all and of the machine.
    private static func interest(of request: Request) throws(ErrorResponse) -> Interest {
        guard let text = try request.queryValue("resource") else { return .everything }
        var interest = Interest(resources: [], snapshots: false)
        for name in text.split(separator: ",").map(String.init) {
            if name == system {
                interest.snapshots = true
            } else if let resource = Broadcasts.Resource(rawValue: name) {
                interest.resources?.insert(resource)
            } else {
                throw .invalid(
                    "'resource' names something that nothing is told of.",
                    hint: "Possible are, separated by commas: " + names.joined(separator: ", "))
            }
        }
        guard !interest.isNothing else { return .everything }
        return interest
    }

    /// What can be listened to.
    static let names = Broadcasts.Resource.allCases.map(\.rawValue).sorted() + [system]
}
