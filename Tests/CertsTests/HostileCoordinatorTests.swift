import Testing

@testable import Certs
@testable import Store
@testable import Transport

// What a coordinator may say to those who joined it: it was chosen, and is still a stranger.

/// A coordinator that answers as it should, but for one field.
private struct LyingExchange: RPCExchange {
    let honest: DirectExchange
    let field: String
    let value: CBORValue
    var coordinator: NodeID { honest.coordinator }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        let answer = try CBORReader.read(
            try await honest.exchange(message), limits: CBORLimits(bytes: RPCFrame.responseLimit))
        guard case .result(let id, let result) = RPCResponse(answer) else { return [] }
        var changed: CBORMap = [:]
        for key in ["cert", "network_id", "name", "time"] where key != field {
            if let kept = result[key] { _ = changed.insert(key, kept) }
        }
        _ = changed.insert(field, value)
        return RPCResponse.result(id: id, changed).encoded
    }
}

@Suite struct HostileCoordinatorTests {
    @Test func aNetworkNameThatGivesOrdersToATerminalIsRefused() async throws {
        let network = try TestNetwork()
        let agent = SecretKey().nodeID
        let honest = DirectExchange(server: network.coordinator, peer: agent)
        let code = try await network.invitation(.agent).code
        for (name, isAccepted) in [("home\u{1B}]0;x\u{07}", false), ("\u{9B}2J", false), ("zu Hause", true)] {
            let client = CoordinatorClient(
                exchange: LyingExchange(honest: honest, field: "name", value: .text(name)))
            do {
                let login = try await client.agentLogin(invite: code, handle: "worker", node: agent)
                #expect(isAccepted && login.networkName == name)
            } catch let error as CoordinatorClientError {
                #expect(!isAccepted && error == .malformedAnswer("agent_login"))
            }
        }
    }

    @Test(arguments: [Double.infinity, -.infinity, .nan, 1e300, -1e300])
    func aTimeThatNoClockShowsIsNone(_ time: Double) async throws {
        let network = try TestNetwork()
        let honest = DirectExchange(server: network.coordinator, peer: SecretKey().nodeID)
        let client = CoordinatorClient(exchange: LyingExchange(honest: honest, field: "time", value: .float(time)))
        #expect(try await client.networkInfo().time == nil)
    }
}
