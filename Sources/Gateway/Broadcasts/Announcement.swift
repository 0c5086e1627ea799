internal import Certs
internal import HTTPTypes
internal import Synchronization

// What does a route tell others after it changed something? Each route that is no GET declares it beside its method and role;
// a test fails for one that does not, so none can be forgotten. How to declare it:
//
//     .admin(.patch, "/api/network/users/{handle}", .changeUser, announces: .updated(.user, "handle", to: .admins)) { … }
//     .member(.post, "/api/upload", .upload, announces: .created(.file, to: .caller)) { request, context, caller in
//         …
//         context.announced.set(id: file.id)   // the path holds no id here
//     }
//     .admin(.post, "/api/restart", .restart, announces: .nothing(because: "every socket is closed with 1012")) { … }
//
// The responder publishes after an answer of 2xx, and only then.

/// What others hear when a route has succeeded.
enum Announcement: Sendable {
    /// Those who hear it.
    enum Receiver: Sendable { case everybody, admins, caller }

    /// - `part`: the part of the path that holds the id; nil when the handler names it, or when there is none.
    case event(Broadcasts.Resource, Broadcasts.Action, part: String?, to: [Receiver])
    /// The route is no GET and still changes nothing that others show.
    case nothing(because: String)

    static func created(
        _ resource: Broadcasts.Resource, _ part: String? = nil, to receivers: Receiver...
    ) -> Announcement { .event(resource, .created, part: part, to: receivers) }

    static func updated(
        _ resource: Broadcasts.Resource, _ part: String? = nil, to receivers: Receiver...
    ) -> Announcement { .event(resource, .updated, part: part, to: receivers) }

    static func deleted(
        _ resource: Broadcasts.Resource, _ part: String? = nil, to receivers: Receiver...
    ) -> Announcement { .event(resource, .deleted, part: part, to: receivers) }

    /// Tells it, after the route has answered `status`.
    func publish(
        _ status: HTTPResponse.Status, _ context: GatewayContext, by caller: Caller?, through broadcasts: Broadcasts
    ) {
        guard case .event(let resource, let action, let part, let receivers) = self, status.kind == .successful,
            !context.announced.isSilent
        else { return }
        let audience = receivers.compactMap { receiver -> Audience? in
            switch receiver {
            case .everybody: .everybody
            case .admins: .admins
            case .caller: caller.map { .handle($0.handle) }
            }
        }
        let id = context.announced.id ?? part.flatMap { try? context.pathPart($0) }.map(resource.canonical)
        broadcasts.publish(resource, context.announced.action ?? action, id: id, to: audience)
        for (action, id) in context.announced.others { broadcasts.publish(resource, action, id: id, to: audience) }
    }
}

extension Broadcasts.Resource {
    /// A name of the network as lists show it, however somebody typed it.
    fileprivate func canonical(_ id: String) -> String {
        switch self {
        case .user, .device, .networkAgent: HandleRule.typed(id)
        default: id
        }
    }
}

/// What a handler knows about its change and its path does not say.
final class Announced: Sendable {
    private struct State {
        var id: String?
        var action: Broadcasts.Action?
        var isSilent = false
        var others: [(action: Broadcasts.Action, id: String)] = []
    }

    private let state = Mutex(State())

    var id: String? { state.withLock { $0.id } }
    var action: Broadcasts.Action? { state.withLock { $0.action } }
    var isSilent: Bool { state.withLock { $0.isSilent } }
    /// What else happened to things of the same kind.
    var others: [(action: Broadcasts.Action, id: String)] { state.withLock { $0.others } }

    /// - Parameter action: instead of the declared one, e.g. when a PUT made what was not there.
    func set(id: String, action: Broadcasts.Action? = nil) {
        state.withLock { state in
            state.id = id
            if let action { state.action = action }
        }
    }

    /// Something else of the same kind has changed with it.
    func also(_ action: Broadcasts.Action, id: String) { state.withLock { $0.others.append((action, id)) } }

    /// This time nothing has changed.
    func silence() { state.withLock { $0.isSilent = true } }
}
