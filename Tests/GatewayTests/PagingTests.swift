import Foundation
import JSON
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Wire

// Every list is read page by page: none has an answer without end, and none loses a row between two pages.

@Suite struct PagingTests {
    /// Answers with a list that has no pages, each with the reason.
    private static let exceptions = [
        "/api/vault/search": "the best hits are wanted, up to 100",
        "/api/vault/graph": "a graph is of use as a whole; the vault bounds it",
        "/api/vault/notes/{path}": "one note, with its tags and links",
        "/api/cron/describe": "at most 20 times",
        "/api/mcp-tools": "at most 1,000 tools of each server that runs, to choose from",
        "/api/models/available": "one answer of a provider, of at most 4 MiB",
        "/api/models/catalog": "what admins have enabled, to choose from; GET /api/models has pages of all",
        "/api/models/providers": "vendors that are built in",
        "/api/usage": "the limits that are set: three for each of four",
        "/api/usage/daily": "at most 366 days",
        "/api/workflow-block-types": "kinds that are built in",
        "/api/workflows/{id}": "one workflow, with its schedules",
        "/api/workflows/{id}/stats": "at most 50 runs",
    ]

    @Test("every GET of the document that answers a list takes limit and cursor, and answers next_cursor")
    func everyListIsPaged() throws {
        let gateway = try TestGateway(place: .coordinator)
        let document = try OpenAPIDocument(version: "1", routes: try gateway.routes()).json()
        var unused = Set(Self.exceptions.keys)
        var lists = 0
        for (path, operations) in try #require(document["paths"]?.entries) {
            guard let operation = operations["get"] else { continue }
            let schema = operation["responses"]?["200"]?["content"]?["application/json"]?["schema"]
            let properties = schema?["properties"]?.entries ?? [:]
            guard properties.contains(where: { $0.value["type"]?.string == "array" }) else { continue }
            if Self.exceptions[path] != nil {
                unused.remove(path)
                continue
            }
            lists += 1
            let parameters = Set((operation["parameters"]?.elements ?? []).compactMap { $0["name"]?.string })
            #expect(parameters.isSuperset(of: ["limit", "cursor"]), "\(path)")
            #expect(properties["next_cursor"] != nil, "\(path)")
        }
        #expect(lists >= 13 && unused.isEmpty, "\(lists) lists, exceptions that are none: \(unused)")
    }

    @Test("10,000 users are listed by pages, each user once and in order, while users come and go")
    func tenThousandUsers() async throws {
        let gateway = try TestGateway(place: .coordinator)
        let count = 10_000
        try await gateway.rows.write { transaction in
            for number in 0..<count {
                // Many of the same time: the handle tells them apart.
                let (handle, time) = (String(format: "user%05d", number), Double(1_000 + number / 7))
                try transaction.insertUser(UserRecord(handle: handle, pakeRecord: [], role: .member, createdAt: time))
            }
        }
        try await gateway.run { running in
            let network = try #require(gateway.network)
            let admin = try await running.operatorStream()
            var seen: [String] = []
            var cursor = ""
            var pages = 0
            repeat {
                let page: UsersBody = try await admin.ask("GET", "/api/network/users?limit=1000\(cursor)").decode()
                seen += page.users.map(\.handle)
                pages += 1
                // One that was seen leaves.
                let last = try #require(seen.last)
                try await network.removeUser(last, by: .operator)
                cursor = page.nextCursor.map { "&cursor=\($0)" } ?? ""
            } while !cursor.isEmpty
            #expect(pages == 10 && seen == (0..<count).map { String(format: "user%05d", $0) })
        }
    }

    @Test func devicesInvitationsAndAuditRowsComeInPages() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let ana = try await gateway.join("ana")
            var keys = [ana.nodeID.hex]
            for _ in 0..<2 { keys.append(try await gateway.join("ana").nodeID.hex) }
            let network = try #require(gateway.network)
            for _ in 0..<3 { _ = try await network.createInvitation(InvitationRequest(), by: .operator) }
            let admin = try await running.operatorStream()
            for path in ["/api/network/devices?limit=2", "/api/network/devices?user=ana&limit=2"] {
                let first: DevicesBody = try await admin.ask("GET", path).decode()
                let rest: DevicesBody = try await admin.ask("GET", "\(path)&cursor=\(first.nextCursor ?? "")").decode()
                #expect(first.devices.count == 2 && rest.devices.count == 1 && rest.nextCursor == nil)
                #expect(Set((first.devices + rest.devices).map(\.device)) == Set(keys))
            }
            let mine: DevicesBody = try await running.stream(ana).ask("GET", "/api/whoami/devices?limit=2").decode()
            #expect(mine.devices.count == 2 && mine.nextCursor != nil)
            let new: InvitationsBody = try await admin.ask("GET", "/api/network/invitations?limit=2").decode()
            let old: InvitationsBody = try await admin.ask(
                "GET", "/api/network/invitations?limit=2&cursor=\(new.nextCursor ?? "")"
            ).decode()
            #expect(Set((new.invitations + old.invitations).map(\.id)).count == 3 && old.nextCursor == nil)
            // Of the audit table both ways lead to the same page.
            let page: AuditBody = try await admin.ask("GET", "/api/audit?limit=2").decode()
            let byNumber: AuditBody = try await admin.ask("GET", "/api/audit?before=\(page.next ?? 0)").decode()
            let byCursor: AuditBody = try await admin.ask("GET", "/api/audit?cursor=\(page.nextCursor ?? "")").decode()
            #expect(byNumber == byCursor && byNumber.entries.count == 1)
        }
    }

    @Test("role and status of a user change together, or not at all")
    func roleAndStatusChangeInOneTransaction() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            _ = try await gateway.join("root", role: .admin)
            _ = try await gateway.join("bob")
            let admin = try await running.operatorStream()
            let both = try await admin.ask(
                "PATCH", "/api/network/users/bob", #"{"role":"admin","status":"suspended"}"#)
            let change: UserChange = try both.decode()
            #expect(change == UserChange(handle: "bob", role: "admin", status: "suspended", updated: true))
            let rows: AuditBody = try await admin.ask("GET", "/api/audit?subject=bob").decode()
            #expect(Set(rows.entries.map(\.action)) == ["user.promote", "user.suspend"])
            let refused = try await admin.ask(
                "PATCH", "/api/network/users/root", #"{"role":"member","status":"suspended"}"#)
            #expect(refused.status == 409)
            let network = try #require(gateway.network)
            let root = try await network.user("root")
            #expect(root?.role == .admin && root?.status == .active)
            let again = try await admin.ask(
                "PATCH", "/api/network/users/bob", #"{"role":"admin","status":"suspended"}"#)
            #expect(again.json["updated"] as? Bool == false)
        }
    }
}

extension JSONValue {
    fileprivate var entries: [String: JSONValue]? { if case .object(let fields) = self { fields } else { nil } }
    fileprivate var elements: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
}
