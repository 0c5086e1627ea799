internal import Certs
internal import Foundation
internal import Hummingbird
internal import JSON
internal import Store
internal import Transport
internal import Wire

// Who did what? The audit table, newest first and page by page, for admins: what was done to the network where this agent coordinates
// it, what was configured, and what tools and models were called. Every agent has its own.

enum AuditRoutes {
    /// - Parameter log: this agent's own; nil: the coordinator's, where it lives in this process.
    static func routes(_ administration: NetworkAdministration, _ log: AuditLog?) -> [Route] {
        [
            .admin(.get, "/api/audit", .audit) { request, _, _ in
                let asked = try request.newestFirst()
                let filter = AuditFilter(
                    before: asked.after, actor: try request.queryValue("actor"),
                    action: try request.queryValue("action"), subject: try request.queryValue("subject"))
                // One more than is shown tells whether there is a next page.
                let rows =
                    if let log { try await log.rows(filter, limit: asked.limit + 1) } else {
                        try await administration.coordinator.audit(filter, limit: asked.limit + 1)
                    }
                let (page, next) = try asked.page(of: rows, key: \.id)
                return try JSON.response(
                    AuditBody(
                        entries: page.map(AuditEntryBody.init), next: next == nil ? nil : page.last?.id,
                        nextCursor: next))
            }
        ]
    }
}

extension AuditEntryBody {
    fileprivate init(_ entry: AuditEntry) {
        self.init(
            id: entry.id, at: entry.record.at, actor: entry.record.actor,
            device: entry.record.actorDevice.map { Base16.encode($0) }, action: entry.record.action,
            subject: entry.record.subject, result: entry.record.result,
            details: entry.record.details.flatMap { try? JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) })
    }
}
