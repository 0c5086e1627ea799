internal import Certs
internal import Hummingbird
internal import Store
internal import Transport
internal import Wire

// Who did what? The audit table, newest first and page by page, for admins.

enum AuditRoutes {
    private static let rowsPerPage = 100
    private static let mostRows = 1_000

    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .admin(.get, "/api/audit", .audit) { request, _, _ in
                let coordinator = try administration.coordinator
                let limit = try request.queryNumber("limit", in: 1...mostRows) ?? rowsPerPage
                let filter = AuditFilter(
                    before: try request.queryNumber("before", in: 1...Int64.max),
                    actor: try request.queryValue("actor"),
                    action: try request.queryValue("action"), subject: try request.queryValue("subject"))
                // One more than is shown tells whether there is a next page.
                let rows = try await coordinator.audit(filter, limit: limit + 1)
                let page = rows.prefix(limit)
                return try JSON.response(
                    AuditBody(
                        entries: page.map(AuditEntryBody.init), next: rows.count > limit ? page.last?.id : nil))
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
