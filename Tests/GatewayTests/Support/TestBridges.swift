import Foundation
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// Somebody who comes in as a bridge: with a user's device, or as one of the agent's own.

/// A key and what it shows.
struct TestBridge: Sendable {
    let node: NodeID
    let certificate: [UInt8]
}

extension TestGateway {
    /// A user's device with a bridge's certificate.
    func bridge(of device: TestDevice) -> TestBridge {
        let certificate = DeviceCertificate.issue(
            handle: device.handle, deviceKey: device.nodeID, networkID: Self.networkID(of: self),
            capabilities: [DeviceCertificate.bridgeCapability], issuedAt: clock.now, lifetime: 3600,
            signedBy: coordinator)
        return TestBridge(node: device.nodeID, certificate: certificate.wire)
    }

    /// The agent's own bridge.
    func ownBridge(_ platform: Platform = .telegram, signedBy signer: SecretKey? = nil) -> TestBridge {
        let node = SecretKey().nodeID
        configuration.bridges.own.admit(node, for: platform)
        let certificate = BridgeIdentity.issue(
            platform, node, networkID: Self.networkID(of: self), signedBy: signer ?? identity, at: clock.now)
        return TestBridge(node: node, certificate: certificate.wire)
    }

    /// That its certificates name.
    private static func networkID(of gateway: TestGateway) -> String { gateway.configuration.agent.networkID }
}

extension TestGateway.Running {
    func stream(_ bridge: TestBridge) async throws -> TestStream {
        let stream = try await connection(of: bridge.node).stream()
        try await stream.sendPreamble(bridge.certificate)
        return stream
    }

    func webSocket(_ bridge: TestBridge) async throws -> TestWebSocket {
        let stream = try await stream(bridge)
        try await stream.send(TestWebSocket.upgradeRequest)
        let answer = try #require(try await stream.response())
        #expect(answer.status == 101)
        let socket = TestWebSocket(stream)
        guard case .authOK = try await socket.message().body else { throw Timeout(what: "auth_ok") }
        return socket
    }
}
