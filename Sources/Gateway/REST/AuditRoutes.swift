internal import Certs
internal import Hummingbird
internal import Store
internal import Transport
internal import Wire

// Who did what? The audit table, newest first and page by page, for admins.

enum AuditRoutes {
    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .admin(.get, "/api/audit", .audit) { request, _, _ in
                let coordinator = try administration.coordinator
                let asked = try request.newestFirst()
                let filter = AuditFilter(
                    before: asked.after, actor: try request.queryValue("actor"),
                    action: try request.queryValue("action"), subject: try request.queryValue("subject"))
                // One more than is shown tells whether there is a next page.
                let rows = try await coordinator.audit(filter, limit: asked.limit + 1)
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
            subject: entry.record.subject, result: entry.record.result)
    }
}
