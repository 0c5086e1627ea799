internal import Agent
internal import Wire

// Who has to hear that something changed? Everybody who shows it: other devices, other windows, other admins. This file says
// what is told and to whom. It knows no sockets, and it never waits: how a frame gets to those who listen is the business of
// whoever made it.

/// Those who hear of a change, as far as they are in good standing at that moment.
enum Audience: Sendable, Equatable {
    case everybody
    case admins
    /// One user's devices.
    case handle(String)
}

/// What somebody who listens wants to hear of what is told to many.
struct Interest: Sendable {
    /// Nil: all.
    var resources: Set<Broadcasts.Resource>?
    /// Measurements of the machine.
    var snapshots: Bool

    static let everything = Interest(resources: nil, snapshots: true)
    static let nothing = Interest(resources: [], snapshots: false)

    var isNothing: Bool { resources?.isEmpty == true && !snapshots }
}

/// Tells connected clients what has changed.
struct Broadcasts: Sendable {
    /// What may change (websocket.md §8, and what this gateway has besides).
    enum Resource: String, Sendable, CaseIterable {
        case provider, model, mcp, workflow, vault, config, session, file, user, device, invitation, agent, backup,
            bridge
        case scheduledTask = "scheduled_task"
        case networkAgent = "network_agent"
        case toolPolicy = "tool_policy"
    }

    enum Action: String, Sendable {
        case created, updated, deleted
        /// Something of it, nobody says what.
        case changed
    }

    private let send: @Sendable (_ frame: String, _ resource: Resource, _ audience: [Audience]) -> Void

    /// - Parameter send: gives the frame to those who listen and may hear it; never waits for any of them.
    init(send: @escaping @Sendable (_ frame: String, _ resource: Resource, _ audience: [Audience]) -> Void) {
        self.send = send
    }

    /// Nobody listens.
    static let none = Broadcasts { _, _, _ in }

    /// - Parameters:
    ///   - id: what has changed; nil when it is not one thing alone. Never anything secret.
    ///   - audience: whoever is in one of them hears it, once.
    func publish(_ resource: Resource, _ action: Action, id: String? = nil, to audience: [Audience]) {
        let event = ServerMessage.ResourceEvent(resource: resource.rawValue, action: action.rawValue, id: id)
        send(ServerMessage(.resourceEvent(event)).frame, resource, audience)
    }
}

extension Broadcasts {
    /// More notes than this, changed by hand at once, are told as one change without a path.
    private static let mostEdits = 100

    func publish(_ edits: [VaultEdit]) {
        guard edits.count <= Self.mostEdits else { return publish(.vault, .changed, to: [.everybody]) }
        for edit in edits {
            let action: Action =
                switch edit.kind {
                case .created: .created
                case .updated: .updated
                case .deleted: .deleted
                }
            publish(.vault, action, id: edit.path, to: [.everybody])
        }
    }
}

extension WorkflowRunner {
    /// Tells admins when a run begins and ends, until the task is cancelled.
    nonisolated func tellRuns(through broadcasts: Broadcasts) async {
        for await run in news { broadcasts.publish(.workflow, .updated, id: run.workflowID, to: [.admins]) }
    }
}
