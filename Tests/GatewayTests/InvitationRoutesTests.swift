import Logging
import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Invitations from the request that makes one to the certificate that it buys.

@Suite struct InvitationRoutesTests {
    /// Runs the coordinator behind an endpoint, with an endpoint for the one who joins.
    private static func withCoordinator(
        of gateway: TestGateway, _ body: @escaping @Sendable (_ newcomer: SecretKey, Endpoint) async throws -> Void
    ) async throws {
        func bind(_ key: SecretKey, alpns: [String] = []) async throws -> Endpoint {
            try await Endpoint.bind(
                EndpointConfiguration(
                    secretKey: key, alpns: alpns, bindAddresses: [SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        }
        let network = try #require(gateway.network)
        let newcomer = SecretKey()
        let (server, client) = (
            try await bind(gateway.coordinator, alpns: [ALPN.coordinator]), try await bind(newcomer)
        )
        gateway.addresses.set(server.localAddresses)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { group in
                    for await connection in server.connections { group.addTask { await network.serve(connection) } }
                }
            }
            let result: Result<Void, any Error>
            do { result = .success(try await body(newcomer, client)) } catch { result = .failure(error) }
            await client.close()
            await server.close()
            try await group.waitForAll()
            try result.get()
        }
    }

    /// Dials what the ticket names.
    private static func client(_ ticket: InviteTicket, _ endpoint: Endpoint) async throws -> CoordinatorClient {
        let addresses = try ticket.addresses.map { try SocketAddress(hostAndPort: $0) }
        return CoordinatorClient(
            connection: try await endpoint.connect(
                to: NodeAddress(nodeID: ticket.node, addresses: addresses), alpn: ALPN.coordinator))
    }

    @Test func aTicketMadeOverRESTLetsAUserInAndIsShownOnce() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            try await Self.withCoordinator(of: gateway) { newcomer, endpoint in
                let admin = try await running.stream(try await gateway.join("root", role: .admin))
                let answer = try await admin.ask(
                    "POST", "/api/network/invitations", #"{"handle":"ana","label":"Ana's first"}"#)
                #expect(answer.status == 201)
                let created: CreatedInvitation = try answer.decode()
                #expect(created.role == "user" && created.intent == "register" && created.usesLeft == 1)
                let list = try await admin.ask("GET", "/api/network/invitations")
                #expect(!list.body.contains(created.code) && !list.body.contains(created.ticket))
                let open: InvitationsBody = try list.decode()
                #expect(open.invitations.map(\.id) == [created.id] && open.invitations[0].state == "open")
                #expect(open.invitations[0].createdBy == "root" && open.invitations[0].label == "Ana's first")

                let ticket = try InviteTicket(created.ticket)
                #expect(ticket.code == created.code && ticket.bindTo == "ana" && ticket.networkName == "home")
                let client = try await Self.client(ticket, endpoint)
                #expect(
                    try await client.register(invite: ticket.code, handle: "ana", password: Password("correct horse"))
                        == "ana")
                let certificate = try await client.login(
                    handle: "ana", password: Password("correct horse"), deviceKey: newcomer.nodeID, label: "phone")
                let stream = try await running.connection(of: newcomer.nodeID).stream()
                try await stream.sendPreamble(certificate.wire)
                let me: WhoAmI = try await stream.ask("GET", "/api/whoami").decode()
                #expect(me.handle == "ana" && me.deviceLabel == "phone")

                let spent: InvitationsBody = try await admin.ask("GET", "/api/network/invitations").decode()
                #expect(spent.invitations[0].state == "spent" && spent.invitations[0].usesLeft == 0)
                #expect(!gateway.log.all.contains { $0.contains(created.code) || $0.contains(created.ticket) })
                #expect(try await !admin.ask("GET", "/api/audit").body.contains(created.code))

                // A second device, invited by the user.
                let second: CreatedInvitation = try await stream.ask("POST", "/api/whoami/invitations", "{}").decode()
                let tablet = SecretKey().nodeID
                await #expect(throws: RPCError.self, "the key is not the connection's") {
                    try await client.login(
                        handle: "ana", password: Password("correct horse"), deviceKey: tablet, label: nil,
                        invite: second.code)
                }
            }
        }
    }

    @Test func aRevokedInvitationLetsNobodyIn() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            try await Self.withCoordinator(of: gateway) { _, endpoint in
                let host = try await running.operatorStream()
                let created: CreatedInvitation = try await host.ask("POST", "/api/network/invitations", "{}").decode()
                let revoked: InvitationRevocation = try await host.ask(
                    "DELETE", "/api/network/invitations/\(created.id)"
                ).decode()
                #expect(revoked == .init(id: created.id, revoked: true))
                #expect(try await host.ask("DELETE", "/api/network/invitations/\(created.id)").status == 404)
                let ticket = try InviteTicket(created.ticket)
                let client = try await Self.client(ticket, endpoint)
                await #expect(throws: RPCError.self) {
                    try await client.register(invite: ticket.code, handle: "eve", password: Password("hunter2"))
                }
                let users: UsersBody = try await host.ask("GET", "/api/network/users").decode()
                #expect(users.users.isEmpty)
            }
        }
    }

    @Test func theHandleDecidesWhatAnInvitationIsFor() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            _ = try await gateway.join("ana")
            let host = try await running.operatorStream()
            for (body, role, bindTo, intent) in [
                ("{}", "user", nil, "register"), (#"{"handle":"new"}"#, "user", "new", "register"),
                (#"{"handle":"ana"}"#, "device", "ana", "add_device"),
                (#"{"role":"agent","handle":"ana"}"#, "agent", "ana", "add_agent"),
            ] as [(String, String, String?, String)] {
                let created: CreatedInvitation = try await host.ask("POST", "/api/network/invitations", body).decode()
                #expect(created.role == role && created.bindTo == bindTo && created.intent == intent, "\(body)")
                #expect(try InviteTicket(created.ticket).role.rawValue == role)
            }
        }
    }

    @Test(arguments: [
        (#"{"role":"owner"}"#, 400, "invalid"), (#"{"uses":0}"#, 400, "invalid"), (#"{"uses":1001}"#, 400, "invalid"),
        (#"{"ttl":0}"#, 400, "invalid"), (#"{"ttl":7776001}"#, 400, "invalid"), (#"{"ttl":1e400}"#, 400, "bad_message"),
        (#"{"uses":1.5}"#, 400, "bad_message"), (#"{"role":"device"}"#, 400, "invalid"),
        (#"{"role":"device","handle":"nobody"}"#, 404, "not_found"), (#"{"handle":"a b"}"#, 400, "invalid"),
        (#"{"handle":"operator"}"#, 400, "invalid"), (#"{"handle":"system"}"#, 400, "invalid"),
        ("", 400, "bad_message"), ("nope", 400, "bad_message"),
    ])
    func whatIsNoInvitationIsRefused(_ body: String, _ status: Int, _ code: String) async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let host = try await running.operatorStream()
            let refused = try await host.ask("POST", "/api/network/invitations", body)
            #expect(refused.status == status && refused.code == code, "\(refused)")
            let list: InvitationsBody = try await host.ask("GET", "/api/network/invitations").decode()
            #expect(list.invitations.isEmpty)
        }
    }
}
