import Foundation
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// What admins and users can do to their network over REST, as they see it.

@Suite struct NetworkRoutesTests {
    // MARK: Oneself

    @Test func everybodyLearnsWhoTheyAreAndOfWhichNetwork() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let device = try await gateway.join("ana", label: "phone")
            let stream = try await running.stream(device)
            let me: WhoAmI = try await stream.ask("GET", "/api/whoami").decode()
            #expect(me.handle == "ana" && !me.isOperator && me.role == "member")
            #expect(me.device == device.nodeID.hex && me.deviceLabel == "phone")
            #expect(me.network == "home" && me.networkID == TestGateway.networkID)
            #expect(me.agent == "Ada" && me.nodeID == gateway.identity.nodeID.hex)
            let times = try #require(me.certificate)
            #expect(times.expiresAt - times.issuedAt == 3600)
            #expect(times.renewalDueAt - times.issuedAt == 1800)
            for path in ["/api/network", "/api/network/info"] {
                let network: NetworkBody = try await stream.ask("GET", path).decode()
                #expect(network.role == "coordinator" && network.name == "home" && network.networkName == "home")
                #expect(network.coordinatorNodeID == gateway.coordinator.nodeID.hex)
            }
            let host: WhoAmI = try await running.operatorStream().ask("GET", "/api/whoami").decode()
            #expect(host.handle == "operator" && host.isOperator && host.role == "admin" && host.certificate == nil)
        }
    }

    @Test func aUserSeesRenamesAndRevokesTheirOwnDevicesAndNoOthers() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let phone = try await gateway.join("ana", label: "phone")
            let laptop = try await gateway.join("ana", label: "laptop")
            let others = try await gateway.join("bob")
            let root = try await gateway.join("root", role: .admin)
            let stream = try await running.stream(phone)
            let own: DevicesBody = try await stream.ask("GET", "/api/whoami/devices").decode()
            #expect(own.devices.map(\.label) == ["phone", "laptop"])
            #expect(own.devices.map(\.connections) == [1, 0])
            let named: DeviceBody = try await stream.ask(
                "PATCH", "/api/whoami/devices/\(laptop.nodeID.hex)", #"{"label":"old laptop"}"#
            ).decode()
            #expect(named.label == "old laptop")
            // Not even an admin reaches somebody else's device by these routes.
            for asking in [stream, try await running.stream(root)] {
                for key in [others.nodeID.hex, SecretKey().nodeID.hex] {
                    let renamed = try await asking.ask("PATCH", "/api/whoami/devices/\(key)", #"{"label":"x"}"#)
                    #expect(renamed.status == 404 && renamed.code == "not_found")
                    let revoked = try await asking.ask("DELETE", "/api/whoami/devices/\(key)")
                    #expect(revoked.status == 404 && revoked.code == "not_found")
                }
            }
            #expect(try await running.stream(others).ask("GET", "/api/whoami").status == 200)
            let gone: RevocationBody = try await stream.ask(
                "DELETE", "/api/whoami/devices/\(laptop.nodeID.hex)"
            ).decode()
            #expect(gone == .init(device: laptop.nodeID.hex, handle: "ana", revoked: true, connectionsClosed: 0))
            #expect(try await running.stream(laptop).ask("GET", "/api/whoami").body == "device revoked")
            let again: RevocationBody = try await stream.ask(
                "DELETE", "/api/whoami/devices/\(laptop.nodeID.hex)"
            ).decode()
            #expect(!again.revoked)
            // Who puts out the device that they ask with still hears that it was done.
            let last: RevocationBody = try await stream.ask("DELETE", "/api/whoami/devices/\(phone.nodeID.hex)")
                .decode()
            #expect(last.revoked && last.connectionsClosed == 1)
        }
    }

    @Test func aUserInvitesADeviceOfTheirOwnOnly() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let ana = try await gateway.join("ana")
            _ = try await gateway.join("bob")
            let stream = try await running.stream(ana)
            let answer = try await stream.ask(
                "POST", "/api/whoami/invitations", #"{"handle":"bob","role":"user","uses":2,"ttl":60,"label":"tablet"}"#
            )
            #expect(answer.status == 201)
            let created: CreatedInvitation = try answer.decode()
            #expect(created.role == "device" && created.bindTo == "ana" && created.intent == "add_device")
            #expect(created.usesLeft == 2 && created.label == "tablet")
            #expect(abs(created.expiresAt - gateway.clock.now - 60) < 30)
            let host = try await running.operatorStream().ask("POST", "/api/whoami/invitations", "{}")
            #expect(
                host.status == 400 && host.code == "invalid" && host.hint?.contains("/api/network/invitations") == true)
        }
    }

    // MARK: Users

    @Test func promotionAndDemotionCountAtTheNextRequestWithTheSameCertificate() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await running.stream(try await gateway.join("root", role: .admin))
            let ana = try await running.stream(try await gateway.join("ana"))
            #expect(try await ana.ask("GET", "/api/network/users").code == "forbidden")
            let promoted: UserChange = try await admin.ask("PATCH", "/api/network/users/ana", #"{"role":"admin"}"#)
                .decode()
            #expect(promoted == .init(handle: "ana", role: "admin", status: "active", updated: true))
            let users: UsersBody = try await ana.ask("GET", "/api/network/users").decode()
            #expect(users.users.map(\.handle) == ["root", "ana"] && users.users.map(\.role) == ["admin", "admin"])
            #expect(users.users.map(\.devices) == [1, 1] && users.users.map(\.activeDevices) == [1, 1])
            // And the new admin may use it at once.
            let demoted: UserChange = try await ana.ask("PATCH", "/api/network/users/root", #"{"role":"member"}"#)
                .decode()
            #expect(demoted.role == "member" && demoted.updated)
            #expect(try await admin.ask("GET", "/api/network/users").status == 403)
            let same: UserChange = try await ana.ask("PATCH", "/api/network/users/root", #"{"role":"member"}"#).decode()
            #expect(!same.updated)
        }
    }

    @Test func theLastAdminStays() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await running.stream(try await gateway.join("root", role: .admin))
            for (method, body) in [
                ("PATCH", #"{"role":"member"}"#), ("PATCH", #"{"status":"suspended"}"#),
                ("PATCH", #"{"role":"member","status":"suspended"}"#), ("DELETE", nil),
            ] {
                let refused = try await admin.ask(method, "/api/network/users/root", body)
                #expect(refused.status == 409 && refused.code == "conflict", "\(body ?? method)")
                #expect(refused.message?.contains("last active admin") == true)
            }
            // The operator has no more power over this than an admin.
            #expect(try await running.operatorStream().ask("DELETE", "/api/network/users/root").status == 409)
            #expect(try await admin.ask("GET", "/api/network/users").status == 200)
        }
    }

    @Test func aRemovedUserIsGoneWithTheirDevices() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let ana = try await gateway.join("ana")
            let connection = try await running.connection(of: ana.nodeID)
            let socket = try await running.webSocket(ana, on: connection)
            // Handles are compared as they are everywhere: trimmed and lower case.
            let removed: Removal = try await host.ask("DELETE", "/api/network/users/%20Ana").decode()
            #expect(removed == .init(handle: "ana", deleted: true))
            #expect(try await socket.next() == .close(code: 4003, reason: "device authorization changed"))
            #expect(try await connection.closed.code() == 4003)
            #expect(try await running.stream(ana).ask("GET", "/api/whoami").body == "device inactive or removed")
            #expect(try await host.ask("DELETE", "/api/network/users/ana").status == 404)
        }
    }

    @Test func aSuspensionEndsTheConnectionsOfThisUserAndAResumptionNeedsNothingNew() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let (ana, bob) = (try await gateway.join("ana"), try await gateway.join("bob"))
            let second = try await gateway.join("ana")
            var connections: [TestConnection] = []
            for device in [ana, second] { connections.append(try await running.connection(of: device.nodeID)) }
            let sockets = [
                try await running.webSocket(ana, on: connections[0]),
                try await running.webSocket(second, on: connections[1]),
            ]
            let other = try await running.webSocket(bob)
            let operatorSocket = try await Self.operatorSocket(running)
            #expect(try await host.ask("PATCH", "/api/network/users/ana", #"{"status":"suspended"}"#).status == 200)
            for (socket, connection) in zip(sockets, connections) {
                #expect(try await socket.next() == .close(code: 4003, reason: "user suspended"))
                #expect(try await connection.closed.code() == 4003)
            }
            #expect(try await running.stream(ana).ask("GET", "/api/whoami").status == 401)
            for unaffected in [other, operatorSocket] {
                try await unaffected.send(.ping)
                #expect(try await unaffected.message().body == .pong)
            }
            #expect(try await host.ask("PATCH", "/api/network/users/ana", #"{"status":"active"}"#).status == 200)
            #expect(try await running.stream(ana).ask("GET", "/api/whoami").status == 200)
        }
    }

    @Test(arguments: [
        (#"{"role":"owner"}"#, "invalid"), (#"{"status":"gone"}"#, "invalid"), ("{}", "invalid"),
        (#"{"role":"admin","status":"gone"}"#, "invalid"), (#"{"role":1}"#, "bad_message"), ("nope", "bad_message"),
        ("", "bad_message"), ("[]", "bad_message"),
    ])
    func whatIsNoChangeOfAUserChangesNothing(_ body: String, _ code: String) async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            _ = try await gateway.join("ana")
            let before = try await gateway.everything()
            let host = try await running.operatorStream()
            let refused = try await host.ask("PATCH", "/api/network/users/ana", body)
            #expect(refused.status == 400 && refused.code == code)
            #expect(try await gateway.everything() == before)
            #expect(try await host.ask("PATCH", "/api/network/users/nobody", #"{"role":"admin"}"#).status == 404)
        }
    }

    // MARK: Devices

    @Test func adminsListShowRenameAndRevokeDevices() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let admin = try await running.stream(try await gateway.join("root", role: .admin))
            let ana = try await gateway.join("ana", label: "phone")
            let connections = [
                try await running.connection(of: ana.nodeID), try await running.connection(of: ana.nodeID),
            ]
            for connection in connections {
                let stream = try await connection.stream()
                try await stream.sendPreamble(gateway.certificate(for: ana))
                #expect(try await stream.ask("GET", "/api/whoami").status == 200)
            }
            let path = "/api/network/devices/\(ana.nodeID.hex)"
            let shown: DeviceBody = try await admin.ask("GET", path).decode()
            #expect(shown.handle == "ana" && shown.status == "active" && shown.connections == 2)
            let all: DevicesBody = try await admin.ask("GET", "/api/network/devices").decode()
            #expect(Set(all.devices.map(\.handle)) == ["root", "ana"])
            let one: DevicesBody = try await admin.ask("GET", "/api/network/devices?user=%41na").decode()
            #expect(one.devices == [shown])
            #expect(try await admin.ask("GET", "/api/network/devices?user=nobody").code == "not_found")
            // Labels go to terminals: no control characters, and not for ever.
            let long = "a\\u001b[2Jb" + String(repeating: "c", count: 100)
            let named: DeviceBody = try await admin.ask("PATCH", path, "{\"label\":\"\(long)\"}").decode()
            #expect(named.label == "a[2Jb" + String(repeating: "c", count: 59))
            let marks = "e" + String(repeating: "\u{301}", count: 10_000)
            let bare: DeviceBody = try await admin.ask("PATCH", path, "{\"label\":\"\(marks)\"}").decode()
            #expect(bare.label?.unicodeScalars.count == 64)
            let unnamed: DeviceBody = try await admin.ask("PATCH", path, #"{"label":""}"#).decode()
            #expect(unnamed.label == nil)
            let revoked: RevocationBody = try await admin.ask("DELETE", path).decode()
            #expect(revoked == .init(device: ana.nodeID.hex, handle: "ana", revoked: true, connectionsClosed: 2))
            for connection in connections { #expect(try await connection.closed.code() == 4003) }
            let after: DeviceBody = try await admin.ask("GET", path).decode()
            #expect(after.status == "revoked")
            let again: RevocationBody = try await admin.ask("DELETE", path).decode()
            #expect(!again.revoked && again.connectionsClosed == 0)
        }
    }

    @Test func aDeviceIsNamedByAllOfItsKey() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let key = try await gateway.join("ana").nodeID
            for text in [key.short, key.hex + "0", String(key.hex.dropLast()) + "g", Base32.encode(key.bytes)] {
                for (method, body) in [("GET", nil), ("DELETE", nil), ("PATCH", #"{"label":"x"}"#)] {
                    let refused = try await host.ask(method, "/api/network/devices/\(text)", body)
                    #expect(refused.status == 400 && refused.code == "invalid", "\(method) \(text)")
                }
            }
            let unknown = "/api/network/devices/\(SecretKey().nodeID.hex)"
            for (method, body) in [("GET", nil), ("DELETE", nil), ("PATCH", #"{"label":"x"}"#)] {
                #expect(try await host.ask(method, unknown, body).code == "not_found", "\(method)")
            }
            #expect(try await host.ask("GET", "/api/network/devices/\(key.hex.uppercased())").status == 200)
        }
    }

    // MARK: Agents

    @Test func agentsAreListedForEverybodyAndRemovedByAdmins() async throws {
        let gateway = try TestGateway(place: .coordinator)
        gateway.addresses.set([try SocketAddress(ipAddress: "192.0.2.7", port: 4433)])
        try await gateway.run { running in
            let node = try await gateway.addAgent("work")
            let member = try await running.stream(try await gateway.join("ana"))
            let listed: AgentsBody = try await member.ask("GET", "/api/network/agents").decode()
            #expect(listed.agents.map(\.handle) == ["ada", "work"])
            #expect(listed.agents.map(\.isCoordinator) == [true, false])
            #expect(listed.agents.map(\.addresses) == [["192.0.2.7:4433"], []])
            #expect(listed.agents[1].nodeID == node.hex)
            let host = try await running.operatorStream()
            let named: AgentBody = try await host.ask("PATCH", "/api/network/agents/work", #"{"label":"office"}"#)
                .decode()
            #expect(named.label == "office")
            let own = try await host.ask("DELETE", "/api/network/agents/ada")
            #expect(own.status == 409 && own.code == "conflict")
            let removed: Removal = try await host.ask("DELETE", "/api/network/agents/work").decode()
            #expect(removed == .init(handle: "work", deleted: true))
            #expect(try await host.ask("DELETE", "/api/network/agents/work").status == 404)
            #expect(try await host.ask("PATCH", "/api/network/agents/work", #"{"label":"x"}"#).status == 404)
        }
    }

    // MARK: A member agent

    @Test func aMemberAgentAdministersNothingAndSaysWhomToAsk() async throws {
        let gateway = try TestGateway(place: .member)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device("root", standing: .active(role: .admin)))
            let served: Set = [
                "/api/health", "/api/agent-info", "/api/whoami", "/api/network", "/api/network/info", "/api/system",
                "/api/audit",
            ]
            // A stream has no end, behind which the next one could be asked.
            for (route, expected) in AccessMatrixTests.table where route != "GET /api/events" {
                let parts = route.split(separator: " ")
                let path = String(parts[1]).replacing("{key}", with: SecretKey().nodeID.hex)
                let answer = try await stream.ask(String(parts[0]), path, expected.body)
                let isOfNetwork = ["/api/network/", "/api/whoami/"].contains { path.hasPrefix($0) }
                if served.contains(path) {
                    #expect(answer.status == 200, "\(route)")
                } else if !isOfNetwork {
                    #expect(answer.message != "not a coordinator-mode agent", "\(route)")
                } else {
                    #expect(answer.status == 404 && answer.code == "not_found", "\(route)")
                    #expect(answer.message == "not a coordinator-mode agent", "\(route)")
                    #expect(answer.hint?.contains(gateway.coordinator.nodeID.hex) == true, "\(route)")
                }
            }
            let network: NetworkBody = try await stream.ask("GET", "/api/network").decode()
            #expect(network.role == "member" && network.nodeID == gateway.identity.nodeID.hex)
            #expect(network.coordinatorNodeID == gateway.coordinator.nodeID.hex)
            // A plain member is told no more than elsewhere.
            let plain = try await running.stream(gateway.device("ana"))
            #expect(try await plain.ask("GET", "/api/audit").status == 403)
            // The operator is who holds this agent's key, not the coordinator's.
            #expect(try await running.operatorStream().ask("GET", "/api/whoami").status == 200)
            let foreign = try await running.connection(of: gateway.coordinator.nodeID).stream()
            try await foreign.sendPreamble([])
            #expect(try await foreign.ask("GET", "/api/whoami").body == "missing device cert")
        }
    }

    @Test func methodsAndPathsThatAreNotThereAreAnsweredLikeElsewhere() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let head = try await host.ask("HEAD", "/api/network/users")
            #expect(head.status == 200 && (Int(head.headers["content-length"] ?? "") ?? 0) > 0)
            for (method, path) in [
                ("PUT", "/api/network/users/ana"), ("POST", "/api/network"), ("GET", "/api/network/users/ana"),
                ("DELETE", "/api/audit"), ("PATCH", "/api/audit"), ("HEAD", "/api/restart"),
                ("DELETE", "/api/network/users/"), ("TRACE", "/api/health"), ("PROPFIND", "/api/vault/notes/a/b.md"),
            ] {
                let answer = try await host.ask(method, path)
                #expect(answer.status == 405, "\(method) \(path)")
                let allowed = answer.headers["allow"]?.components(separatedBy: ", ") ?? []
                #expect(allowed.contains("OPTIONS") && !allowed.contains(method), "\(method) \(path): \(allowed)")
                if method != "HEAD" { #expect(answer.code == "method_not_allowed" && answer.hint != nil) }
            }
            let options = try await host.ask("OPTIONS", "/api/vault/notes/a/b.md")
            #expect(options.status == 204 && options.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT")
            #expect(try await host.ask("OPTIONS", "/api/nothing").status == 404)
            for (method, path) in [
                ("GET", "/api/network/users/ana/x"), ("GET", "/"),
                ("DELETE", "/api/network/users/%zz"),
                ("DELETE", "/api/network/users/" + String(repeating: "a", count: 257)),
            ] {
                let answer = try await host.ask(method, path)
                #expect(answer.status == 404 && answer.code == "not_found", "\(method) \(path)")
            }
            let long = #"{"label":""# + String(repeating: "x", count: 1024 * 1024) + "\"}"
            let path = "/api/network/devices/\(SecretKey().nodeID.hex)"
            let refused = try await host.ask("PATCH", path, long)
            #expect(refused.status == 413 && refused.code == "too_large")
        }
    }

    static func operatorSocket(_ running: TestGateway.Running) async throws -> TestWebSocket {
        let stream = try await running.operatorStream()
        try await stream.send(TestWebSocket.upgradeRequest)
        #expect(try await stream.response()?.status == 101)
        let socket = TestWebSocket(stream)
        guard case .authOK(let greeting) = try await socket.message().body else { throw Timeout(what: "auth_ok") }
        #expect(greeting.handle == "operator")
        return socket
    }
}
