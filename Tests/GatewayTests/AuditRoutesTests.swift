import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// What the audit table tells admins over REST.

@Suite struct AuditRoutesTests {
    @Test func everyActLeavesARowThatTellsWhoFromWhereWhatOnWhomAndHowItWent() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let root = try await gateway.join("root", role: .admin)
            let ana = try await gateway.join("ana")
            let admin = try await running.stream(root)
            let host = try await running.operatorStream()
            let key = ana.nodeID.hex
            _ = try await host.ask("PATCH", "/api/network/users/ana", #"{"role":"admin"}"#)
            _ = try await admin.ask("DELETE", "/api/network/users/nobody")
            _ = try await running.stream(ana).ask("PATCH", "/api/whoami/devices/\(key)", #"{"label":"phone"}"#)
            _ = try await admin.ask("PATCH", "/api/network/users/ana", #"{"role":"admin"}"#)
            _ = try await admin.ask("DELETE", "/api/network/devices/\(key)")
            let audit: AuditBody = try await admin.ask("GET", "/api/audit").decode()
            let expected = [
                ["root", root.nodeID.hex, "device.revoke", key, "ok"], ["ana", key, "device.rename", key, "ok"],
                ["root", root.nodeID.hex, "user.remove", "nobody", "refused: unknown"],
                ["operator", nil, "user.promote", "ana", "ok"],
            ]
            #expect(audit.entries.map { [$0.actor, $0.device, $0.action, $0.subject, $0.result] } == expected)
            #expect(audit.next == nil)
            #expect(audit.entries.allSatisfy { abs($0.at - gateway.clock.now) < 60 })
        }
    }

    @Test func theTableIsReadPageByPageAndFiltered() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            _ = try await gateway.join("root", role: .admin)
            for index in 0..<7 { _ = try await gateway.addAgent("agent\(index)") }
            let host = try await running.operatorStream()
            for index in 0..<3 { _ = try await host.ask("DELETE", "/api/network/agents/agent\(index)") }
            _ = try await host.ask("DELETE", "/api/network/users/root")
            func page(_ query: String) async throws -> AuditBody {
                try await host.ask("GET", "/api/audit?\(query)").decode()
            }
            var pages: [AuditBody] = []
            var before = ""
            repeat {
                pages.append(try await page("limit=4" + before))
                before = pages.last?.next.map { "&before=\($0)" } ?? ""
            } while !before.isEmpty
            #expect(pages.map(\.entries.count) == [4, 4, 3])
            let ids = pages.flatMap(\.entries).map(\.id)
            #expect(ids == ids.sorted(by: >) && Set(ids).count == 11)
            #expect(try await page("limit=11").next == nil)
            #expect(try await page("action=agent").entries.count == 10)
            #expect(try await page("action=agent.remove").entries.count == 3)
            #expect(try await page("action=agent.remove&subject=agent1").entries.count == 1)
            #expect(try await page("subject=agent%31").entries.count == 2)
            #expect(try await page("actor=operator").entries.count == 11)
            #expect(try await page("actor=nobody").entries.isEmpty)
            #expect(try await page("action=user").entries.map(\.result) == ["refused: last admin"])
            for query in [
                "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1.5", "before=0", "before=x",
                "before=99999999999999999999", "actor=" + String(repeating: "a", count: 257),
            ] {
                let refused = try await host.ask("GET", "/api/audit?\(query)")
                #expect(refused.status == 400 && refused.code == "invalid", "\(query)")
            }
        }
    }
}
