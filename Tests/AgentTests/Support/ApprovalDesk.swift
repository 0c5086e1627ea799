import Foundation
import JSON
import Synchronization

@testable import Agent
@testable import Store

// A user of tests who is asked about calls, and a clock that a test turns.

/// Approvals over a database of their own, and what turns told of them.
final class ApprovalDesk: Sendable {
    let clock = TurnedClock()
    let database: Store.Database
    let approvals: Approvals
    let policies: ToolPolicies
    let log: AuditLog
    private let path: String
    private let ownsFile: Bool
    private let told = Mutex<[TurnEvent]>([])
    private let (events, event) = AsyncStream.makeStream(of: TurnEvent.self)

    static let ana = Approvals.Answerer(Registry.Actor(name: "ana", device: [1]), handle: "ana", isAdmin: false)
    static let bob = Approvals.Answerer(Registry.Actor(name: "bob", device: [2]), handle: "bob", isAdmin: false)
    static let root = Approvals.Answerer(Registry.Actor(name: "root", device: [3]), handle: "root", isAdmin: true)

    /// - Parameter path: a database that another desk has used, as a new process finds it.
    init(reopening path: String? = nil) throws {
        ownsFile = path == nil
        self.path = path ?? FileManager.default.temporaryDirectory.path + "/approvals-\(UUID().uuidString).db"
        database = try Store.Database(path: self.path)
        let clock = clock
        policies = ToolPolicies(ToolPolicyRepository(database)) { clock.now }
        log = AuditLog(database)
        approvals = Approvals(
            ApprovalRepository(database), policies: policies, lifetime: { .seconds(600) }, time: clock.source,
            makeID: { UUID().uuidString })
    }

    deinit {
        try? database.close()
        guard ownsFile else { return }
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    /// As another process sees the same rows.
    func restarted() throws -> ApprovalDesk { try ApprovalDesk(reopening: path) }

    /// What was told so far.
    var history: [TurnEvent] { told.withLock { $0 } }

    static func tool(
        _ name: String = "write", server: String = "other", _ effect: ToolDefinition.Effect = .action
    ) -> OfferedTool {
        OfferedTool(
            fullName: "\(server.replacing("-", with: "_"))_\(name)", server: server,
            definition: ToolDefinition(name: name, description: "", parameters: .object([:]), effect: effect))
    }

    static func context(turn: String = "t", call: String = "c", handle: String = "ana") -> ToolContext {
        ToolContext(turnID: turn, callID: call, sessionID: "s", handle: handle, isAdmin: false)
    }

    func admit(
        _ tool: OfferedTool = ApprovalDesk.tool(), _ arguments: [String: JSONValue] = ["path": "a"],
        _ context: ToolContext = ApprovalDesk.context()
    ) async throws -> ToolVerdict {
        try await approvals.admit(tool, arguments, for: context) { event in
            self.told.withLock { $0.append(event) }
            self.event.yield(event)
        }
    }

    /// The next question that a user is asked.
    func question() async -> ApprovalRequest {
        for await event in events {
            if case .approvalRequested(let request) = event { return request }
        }
        fatalError("the events of a desk never end")
    }

    func rows(_ action: String? = nil) async throws -> [AuditRecord] {
        try await log.rows(AuditFilter(action: action), limit: 100).map(\.record).reversed()
    }
}
