import Testing

@testable import Gateway
@testable import Transport
@testable import Wire

/// How long may somebody stay who shows no certificate of the network?
@Suite struct AbuseTests {
    /// With a stranger's time that a test can wait for.
    private static func gateway() throws -> TestGateway {
        var limits = GatewayLimits.patient
        limits.strangerTime = .milliseconds(300)
        return try TestGateway(limits: limits)
    }

    @Test func aConnectionOnWhichNobodyShowsACertificateIsClosedAndAMembersIsNot() async throws {
        try await Self.gateway().run { running in
            let member = running.gateway.device()
            let connection = try await running.connection(of: member.nodeID)
            let stream = try await connection.stream()
            try await stream.sendPreamble(running.gateway.certificate(for: member))
            #expect(try await stream.get("/api/agent-info")?.status == 200)
            // It came later, so the member's time has passed when its has.
            let stranger = try await running.connection(of: SecretKey().nodeID)
            #expect(try await stranger.closed.code() == UInt64(WebSocketCloseCode.unauthenticated))
            #expect(try await stream.get("/api/agent-info")?.status == 200)
        }
    }

    @Test func askingWhatAnybodyMayAskDoesNotKeepAConnection() async throws {
        try await Self.gateway().run { running in
            let stranger = try await running.connection(of: SecretKey().nodeID)
            let stream = try await stranger.stream()
            try await stream.sendPreamble([])
            #expect(try await stream.get("/api/health")?.status == 200)
            #expect(try await stranger.closed.code() == UInt64(WebSocketCloseCode.unauthenticated))
        }
    }

    @Test func anotherDevicesCertificateDoesNotKeepAConnection() async throws {
        try await Self.gateway().run { running in
            let member = running.gateway.device()
            let thief = try await running.connection(of: SecretKey().nodeID)
            let stream = try await thief.stream()
            try await stream.sendPreamble(running.gateway.certificate(for: member))
            #expect(try await stream.get("/api/agent-info")?.status == 401)
            #expect(try await thief.closed.code() == UInt64(WebSocketCloseCode.unauthenticated))
        }
    }
}
