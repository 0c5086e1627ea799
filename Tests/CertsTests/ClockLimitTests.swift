import Testing

@testable import Certs
@testable import Store
@testable import Transport

// Every limit in time that the coordinator and its certificates keep, one second before it, at it and after it. The clock
// is the test's own, so a second is exactly one.

@Suite struct ClockLimitTests {
    /// What holds at three instants around a limit.
    struct Around: Equatable, CustomStringConvertible {
        let before: Bool, at: Bool, after: Bool
        var description: String { "\(before) 1 s before, \(at) at the limit, \(after) 1 s after" }

        init(_ before: Bool, _ at: Bool, _ after: Bool) { (self.before, self.at, self.after) = (before, at, after) }

        /// Asks at three instants; each time of a world of its own.
        init(_ holds: (_ offset: Double) async throws -> Bool) async rethrows {
            self.init(try await holds(-1), try await holds(0), try await holds(1))
        }
    }

    static func passes(_ body: () async throws -> Void) async throws -> Bool {
        do {
            try await body()
            return true
        } catch is CertificateError { return false } catch is RPCError { return false }
    }

    // MARK: Certificates

    /// P-03.
    @Test func certificateExpiry() async throws {
        let certificate = try CertificateTests.issue()
        let valid = try await Around { offset in
            try await Self.passes {
                try certificate.check(
                    now: certificate.expiresAt + offset, networkID: CertificateTests.network,
                    peer: certificate.deviceKey)
            }
        }
        #expect(valid == Around(true, false, false))
        #expect(certificate.expiresAt == certificate.issuedAt + 30 * 86_400)
    }

    /// P-03: not yet valid.
    @Test func certificateIssueTimeWithItsLeeway() async throws {
        let certificate = try CertificateTests.issue()
        let valid = try await Around { offset in
            try await Self.passes {
                try certificate.check(
                    now: certificate.issuedAt - DeviceCertificate.clockSkew + offset,
                    networkID: CertificateTests.network, peer: certificate.deviceKey)
            }
        }
        #expect(valid == Around(false, true, true))
        #expect(DeviceCertificate.clockSkew == 300)
    }

    @Test func certificateRenewalIsDueAtHalfOfTheLife() throws {
        let certificate = try CertificateTests.issue()
        #expect(certificate.renewalDueAt == certificate.issuedAt + 15 * 86_400)
        #expect(certificate.renewalDueAt == certificate.expiresAt - 15 * 86_400)
        for lifetime in [1.0, 2, 3_600, 86_401] {
            let other = DeviceCertificate.issue(
                handle: "alice", deviceKey: certificate.deviceKey, networkID: CertificateTests.network,
                issuedAt: 1_780_000_000, lifetime: lifetime, signedBy: try CertificateTests.coordinator())
            #expect(other.renewalDueAt == 1_780_000_000 + lifetime / 2)
        }
    }

    @Test func certificateRenewalBeginsAtHalfOfTheLife() async throws {
        let device = SecretKey().nodeID
        let renewed = try await Around { offset in
            let network = try TestNetwork()
            let certificate = try await network.addUser("alice", device: device)
            network.clock.advance(DeviceCertificate.lifetime / 2 + offset)
            return try await Self.passes {
                let fresh = try await network.coordinator.renew(certificate.wire, peer: device)
                #expect(fresh.expiresAt == network.clock.now + DeviceCertificate.lifetime)
            }
        }
        #expect(renewed == Around(false, true, true))
    }

    @Test func certificateRenewalEndsWithTheLife() async throws {
        let device = SecretKey().nodeID
        let renewed = try await Around { offset in
            let network = try TestNetwork()
            let certificate = try await network.addUser("alice", device: device)
            network.clock.advance(DeviceCertificate.lifetime + offset)
            return try await Self.passes {
                _ = try await network.coordinator.renew(certificate.wire, peer: device)
            }
        }
        #expect(renewed == Around(true, false, false))
    }

    /// P-03 at the coordinator's own door: an admin's certificate in a call.
    @Test func certificateExpiryInACall() async throws {
        let device = SecretKey().nodeID
        let valid = try await Around { offset in
            let network = try TestNetwork()
            let certificate = try await network.addUser("alice", device: device)
            network.clock.advance(DeviceCertificate.lifetime + offset)
            return try await Self.passes {
                _ = try await network.client(as: device).listDevices(certificate: certificate)
            }
        }
        #expect(valid == Around(true, false, false))
    }

    /// P-03 in a call, by a coordinator whose clock was set back.
    @Test func certificateIssueTimeInACall() async throws {
        let device = SecretKey().nodeID
        let valid = try await Around { offset in
            let network = try TestNetwork()
            let certificate = try await network.addUser("alice", device: device)
            network.clock.advance(-DeviceCertificate.clockSkew + offset)
            return try await Self.passes {
                _ = try await network.client(as: device).listDevices(certificate: certificate)
            }
        }
        #expect(valid == Around(false, true, true))
    }

    /// P-04 in a call: the same coordinator key and the same device, another network.
    @Test func certificatesOfAnotherNetworkAreRefusedInACall() async throws {
        let network = try TestNetwork()
        let device = SecretKey().nodeID
        let own = try await network.addUser("alice", device: device)
        for id in [String(own.networkID.reversed()), own.networkID.uppercased(), own.networkID + "0", ""] {
            let foreign = DeviceCertificate.issue(
                handle: "alice", deviceKey: device, networkID: id, capabilities: own.capabilities,
                issuedAt: network.clock.now, signedBy: network.identity)
            await expectRefusal(.unauthorized) {
                try await network.client(as: device).listDevices(certificate: foreign)
            }
        }
        _ = try await network.client(as: device).listDevices(certificate: own)
    }

    // MARK: Invitations

    /// P-45. The instant at which it expires is its last.
    @Test func invitationExpiry() async throws {
        let valid = try await Around { offset in
            let network = try TestNetwork()
            let invitation = try await network.invitation(.user)
            #expect(invitation.expiresAt == network.clock.now + 7 * 86_400)
            network.clock.advance(invitation.expiresAt - network.clock.now + offset)
            return try await Self.passes {
                _ = try await network.client(as: SecretKey().nodeID).register(
                    invite: invitation.code, handle: "alice", password: Password("x"))
            }
        }
        #expect(valid == Around(true, true, false))
    }

    @Test func invitationExpiryForAFurtherDevice() async throws {
        let valid = try await Around { offset in
            let network = try TestNetwork()
            _ = try await network.addUser("alice", device: SecretKey().nodeID)
            let invitation = try await network.invitation(.device, bindTo: "alice")
            network.clock.advance(Coordinator.invitationLifetime + offset)
            let second = SecretKey().nodeID
            return try await Self.passes {
                _ = try await network.client(as: second).login(
                    handle: "alice", password: Password("hunter2"), deviceKey: second, invite: invitation.code)
            }
        }
        #expect(valid == Around(true, true, false))
    }

    /// The first user's invitation is shown again as long as it can be redeemed.
    @Test func bootstrapInvitationExpiry() async throws {
        let isSame = try await Around { offset in
            let network = try TestNetwork()
            let first = try network.coordinator.bootstrapInvitation()
            network.clock.advance(Coordinator.invitationLifetime + offset)
            return try network.coordinator.bootstrapInvitation() == first
        }
        #expect(isSame == Around(true, true, false))
    }

    // MARK: Logins

    @Test func loginStateLifetime() async throws {
        let device = SecretKey().nodeID
        let valid = try await Around { offset in
            let network = try TestNetwork()
            _ = try await network.addUser("alice", device: device)
            let client = SRPClient()
            let challenge = try await network.coordinator.beginLogin(
                handle: "alice", clientPublic: client.publicValue, peer: device)
            network.clock.advance(LoginStates.lifetime + offset)
            let proof = try client.proof(handle: "alice", password: Password("hunter2"), response: challenge.response)
            return try await Self.passes {
                _ = try await network.coordinator.finishLogin(
                    stateID: challenge.stateID, proof: proof.wire, deviceKey: device, label: nil, invite: nil,
                    peer: device)
            }
        }
        #expect(valid == Around(true, false, false))
        #expect(LoginStates.lifetime == 30)
    }

    /// P-45. Failures before the wait, and the wait that the next attempt has to keep.
    static let waits: [(failures: Int, wait: Double)] = [
        (5, 1), (6, 2), (7, 4), (8, 8), (9, 16), (10, 32), (11, 64), (12, 128), (13, 256), (14, 300), (15, 300),
        (40, 300),
    ]

    @Test(arguments: waits) func loginThrottleWait(failures: Int, wait: Double) async {
        let node = LoginThrottle.Subject.node(SecretKey().nodeID)
        let admitted = await Around { offset in
            var throttle = LoginThrottle()
            var now = 1_780_000_000.0
            for _ in 0..<failures {
                while case .wait(let seconds) = throttle.admit([node], now: now) { now += seconds }
            }
            return throttle.admit([node], now: now + wait + offset) == .admitted
        }
        #expect(admitted == Around(false, true, true))
    }

    /// P-45 through the coordinator: guesses at a password.
    @Test func loginThrottleWaitInACall() async throws {
        let admitted = try await Around { offset in
            let network = try TestNetwork()
            let attempt = {
                _ = try await network.coordinator.beginLogin(
                    handle: "alice", clientPublic: SRPClient().publicValue, peer: SecretKey().nodeID)
            }
            for _ in 0..<5 { try await attempt() }
            network.clock.advance(1)
            try await attempt()
            network.clock.advance(2 + offset)
            return try await Self.passes(attempt)
        }
        #expect(admitted == Around(false, true, true))
    }

    @Test func loginThrottleMemory() async {
        let node = LoginThrottle.Subject.node(SecretKey().nodeID)
        let isForgotten = await Around { offset in
            var throttle = LoginThrottle()
            for _ in 0..<LoginThrottle.freeAttempts { _ = throttle.admit([node], now: 0) }
            let now = LoginThrottle.memory + offset
            // Once forgotten, five in a row are free again; else the first of them is the row's sixth.
            return (0..<LoginThrottle.freeAttempts).allSatisfy { _ in throttle.admit([node], now: now) == .admitted }
        }
        #expect(isForgotten == Around(false, true, true))
        #expect(LoginThrottle.memory == 3_600)
    }
}
