import Foundation
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Who may do what? The whole answer, written out once more by hand and compared with what the gateway does: each route and
// each message, with everything that somebody could present, over real streams.

@Suite struct AccessMatrixTests {
    enum Rule: Equatable {
        case anyone, member, admin
        /// Members who are a bridge, or who are none.
        case bridge, person
    }

    /// What a route asks of its caller, and a body that would change something.
    struct Expected {
        var rule: Rule
        var body: String?
    }

    /// Every route of the gateway. A route that is missing here fails the test, and so does an entry without a route.
    static let table: [String: Expected] = [
        "GET /api/health": .init(rule: .anyone),
        "GET /api/openapi.json": .init(rule: .member),
        "GET /api/agent-info": .init(rule: .member),
        "GET /api/whoami": .init(rule: .member),
        "GET /api/whoami/devices": .init(rule: .member),
        "PATCH /api/whoami/devices/{key}": .init(rule: .person, body: #"{"label":"mine"}"#),
        "DELETE /api/whoami/devices/{key}": .init(rule: .person),
        "POST /api/whoami/invitations": .init(rule: .person, body: "{}"),
        "GET /api/network": .init(rule: .member),
        "GET /api/network/info": .init(rule: .member),
        "GET /api/network/agents": .init(rule: .member),
        "PATCH /api/network/agents/{handle}": .init(rule: .admin, body: #"{"label":"theirs"}"#),
        "DELETE /api/network/agents/{handle}": .init(rule: .admin),
        "GET /api/network/users": .init(rule: .admin),
        "PATCH /api/network/users/{handle}": .init(rule: .admin, body: #"{"role":"admin"}"#),
        "DELETE /api/network/users/{handle}": .init(rule: .admin),
        "GET /api/network/devices": .init(rule: .admin),
        "GET /api/network/devices/{key}": .init(rule: .admin),
        "PATCH /api/network/devices/{key}": .init(rule: .admin, body: #"{"label":"theirs"}"#),
        "DELETE /api/network/devices/{key}": .init(rule: .admin),
        "GET /api/network/invitations": .init(rule: .admin),
        "POST /api/network/invitations": .init(rule: .admin, body: "{}"),
        "DELETE /api/network/invitations/{id}": .init(rule: .admin),
        "GET /api/audit": .init(rule: .admin),
        "GET /api/system": .init(rule: .member),
        "POST /api/chat": .init(rule: .member, body: #"{"message":"hello"}"#),
        "GET /api/events": .init(rule: .member),
        "GET /api/logs": .init(rule: .admin),
        "GET /api/usage": .init(rule: .member),
        "GET /api/usage/daily": .init(rule: .member),
        "GET /api/usage/by": .init(rule: .member),
        "GET /api/usage/pricing": .init(rule: .member),
        "GET /api/sessions": .init(rule: .member),
        "GET /api/sessions/{id}": .init(rule: .member),
        "PATCH /api/sessions/{id}": .init(rule: .member, body: #"{"title":"theirs"}"#),
        "DELETE /api/sessions/{id}": .init(rule: .member),
        "GET /api/sessions/{id}/messages": .init(rule: .member),
        "GET /api/sessions/{id}/runs": .init(rule: .member),
        "GET /api/sessions/{id}/events": .init(rule: .member),
        "GET /api/sessions/{id}/context": .init(rule: .member),
        "GET /api/sessions/{id}/model": .init(rule: .member),
        "PUT /api/sessions/{id}/model": .init(rule: .member, body: #"{"runtime_id":"test"}"#),
        "DELETE /api/sessions/{id}/model": .init(rule: .member),
        "POST /api/sessions/{id}/clear": .init(rule: .member),
        "POST /api/sessions/{id}/pin": .init(rule: .member, body: #"{"model":"test"}"#),
        "PUT /api/sessions/{id}/pin": .init(rule: .member, body: #"{"model":"test"}"#),
        "DELETE /api/sessions/{id}/pin": .init(rule: .member),
        "GET /api/sessions/archives": .init(rule: .member),
        "GET /api/sessions/archives/{id}": .init(rule: .member),
        "POST /api/restart": .init(rule: .admin),
        "GET /api/config": .init(rule: .admin),
        "PUT /api/config": .init(rule: .admin, body: #"{"name":"theirs"}"#),
        "PATCH /api/config/{section}": .init(rule: .admin, body: #""theirs""#),
        "POST /api/upload": .init(rule: .member, body: "{}"),
        "GET /api/upload/{id}": .init(rule: .member),
        "GET /api/files": .init(rule: .member),
        "GET /api/files/{id}": .init(rule: .member),
        "DELETE /api/files/{id}": .init(rule: .member),
        "POST /api/backup": .init(rule: .admin, body: "{}"),
        "GET /api/vault/notes": .init(rule: .member),
        "GET /api/vault/notes/{path:**}": .init(rule: .member),
        "PUT /api/vault/notes/{path:**}": .init(rule: .member, body: #"{"content":"theirs"}"#),
        "DELETE /api/vault/notes/{path:**}": .init(rule: .member),
        "POST /api/vault/move": .init(rule: .member, body: #"{"from":"House/Note.md","to":"Other.md"}"#),
        "POST /api/vault/reindex": .init(rule: .admin),
        "GET /api/vault/search": .init(rule: .member),
        "GET /api/vault/graph": .init(rule: .member),
        "GET /api/vault/backlinks": .init(rule: .member),
        "GET /api/vault/tags": .init(rule: .member),
        "GET /api/providers": .init(rule: .admin),
        "POST /api/providers": .init(rule: .admin, body: #"{"name":"groq","api_key":"theirs"}"#),
        "GET /api/providers/{provider}": .init(rule: .admin),
        "PUT /api/providers/{provider}": .init(rule: .admin, body: #"{"api_key":"theirs"}"#),
        "DELETE /api/providers/{provider}": .init(rule: .admin),
        "POST /api/providers/{provider}/enable": .init(rule: .admin),
        "POST /api/providers/{provider}/disable": .init(rule: .admin),
        "POST /api/providers/{provider}/test": .init(rule: .admin, body: "{}"),
        "GET /api/models": .init(rule: .member),
        "POST /api/models": .init(rule: .admin, body: #"{"provider_id":1,"model":"theirs"}"#),
        "GET /api/models/catalog": .init(rule: .member),
        "GET /api/models/available": .init(rule: .admin),
        "GET /api/models/providers": .init(rule: .member),
        "GET /api/models/{model}": .init(rule: .member),
        "PUT /api/models/{model}": .init(rule: .admin, body: #"{"is_classifier":true}"#),
        "DELETE /api/models/{model}": .init(rule: .admin),
        "POST /api/models/{model}/enable": .init(rule: .admin),
        "POST /api/models/{model}/disable": .init(rule: .admin),
        "GET /api/mcps": .init(rule: .admin),
        "POST /api/mcps": .init(rule: .admin, body: #"{"name":"theirs","command":"sh -c true"}"#),
        "GET /api/mcps/{name}": .init(rule: .admin),
        "PUT /api/mcps/{name}": .init(rule: .admin, body: #"{"args":["theirs"]}"#),
        "DELETE /api/mcps/{name}": .init(rule: .admin),
        "POST /api/mcps/{name}/enable": .init(rule: .admin),
        "POST /api/mcps/{name}/disable": .init(rule: .admin),
        "GET /api/mcp-tools": .init(rule: .member),
        "GET /api/scheduled-tasks": .init(rule: .admin),
        "POST /api/scheduled-tasks": .init(
            rule: .admin, body: #"{"name":"water","cron_expression":"0 9 * * *","prompt":"Water the plants"}"#),
        "GET /api/scheduled-tasks/{id}": .init(rule: .admin),
        "PATCH /api/scheduled-tasks/{id}": .init(rule: .admin, body: #"{"prompt":"theirs"}"#),
        "PUT /api/scheduled-tasks/{id}": .init(rule: .admin, body: #"{"prompt":"theirs"}"#),
        "DELETE /api/scheduled-tasks/{id}": .init(rule: .admin),
        "POST /api/scheduled-tasks/{id}/enable": .init(rule: .admin),
        "POST /api/scheduled-tasks/{id}/disable": .init(rule: .admin),
        "GET /api/scheduled-tasks/{id}/runs": .init(rule: .admin),
        "POST /api/scheduled-tasks/{id}/run": .init(rule: .admin, body: "{}"),
        "POST /api/scheduled-tasks/{id}/stop": .init(rule: .admin),
        "GET /api/cron/describe": .init(rule: .member),
        "GET /api/workflows": .init(rule: .admin),
        "POST /api/workflows": .init(
            rule: .admin, body: #"{"name":"flow","nodes":[{"id":"a","type":"trigger-manual"}]}"#),
        "POST /api/workflows/validate": .init(rule: .member, body: #"{"nodes":[]}"#),
        "GET /api/workflows/{id}": .init(rule: .admin),
        "PATCH /api/workflows/{id}": .init(rule: .admin, body: #"{"description":"theirs"}"#),
        "PUT /api/workflows/{id}": .init(rule: .admin, body: #"{"description":"theirs"}"#),
        "DELETE /api/workflows/{id}": .init(rule: .admin),
        "POST /api/workflows/{id}/enable": .init(rule: .admin),
        "POST /api/workflows/{id}/disable": .init(rule: .admin),
        "POST /api/workflows/{id}/run": .init(rule: .admin, body: "{}"),
        "POST /api/workflows/{id}/stop": .init(rule: .admin),
        "GET /api/workflows/{id}/runs": .init(rule: .admin),
        "GET /api/workflows/{id}/stats": .init(rule: .admin),
        "GET /api/workflow-runs/{id}": .init(rule: .admin),
        "POST /api/workflow-runs/{id}/stop": .init(rule: .admin),
        "GET /api/workflow-block-types": .init(rule: .member),
        "GET /api/webhooks": .init(rule: .admin),
        "POST /api/workflows/{id}/webhook": .init(rule: .admin, body: "{}"),
        "POST /api/webhooks/{slug}/rotate": .init(rule: .admin),
        "DELETE /api/webhooks/{slug}": .init(rule: .admin),
        "POST /api/tts/synthesize": .init(rule: .member, body: #"{"text":"hello"}"#),
        "POST /api/stt/transcribe": .init(rule: .member, body: "audio"),
        "GET /api/approvals": .init(rule: .member),
        "POST /api/approvals/{id}": .init(rule: .member, body: #"{"decision":"approve"}"#),
        "GET /api/tools": .init(rule: .member),
        "GET /api/tool-policies": .init(rule: .member),
        "PUT /api/tool-policies/{pattern}": .init(rule: .admin, body: #"{"rule":"allow"}"#),
        "DELETE /api/tool-policies/{pattern}": .init(rule: .admin),
        "GET /api/bridges": .init(rule: .admin),
        "PUT /api/bridges/{platform}/status": .init(rule: .bridge, body: #"{"state":"connected"}"#),
        "GET /api/bridges/{platform}/senders": .init(rule: .admin),
        "GET /api/bridges/{platform}/senders/{id}": .init(rule: .bridge),
        "DELETE /api/bridges/{platform}/senders/{id}": .init(rule: .admin),
        "GET /api/bridges/{platform}/pairings": .init(rule: .admin),
        "POST /api/bridges/{platform}/pairings": .init(rule: .bridge, body: #"{"sender":"1","name":"Eve"}"#),
        "POST /api/bridges/pairings/{code}/approve": .init(rule: .admin),
        "POST /mcp": .init(rule: .member, body: #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        "DELETE /mcp": .init(rule: .member),
    ]

    /// Every message of `/ws`, by its type, and what it asks of its sender.
    static let messages: [String: Rule] = [
        #"{"type":"auth","token":"x","client_id":"y"}"#: .member,
        #"{"type":"ping"}"#: .member,
        #"{"type":"session_open","session_id":"s"}"#: .member,
        #"{"type":"session_close","session_id":"s"}"#: .member,
        #"{"type":"text_final","session_id":"s","text":"hello"}"#: .member,
        #"{"type":"interrupt","session_id":"s"}"#: .member,
        #"{"type":"command","name":"status"}"#: .member,
        #"{"type":"command","name":"restart"}"#: .admin,
        #"{"type":"text_delta","session_id":"s","text":"hel"}"#: .member,
        #"{"type":"audio_chunk_in","session_id":"s","data":"AAAA","is_end":true}"#: .member,
        #"{"type":"attachment","session_id":"s","kind":"file","path":"/x","filename":"x"}"#: .member,
        #"{"type":"approval_reply","id":"x","decision":"approve"}"#: .member,
        #"{"type":"what_is_this"}"#: .member,
    ]

    /// What somebody can present: a key that the transport proved, and a certificate or none.
    enum Presented: CaseIterable {
        case nothing, emptyOnMembersKey, garbage, truncated, flippedBit, otherNetwork, otherCoordinator
        case expired, notYetValid, revoked, suspended, removedUser, onAnothersConnection, membersOnAgentsKey
        case garbageOnAgentsKey, bridgesHandle, formerBridge
        case member, admin, `operator`, bridge, ownBridge

        var rights: Rule {
            switch self {
            case .member: .member
            case .bridge, .ownBridge: .bridge
            case .admin, .operator: .admin
            default: .anyone
            }
        }
    }

    // MARK: The table

    @Test func theTableHasEveryRouteAndNoOther() throws {
        let gateway = try TestGateway(place: .coordinator)
        let declared = try gateway.routes()
        let rules = declared.map { route -> (String, Rule) in
            let rule: Rule =
                switch route.access {
                case .open: .anyone
                case .requires(.member, _) where route.bridges == .only: .bridge
                case .requires(.member, _) where route.bridges == .refused: .person
                case .requires(.member, _): .member
                case .requires(.admin, _): .admin
                }
            return ("\(route.method.rawValue) \(route.path)", rule)
        }
        #expect(Set(rules.map(\.0)).count == rules.count, "a route is declared twice")
        #expect(Set(rules.map(\.0)).symmetricDifference(Self.table.keys).isEmpty)
        for (route, rule) in rules { #expect(Self.table[route]?.rule == rule, "\(route)") }
        #expect(GatewayServer.webSocket == ("/ws", .member))
    }

    @Test func theTableHasEveryMessageAndItsRule() throws {
        let messages = try Self.messages.map { (try ClientMessage(json: $0.key), $0.value) }
        // Exhaustive: a new message does not compile until it is counted here.
        let kinds = messages.map { message, _ in
            switch message {
            case .auth: 0
            case .ping: 1
            case .sessionOpen: 2
            case .sessionClose: 3
            case .textFinal: 4
            case .interrupt: 5
            case .command: 6
            case .unknown: 7
            case .textDelta: 8
            case .audioChunk: 9
            case .attachment: 10
            case .approvalReply: 11
            }
        }
        #expect(Set(kinds) == Set(0...11))
        for (message, rule) in messages {
            #expect(message.requiredRole == (rule == .admin ? .admin : .member), "\(message)")
        }
    }

    // MARK: Routes

    @Test(arguments: Presented.allCases)
    func onlyWhatTheTableAllowsGetsThrough(_ presented: Presented) async throws {  // P-01, P-03, P-04, P-06
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let (node, certificate) = try await Self.credential(presented, in: gateway)
            let victim = try await gateway.join("victim", label: "phone")
            _ = try await gateway.addAgent("victim")
            let network = try #require(gateway.network)
            let invitation = try await network.createInvitation(InvitationRequest(), by: .operator)
            let id = InvitationSummary(invitation, now: gateway.clock.now).id
            try await gateway.fillRegistry()
            let before = try await gateway.everything()
            let connection = try await running.connection(of: node)
            // What is forbidden first: nothing of it may leave a trace.
            let routes = Self.table.sorted {
                Self.allows($1.value.rule, presented) && !Self.allows($0.value.rule, presented)
            }
            var isUntouched = true
            for (route, expected) in routes {
                let parts = route.split(separator: " ")
                let path = parts[1].replacing("{handle}", with: "victim").replacing("{id}", with: id)
                    .replacing("{key}", with: victim.nodeID.hex).replacing("{path:**}", with: "House/Note.md")
                    .replacing("{platform}", with: "telegram").replacing("{code}", with: "AAAAAAAA").namingRows
                let isAllowed = Self.allows(expected.rule, presented)
                if isAllowed, isUntouched {
                    #expect(try await gateway.everything() == before)
                    isUntouched = false
                }
                let stream = try await connection.stream()
                try await stream.sendPreamble(certificate)
                let response = try await stream.ask(String(parts[0]), String(path), expected.body)
                if isAllowed {
                    #expect(response.status != 401 && response.status != 403, "\(route): \(response)")
                } else {
                    #expect(response.status == (presented.rights == .anyone ? 401 : 403), "\(route): \(response)")
                }
                await stream.close()
            }
        }
    }

    @Test(arguments: [("GET", "/ws"), ("GET", "/api/nothing"), ("OPTIONS", "/api/whoami"), ("HEAD", "/api/audit")])
    func whatIsNoRouteIsRefusedToStrangersLikeEveryRoute(_ method: String, _ path: String) async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let (node, certificate) = try await Self.credential(.revoked, in: gateway)
            let stream = try await running.connection(of: node).stream()
            try await stream.sendPreamble(certificate)
            #expect(try await stream.ask(method, path).status == 401)
        }
    }

    // MARK: Messages

    @Test(arguments: Presented.allCases)
    func onlyMembersGetASocketAndEveryMessageOfTheTable(_ presented: Presented) async throws {
        let agent = ScriptedAgent(.immediate { _ in "done" })
        let gateway = try TestGateway(agent, place: .coordinator)
        try await gateway.run { running in
            let (node, certificate) = try await Self.credential(presented, in: gateway)
            let connection = try await running.connection(of: node)
            for (message, rule) in Self.messages {
                let stream = try await connection.stream()
                try await stream.sendPreamble(certificate)
                // The message right behind the upgrade, as somebody sends it who doesn't wait for permission.
                let frame = TestWebSocket.frame(1, Array(message.utf8))
                try await stream.send(Array(TestWebSocket.upgradeRequest.utf8) + frame)
                let answer = try #require(try await stream.response())
                guard Self.allows(.member, presented) else {
                    #expect(answer.status == 401, "\(message)")
                    await stream.close()
                    continue
                }
                #expect(answer.status == 101, "\(message)")
                let socket = TestWebSocket(stream)
                try await socket.send(.ping)
                let pongs = message.contains("ping") ? 2 : 1
                var answers: [ServerMessage] = []
                while answers.count(where: { $0.body == .pong }) < pongs { answers.append(try await socket.message()) }
                let isForbidden = answers.contains { $0.errorCode == .forbidden }
                #expect(isForbidden != Self.allows(rule, presented), "\(message): \(answers)")
                await socket.close()
            }
            if presented.rights == .anyone { #expect(agent.runs.isEmpty) }
        }
    }

    @Test(arguments: messages.keys)
    func aSocketWhoseRightsHaveEndedPerformsNothing(_ message: String) async throws {  // P-03
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let socket = try await running.webSocket(try await gateway.join("ana"))
            gateway.clock.advance(by: 3601)
            try await socket.send(text: message)
            #expect(
                try await socket.next() == .close(code: 4001, reason: "certificate expired: come back with a newer one")
            )
            #expect(gateway.agent.runs.isEmpty)
        }
    }

    // MARK: Parts

    private static func allows(_ rule: Rule, _ presented: Presented) -> Bool {
        switch rule {
        case .anyone: true
        case .member: presented.rights != .anyone
        case .bridge: presented.rights == .bridge
        case .person: ![.anyone, .bridge].contains(presented.rights)
        case .admin: presented.rights == .admin
        }
    }

    private static func credential(
        _ presented: Presented, in gateway: TestGateway
    ) async throws -> (NodeID, [UInt8]) {
        // Somebody else is admin, so that every user can be suspended and removed.
        _ = try await gateway.join("root", role: .admin)
        let network = try #require(gateway.network)
        let device = try await gateway.join("ana", role: presented == .member ? .member : .admin)
        let node = device.nodeID
        let valid = gateway.certificate(for: device)
        switch presented {
        case .nothing: return (SecretKey().nodeID, [])
        case .emptyOnMembersKey: return (node, [])
        case .garbage: return (node, Array(repeating: 0x41, count: 200))
        case .truncated: return (node, Array(valid.dropLast()))
        case .flippedBit: return (node, valid.enumerated().map { $0 == 40 ? $1 ^ 1 : $1 })
        case .otherNetwork: return (node, gateway.certificate(for: device, networkID: "other"))
        case .otherCoordinator: return (node, try TestGateway().certificate(for: device))
        case .expired: return (node, gateway.certificate(for: device, lifetime: -1))
        case .notYetValid:
            gateway.clock.advance(by: 3000)
            defer { gateway.clock.advance(by: -3000) }
            return (node, gateway.certificate(for: device))
        case .revoked: #expect(try await network.revokeDevice(node, by: .operator) == .revoked)
        case .suspended: #expect(try await network.setStatus(.suspended, of: "ana", by: .operator))
        case .removedUser: try await network.removeUser("ana", by: .operator)
        case .onAnothersConnection: return (try await gateway.join("bob").nodeID, valid)
        case .membersOnAgentsKey: return (gateway.identity.nodeID, valid)
        case .garbageOnAgentsKey: return (gateway.identity.nodeID, [0])
        case .operator: return (gateway.identity.nodeID, [])
        // Its user is an admin.
        case .bridge: return (node, gateway.bridge(of: device).certificate)
        case .ownBridge:
            let bridge = gateway.ownBridge()
            return (bridge.node, bridge.certificate)
        case .formerBridge:
            let bridge = gateway.ownBridge()
            gateway.configuration.bridges.own.dismiss(bridge.node)
            return (bridge.node, bridge.certificate)
        case .bridgesHandle:
            let named = TestDevice(handle: OwnBridges.handle(of: .telegram))
            return (named.nodeID, gateway.certificate(for: named))
        case .member, .admin: break
        }
        return (node, valid)
    }
}
