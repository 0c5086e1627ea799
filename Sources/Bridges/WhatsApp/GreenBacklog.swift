internal import Foundation
internal import JSON
internal import Synchronization

// What was taken out of the queue before the agent has it? Messages with files, whose fetching must not keep those of others waiting, and
// what was said after them in the same chat. They lie in the bridge's own memory, in as many places as there are and no more.

/// Notifications that wait in the bridge's memory.
final class GreenBacklog: Sendable {
    /// A notification that waits, and its place.
    struct Item: Sendable, Equatable {
        var place: Int
        var order: Int64
        var body: JSONValue
    }

    private struct State {
        var taken: Set<Int> = []
        var lastOrder: Int64 = 0
    }

    private let inbox: any Inbox
    private let places: Int
    private let state = Mutex(State())

    init(_ inbox: any Inbox, places: Int = 32) {
        self.inbox = inbox
        self.places = places
    }

    private static func key(_ place: Int) -> String { "waiting:\(place)" }

    /// What is left of the last time, in the order in which it came.
    func load() async throws -> [Item] {
        var items: [Item] = []
        for place in 0..<places {
            guard let text = try await inbox.remembered(Self.key(place)) else { continue }
            guard let entry = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)),
                case .integer(let order)? = entry["order"], let body = entry["body"]
            else {
                try await inbox.remember(Self.key(place), nil)
                continue
            }
            items.append(Item(place: place, order: order, body: body))
        }
        items.sort { $0.order < $1.order }
        let taken = Set(items.map(\.place))
        let last = items.last?.order ?? 0
        state.withLock { $0 = State(taken: taken, lastOrder: last) }
        return items
    }

    /// Keeps a notification; it is on disk when this returns.
    ///
    /// - Returns: its place; nil when there is none left.
    func add(_ body: JSONValue) async throws -> Int? {
        let found = state.withLock { state -> (place: Int, order: Int64)? in
            guard let place = (0..<places).first(where: { !state.taken.contains($0) }) else { return nil }
            state.taken.insert(place)
            state.lastOrder += 1
            return (place, state.lastOrder)
        }
        guard let (place, order) = found else { return nil }
        let entry: JSONValue = ["order": .integer(order), "body": Self.small(body)]
        guard let text = try? JSONEncoder().encode(entry), text.count <= 256 << 10 else {
            _ = state.withLock { $0.taken.remove(place) }
            return nil
        }
        try await inbox.remember(Self.key(place), String(decoding: text, as: UTF8.self))
        return place
    }

    /// The agent has it.
    func remove(_ place: Int) async {
        // What can't be forgotten comes once more and is recognised.
        guard (try? await inbox.remember(Self.key(place), nil)) != nil else { return }
        _ = state.withLock { $0.taken.remove(place) }
    }

    /// Without the small picture, which nobody looks at.
    private static func small(_ body: JSONValue) -> JSONValue {
        guard case .object(var fields) = body, case .object(var data)? = fields["messageData"],
            case .object(var file)? = data["fileMessageData"]
        else { return body }
        file["jpegThumbnail"] = nil
        data["fileMessageData"] = .object(file)
        fields["messageData"] = .object(data)
        return .object(fields)
    }
}
