import Foundation
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Transport
@testable import Wire

// What `/ws` broadcasts is heard without a socket, too, by those who may hear it.

@Suite struct EventRouteTests {
    @Test func whatChangesIsHeardByThoseWhoMayHearIt() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let member = try await gateway.join("ana")
            let quiet = "/api/events?resource=invitation,network_agent"
            let heard = try await TestEvents(running.stream(try await gateway.join("root")), "GET", quiet)
            let other = try await TestEvents(running.stream(member), "GET", quiet)
            let stream = try await running.stream(admin)
            let invitation = try await stream.ask("POST", "/api/network/invitations", "{}")
            let event = try #require(try await heard.next())
            #expect(event.name == "resource_event" && event.id == nil)
            #expect(
                try event.message.body
                    == .resourceEvent(
                        .init(resource: "invitation", action: "created", id: invitation.json["id"] as? String)))
            // Everybody hears of agents; it is the first thing that a member hears.
            _ = try await gateway.addAgent("bob")
            #expect(try await stream.ask("DELETE", "/api/network/agents/bob").status == 200)
            #expect(try await other.next()?.data?.contains("network_agent") == true)
            // A role counts from the moment that it is taken.
            #expect(try await heard.next()?.data?.contains("network_agent") == true)
            _ = try await gateway.join("second", role: .admin)
            #expect(try await stream.ask("PATCH", "/api/network/users/root", #"{"role":"member"}"#).status == 200)
            let second = try await running.stream(try await gateway.join("second"))
            #expect(try await second.ask("POST", "/api/network/invitations", "{}").status == 201)
            _ = try await gateway.addAgent("carol")
            #expect(try await second.ask("DELETE", "/api/network/agents/carol").status == 200)
            #expect(try await heard.next()?.data?.contains("carol") == true)
        }
    }

    @Test func theMachineIsMeasuredWhenOnlyAStreamListens() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running -> Void in
            let events = try await TestEvents(running.stream(gateway.device()), "GET", "/api/events?resource=system")
            for _ in 0..<2 {
                let event = try #require(try await events.next())
                #expect(event.name == "system_snapshot")
                #expect(event.data?.contains("cpu_percent") == true)
            }
            let report: SystemReport = try await running.stream(gateway.device()).ask("GET", "/api/system").decode()
            #expect(report.work.sockets == 1)
        }
    }

    @Test func nothingIsMeasuredForThoseWhoDoNotWantIt() throws {
        let live = LiveConnections()
        func watcher() -> Watcher { Watcher(id: live.nextID(), outbox: Outbox(limits: GatewayLimits())) }
        let (quiet, waiting, loud) = (watcher(), watcher(), watcher())
        let node = SecretKey().nodeID
        live.add(quiet, of: "ana", at: node, on: nil, hears: Interest(resources: [.vault], snapshots: false))
        live.add(waiting, of: "ana", at: node, on: nil, hears: .nothing)
        #expect(!live.isMeasured && live.listenerCount == 1)
        live.add(loud, of: "ana", at: node, on: nil)
        #expect(live.isMeasured && live.listenerCount == 2)
        live.remove(loud, on: nil)
        #expect(!live.isMeasured && live.listenerCount == 1)
    }

    @Test func aSilentStreamShowsThatItLives() async throws {
        var limits = GatewayLimits.patient
        limits.streamSilence = .milliseconds(20)
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let events = try await TestEvents(running.stream(gateway.device()), "GET", "/api/events?resource=vault")
            for _ in 0..<3 { #expect(try await events.nextOfAll()?.isSignOfLife == true) }
        }
    }

    @Test("P-03: a stream ends with the rights of its device, and says why", arguments: [true, false])
    func rightsEnd(_ isRevoked: Bool) async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.connection(of: device.nodeID).stream()
            try await stream.sendPreamble(gateway.certificate(for: device, lifetime: isRevoked ? 3600 : 2))
            let events = try await TestEvents(stream, "GET", "/api/events?resource=vault")
            #expect(try await events.nextOfAll()?.isSignOfLife == true)
            if isRevoked { gateway.membership.revoke(device.nodeID) }
            let rest = try await events.rest()
            let code = isRevoked ? "4003" : "4001"
            // The connection of a revoked device goes 20 ms later, whatever was still on its way.
            #expect(rest.last?.data?.contains(code) == true || isRevoked && rest.isEmpty, "\(rest)")
        }
    }

    @Test func whatNobodyIsToldOfIsRefusedAndAHeadListensToNothing() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.ask("GET", "/api/events?resource=vault,nothing")
            #expect(answer.status == 400 && answer.code == "invalid" && answer.hint?.contains("vault") == true)
            let head = try await stream.ask("HEAD", "/api/events")
            #expect(head.status == 200 && head.headers["content-type"] == "text/event-stream")
            let report: SystemReport = try await stream.ask("GET", "/api/system").decode()
            #expect(report.work.sockets == 0)
        }
    }

    @Test("Weakness: a stream that nobody reads delays nobody")
    func aStalledStreamDelaysNobody() async throws {
        var limits = GatewayLimits.patient
        limits.backlogEvents = 16
        let gateway = try TestGateway(limits: limits, place: .coordinator)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let stalled = try await TestEvents(running.stream(admin), "GET", "/api/events")
            let awake = try await running.webSocket(try await gateway.join("root"))
            let stream = try await running.stream(admin)
            for _ in 0..<40 {
                let id = try await stream.ask("POST", "/api/network/invitations", "{}").json["id"] as? String
                #expect(try await awake.resourceEvent { $0.id == id }.action == "created")
            }
            await stalled.close()
        }
    }

    @Test func aShutdownEndsStreamsInOrder() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let events = try await TestEvents(running.stream(gateway.device()), "GET", "/api/events?resource=vault")
            _ = try await events.nextOfAll()
            await gateway.server.shutdown(grace: .zero)
            #expect(try await events.rest().last?.data?.contains("1012") == true)
        }
    }
}
