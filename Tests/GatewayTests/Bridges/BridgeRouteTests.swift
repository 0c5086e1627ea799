import Foundation
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// P-36: who may talk through a bridge because an admin said so, and how are the bridges?

@Suite struct BridgeRouteTests {
    private static func pairing(_ sender: String, _ name: String = "Eve") -> String {
        #"{"sender":"\#(sender)","name":"\#(name)"}"#
    }

    @Test("P-36: a code lets its sender in once an admin gives it, and taking them off counts at the next question")
    func fromTheCodeToTheEnd() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let bridge = try await running.stream(gateway.ownBridge())
            let admin = try await running.stream(try await gateway.join("root", role: .admin))
            let telegram = "/api/bridges/telegram"
            func mayTalk(_ id: String = "155") async throws -> Bool {
                try await bridge.ask("GET", "\(telegram)/senders/\(id)").decode(SenderStanding.self).approved
            }
            #expect(try await !mayTalk())
            let code: PairingCode = try await bridge.ask("POST", "\(telegram)/pairings", Self.pairing("155")).decode()
            #expect(code.code.wholeMatch(of: /[A-HJ-NP-Z2-9]{8}/) != nil)
            let again: PairingCode = try await bridge.ask("POST", "\(telegram)/pairings", Self.pairing("155")).decode()
            #expect(again == code, "the same as long as it counts")
            let waiting = try await admin.ask("GET", "\(telegram)/pairings")
            #expect(waiting.body.contains(#""sender":"155""#) && !waiting.body.contains(code.code))
            #expect(try await !mayTalk())
            // As people type it.
            let typed = code.code.lowercased().prefix(4) + "-" + code.code.suffix(4)
            let approved: PairingApproved = try await admin.ask(
                "POST", "/api/bridges/pairings/\(typed)/approve"
            ).decode()
            #expect(approved.sender.sender == "155" && approved.sender.approvedBy == "root")
            #expect(try await mayTalk())
            #expect(try await !mayTalk("156"))
            #expect(try await admin.ask("POST", "/api/bridges/pairings/\(code.code)/approve").status == 404)
            let senders: SendersBody = try await admin.ask("GET", "\(telegram)/senders").decode()
            #expect(senders.senders.map(\.name) == ["Eve"] && senders.senders[0].device == nil)
            let removed: SenderRemoved = try await admin.ask("DELETE", "\(telegram)/senders/155").decode()
            #expect(removed.removed == 1)
            #expect(try await !mayTalk())
            #expect(try await admin.ask("DELETE", "\(telegram)/senders/155").status == 404)
            let audit: AuditBody = try await admin.ask("GET", "/api/audit?subject=telegram%20155").decode()
            #expect(audit.entries.map(\.action) == ["bridge.remove", "bridge.approve"])
            #expect(audit.entries.allSatisfy { $0.actor == "root" })
        }
    }

    @Test("a bridge elsewhere has senders of its own, and admins see whose they are")
    func bridgesElsewhereHaveTheirOwn() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let device = try await gateway.join("ana")
            let own = try await running.stream(gateway.ownBridge())
            let other = try await running.stream(gateway.bridge(of: device))
            let admin = try await running.operatorStream()
            let path = "/api/bridges/telegram"
            let mine: PairingCode = try await own.ask("POST", "\(path)/pairings", Self.pairing("1")).decode()
            let theirs: PairingCode = try await other.ask("POST", "\(path)/pairings", Self.pairing("1")).decode()
            #expect(mine.code != theirs.code)
            #expect(try await admin.ask("POST", "/api/bridges/pairings/\(theirs.code)/approve").status == 200)
            #expect(try await other.ask("GET", "\(path)/senders/1").decode(SenderStanding.self).approved)
            #expect(try await !own.ask("GET", "\(path)/senders/1").decode(SenderStanding.self).approved)
            #expect(try await admin.ask("POST", "/api/bridges/pairings/\(mine.code)/approve").status == 200)
            let first: SendersBody = try await admin.ask("GET", "\(path)/senders?limit=1").decode()
            let second: SendersBody = try await admin.ask(
                "GET", "\(path)/senders?limit=1&cursor=\(first.nextCursor ?? "")"
            ).decode()
            #expect((first.senders + second.senders).map(\.device) == [nil, device.nodeID.hex])
            #expect(second.nextCursor == nil)
            // Whoever is taken off is off everywhere.
            let removed: SenderRemoved = try await admin.ask("DELETE", "\(path)/senders/1").decode()
            #expect(removed.removed == 2)
            // An own bridge is one of its platform and of no other.
            #expect(try await own.ask("GET", "/api/bridges/discord/senders/1").status == 403)
            #expect(try await own.ask("GET", "/api/bridges/fax/senders/1").status == 404)
        }
    }

    @Test("codes run out after an hour, 20 wait at a time, and guessing is slowed down")
    func boundsOfCodes() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let bridge = gateway.ownBridge()
            let stream = try await running.stream(bridge)
            let admin = try await running.operatorStream()
            func ask(_ sender: Int) async throws -> TestResponse {
                try await stream.ask("POST", "/api/bridges/telegram/pairings", Self.pairing("\(sender)"))
            }
            let first = try await ask(1).decode(PairingCode.self)
            for sender in 2...20 { #expect(try await ask(sender).status == 200) }
            let refused = try await ask(21)
            #expect(refused.status == 429 && refused.code == "rate_limited")
            #expect(try await ask(1).decode(PairingCode.self) == first)
            for wrong in [
                #"{"sender":"","name":"x"}"#, #"{"sender":"\#(String(repeating: "1", count: 129))","name":""}"#,
            ] {
                #expect(try await stream.ask("POST", "/api/bridges/telegram/pairings", wrong).status == 400)
            }
            gateway.clock.advance(by: PairingDesk.lifetime)
            #expect(try await admin.ask("POST", "/api/bridges/pairings/\(first.code)/approve").status == 404)
            let empty: PairingsBody = try await admin.ask("GET", "/api/bridges/telegram/pairings").decode()
            #expect(empty.pairings.isEmpty)
            // The certificate ran out, too: a fresh one has the same key.
            let fresh = try await running.stream(
                TestBridge(
                    node: bridge.node,
                    certificate: BridgeIdentity.issue(
                        .telegram, bridge.node, networkID: gateway.configuration.agent.networkID,
                        signedBy: gateway.identity, at: gateway.clock.now
                    ).wire))
            let second: PairingCode = try await fresh.ask(
                "POST", "/api/bridges/telegram/pairings", Self.pairing("1")
            ).decode()
            #expect(second.code != first.code)
            for _ in 2...PairingDesk.mostWrong {
                #expect(try await admin.ask("POST", "/api/bridges/pairings/AAAAAAAA/approve").status == 404)
            }
            let slowed = try await admin.ask("POST", "/api/bridges/pairings/\(second.code)/approve")
            #expect(slowed.status == 429 && slowed.headers["retry-after"] != nil)
            gateway.clock.advance(by: PairingDesk.throttleTime)
            #expect(try await admin.ask("POST", "/api/bridges/pairings/\(second.code)/approve").status == 200)
        }
    }

    @Test("admins see how each bridge is, and which one is gone")
    func statusOfBridges() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let device = try await gateway.join("ana")
            let own = try await running.stream(gateway.ownBridge())
            let connection = try await running.connection(of: device.nodeID)
            let other = try await connection.stream()
            try await other.sendPreamble(gateway.bridge(of: device).certificate)
            let admin = try await running.operatorStream()
            let status =
                #"{"state":"connected","account":"@ada_bot","waiting":3,"parked":[{"chat":"5","reason":"blocked"}]}"#
            #expect(try await own.ask("PUT", "/api/bridges/telegram/status", status).status == 200)
            #expect(try await other.ask("PUT", "/api/bridges/slack/status", #"{"state":"connecting"}"#).status == 200)
            #expect(try await other.ask("PUT", "/api/bridges/slack/status", #"{"state":"bored"}"#).status == 400)
            let first: BridgesBody = try await admin.ask("GET", "/api/bridges?limit=1").decode()
            let rest: BridgesBody = try await admin.ask(
                "GET", "/api/bridges?limit=1&cursor=\(first.nextCursor ?? "")"
            ).decode()
            let bridges = first.bridges + rest.bridges
            #expect(bridges.map(\.platform) == ["slack", "telegram"] && rest.nextCursor == nil)
            #expect(bridges[0].device == device.nodeID.hex && bridges[0].handle == "ana")
            #expect(bridges[0].state == "connecting")
            #expect(bridges[1].device == nil && bridges[1].account == "@ada_bot" && bridges[1].waiting == 3)
            #expect(bridges[1].parked == [.init(chat: "5", reason: "blocked")])
            _ = try await #require(gateway.network).revokeDevice(device.nodeID, by: .operator)
            _ = try await connection.closed.code()
            try await within(20, "the bridge to be gone") {
                while true {
                    let now: BridgesBody = try await admin.ask("GET", "/api/bridges").decode()
                    if now.bridges[0].state == "gone" { return }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
    }
}
