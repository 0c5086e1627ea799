import Foundation
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Does everybody who shows something hear that it changed, and nobody else?

@Suite struct BroadcastTests {
    /// Every route that may change something.
    static var mutating: [String] {
        AccessMatrixTests.table.keys.filter { !$0.hasPrefix("GET ") }.sorted()
    }

    @Test("P-62: no route that changes something can be written without saying what others hear")
    func everyMutatingRouteDeclaresItsAnnouncement() throws {
        for route in try TestGateway(place: .coordinator).routes() where route.method != .get {
            switch route.announces {
            case nil: Issue.record("\(route.method) \(route.path) announces nothing")
            case .event(_, _, let part?, _)?: #expect(route.path.contains("{\(part)}"), "\(route.path)")
            case .event, .nothing: break
            }
        }
    }

    @Test("P-62: what one client changes over REST, another one hears", arguments: mutating)
    func everyMutationIsHeard(_ name: String) async throws {
        let files = try TestFiles()
        let notes = try TestNotes(["House/Note.md": "one"])
        let config = try TestConfiguration("name: Ada\n")
        let gateway = try TestGateway(
            place: .coordinator, files: files, vault: notes.vault, store: config.store)
        let declared = try gateway.routes().first { "\($0.method.rawValue) \($0.path)" == name }
        guard case .event(let resource, let action, _, _)? = declared?.announces else { return }
        try await gateway.run { running in
            let actor = try await gateway.join("root", role: .admin)
            let listener = try await running.webSocket(try await gateway.join("root"))
            let isOwn = name.contains("/whoami/")
            let victim = try await gateway.join(isOwn ? "root" : "victim", label: "phone")
            _ = try await gateway.addAgent("victim")
            let network = try #require(gateway.network)
            let invitation = try await network.createInvitation(InvitationRequest(), by: .operator)
            let invited = InvitationSummary(invitation, now: gateway.clock.now).id
            try await gateway.fillRegistry()
            // Its owner may do something with a session, too.
            _ = try await gateway.sessions.open(handle: "root", sessionID: invited, reserving: 1, now: 0)
            try await TestPlans.insert(invited, into: gateway.database)
            try await ArtifactRepository(gateway.database).insert(
                ArtifactRecord(
                    id: invited, owner: "root", filename: "a.txt", mimeType: "text/plain", size: 1, sha256: sha256("x"),
                    origin: .upload, createdAt: 0))
            let code = try await gateway.pairing(of: invited, isApproved: name.contains("/senders/"))
            let parts = name.split(separator: " ")
            let path = parts[1].replacing("{platform}", with: "telegram").replacing("{code}", with: code)
                .replacing("{handle}", with: "%56ictim").replacing("{id}", with: invited)
                .replacing("{key}", with: victim.nodeID.hex.uppercased())
                .replacing("{path:**}", with: "House%2FNote.md").replacing("{section}", with: "name").namingRows
            let isOfBridges = AccessMatrixTests.table[name]?.rule == .bridge
            let stream = try await isOfBridges ? running.stream(gateway.ownBridge()) : running.stream(actor)
            let body = AccessMatrixTests.table[name]?.body
            let answer =
                path == "/api/upload"
                ? try await stream.upload("hello", as: "a.txt")
                : try await stream.ask(String(parts[0]), String(path), body)
            #expect((200..<300).contains(answer.status), "\(name): \(answer)")

            let event = try await listener.resourceEvent { $0.resource == resource.rawValue }
            #expect(event.action == action.rawValue)
            if name.contains("/bridges/") {
                #expect(event.id == "telegram")
            } else if let row = TestGateway.registryRow(of: name) {
                #expect(event.id == row)
            } else if path.contains(invited) {
                #expect(event.id == invited)
            } else if name.contains("/config") {
                #expect(event.id == "name")
            } else if name.contains("/vault/") {
                #expect(event.id == (name.contains("move") ? "Other.md" : "House/Note.md"))
            } else if path.contains("ictim") {
                #expect(event.id == "victim")
            } else if name.contains("{key}") {
                #expect(event.id == victim.nodeID.hex)
            } else if let id = answer.json["id"] as? String {
                #expect(event.id == id)
                #expect(event.id != answer.json["code"] as? String)
            }
        }
    }

    @Test func aSessionThatGoesOnAndOnIsToldOfOnceAndThenAfterItsRest() {
        var news = SessionNews()
        let (one, other) = (SessionKey(handle: "ana", sessionID: "1"), SessionKey(handle: "ana", sessionID: "2"))
        let told = [
            news.goOn(one), news.goOn(one), news.goOn(one),
            // Each session for itself.
            news.goOn(other),
            // What went on meanwhile is told once, and a session without news rests no longer.
            news.wake(one), news.goOn(one), news.wake(one), news.wake(one), news.goOn(one),
        ]
        #expect(told == [true, false, false, true, true, false, true, false, true])
    }

    @Test func whatFailedIsNotTold() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let listener = try await running.webSocket(admin)
            let stream = try await running.stream(admin)
            #expect(try await stream.ask("DELETE", "/api/network/users/nobody").status == 404)
            #expect(try await stream.ask("DELETE", "/api/network/invitations/nothing").status == 404)
            let created = try await stream.ask("POST", "/api/network/invitations", "{}")
            #expect(try await listener.resourceEvent().id == created.json["id"] as? String)
        }
    }

    @Test func onlyAdminsHearOfTheNetworksPeopleAndARoleCountsFromTheMomentThatItIsTaken() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let other = try await running.webSocket(try await gateway.join("second", role: .admin))
            let member = try await running.webSocket(try await gateway.join("ana"))
            let stream = try await running.stream(admin)
            func invite() async throws -> String? {
                try await stream.ask("POST", "/api/network/invitations", "{}").json["id"] as? String
            }
            let first = try await invite()
            #expect(try await other.resourceEvent().id == first)
            #expect(try await stream.ask("PATCH", "/api/network/users/second", #"{"role":"member"}"#).status == 200)
            _ = try await invite()
            // Everybody hears of agents; it is the first thing that those two hear from then on.
            _ = try await gateway.addAgent("bob")
            #expect(try await stream.ask("DELETE", "/api/network/agents/bob").status == 200)
            for socket in [other, member] {
                let event = try await socket.resourceEvent()
                #expect(event == .init(resource: "network_agent", action: "deleted", id: "bob"))
            }
        }
    }

    @Test func aUsersSessionsAreTheirOwnNews() async throws {
        let gateway = try TestGateway(ScriptedAgent(.immediate { _ in "done" }))
        try await gateway.run { running in
            let (phone, tablet, stranger) = (gateway.device("ana"), gateway.device("ana"), gateway.device("bob"))
            let speaking = try await running.webSocket(phone)
            let watching = try await running.webSocket(tablet)
            let foreign = try await running.webSocket(stranger)
            try await speaking.say("hello", session: "s1")
            #expect(try await watching.resourceEvent() == .init(resource: "session", action: "created", id: "s1"))
            #expect(try await watching.resourceEvent() == .init(resource: "session", action: "updated", id: "s1"))
            // What goes on at once is told once more, a second later, and not for each turn.
            for number in 1...5 { try await speaking.say("again", session: "s1", id: "again-\(number)") }
            _ = try await speaking.messages { $0.isTurnEnd && $0.messageID == "again-5" }
            #expect(try await watching.resourceEvent() == .init(resource: "session", action: "updated", id: "s1"))
            try await speaking.send(.command(.init(name: "clear", sessionID: "s1")))
            let cleared = try await watching.resourceEvent { $0.action != "updated" }
            #expect(cleared == .init(resource: "session", action: "deleted", id: "s1"))
            try await foreign.say("hello", session: "theirs")
            #expect(try await foreign.resourceEvent().id == "theirs")
        }
    }

    @Test func toolsThatWriteWhatOthersShowAreToldOnceForEachTurn() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let speaking = try await running.webSocket(gateway.device("ana"))
            let watching = try await running.webSocket(gateway.device("bob"))
            try await speaking.say("remember")
            let run = try await gateway.agent.nextRun()
            run.journal(.toolCall(id: "1", name: "vault_append_note", arguments: "{}"))
            run.journal(.toolCall(id: "2", name: "vault_read", arguments: "{}"))
            run.journal(.toolCall(id: "3", name: "mcp_manager.add", arguments: "{}"))
            run.journal(.toolCall(id: "4", name: "web_search", arguments: "{}"))
            run.answer("done")
            #expect(try await watching.resourceEvent() == .init(resource: "mcp", action: "changed"))
            #expect(try await watching.resourceEvent() == .init(resource: "vault", action: "changed"))
            try await speaking.say("search")
            let second = try await gateway.agent.nextRun()
            second.journal(.toolCall(id: "1", name: "scheduler_list", arguments: "{}"))
            second.answer("done")
            #expect(try await watching.resourceEvent() == .init(resource: "scheduled_task", action: "changed"))
        }
    }

    @Test(arguments: [
        ("vault_append_note", [Broadcasts.Resource.vault]), ("mcp__Vault.write", [.vault]),
        ("scheduler_create", [.scheduledTask]), ("workflow_manager_run", [.workflow]), ("workflow_run", []), ("", []),
    ])
    func namesOfToolsSayWhatTheyTouch(_ name: String, _ resources: [Broadcasts.Resource]) {
        #expect(TurnTools.resources(ofTool: name) == Set(resources))
    }

    @Test("Weakness: a client that reads nothing delays nobody")
    func aStalledSocketDelaysNobody() async throws {
        var limits = GatewayLimits.patient
        limits.backlogEvents = 16
        let gateway = try TestGateway(limits: limits, place: .coordinator)
        try await gateway.run { running in
            let admin = try await gateway.join("root", role: .admin)
            let stalled = try await running.webSocket(try await gateway.join("root"))
            let awake = try await running.webSocket(try await gateway.join("root"))
            let stream = try await running.stream(admin)
            for _ in 0..<40 {
                let id = try await stream.ask("POST", "/api/network/invitations", "{}").json["id"] as? String
                #expect(try await awake.resourceEvent { $0.id == id }.action == "created")
            }
            await stalled.close()
        }
    }

    // MARK: The line of one socket

    @Test func nothingIsToldBeforeTheGreeting() async throws {
        let outbox = Outbox(limits: GatewayLimits())
        outbox.broadcast("early")
        outbox.offer(snapshot: "machine")
        outbox.send(.text("auth_ok"))
        outbox.broadcast("late")
        #expect(await outbox.next() == [.text("auth_ok"), .text("late"), .text("machine")])
    }

    @Test func aWaitingSnapshotIsReplacedAndTakesNoPlace() async throws {
        var limits = GatewayLimits()
        limits.backlogEvents = 100
        limits.backlogBytes = 100_000
        let outbox = Outbox(limits: limits)
        outbox.send(.text("auth_ok"))
        #expect(await outbox.next() == [.text("auth_ok")])
        for number in 1...500 { outbox.offer(snapshot: String(repeating: "x", count: 1000) + "\(number)") }
        for number in 1...100 { outbox.send(.text("\(number)")) }
        #expect(!outbox.isClosing)
        // 36 of 100 are left: too many for a snapshot.
        #expect(await outbox.next() == (1...64).map { .text("\($0)") })
        let rest = try #require(await outbox.next())
        #expect(rest.dropLast() == (65...100).map { Outbox.Item.text("\($0)") }[...])
        #expect(rest.last == .text(String(repeating: "x", count: 1000) + "500"))
    }
}

extension TestGateway {
    /// The code that somebody was told by the agent's bridge to Telegram, which an admin may have used.
    fileprivate func pairing(of sender: String, isApproved: Bool) async throws -> String {
        let desk = try #require(configuration.bridges.desk)
        let place = PairingPlace(platform: Platform.telegram.rawValue, device: nil)
        let code = try #require(try await desk.code(for: sender, called: "Eve", at: place)).code
        if isApproved { _ = try await desk.approve(code, by: Registry.Actor(name: "root")) }
        return code
    }
}
