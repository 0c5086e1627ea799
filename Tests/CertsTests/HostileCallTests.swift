import Logging
import Testing

@testable import Certs
@testable import Store
@testable import Transport

// The reference's requests, damaged in every place, against a whole coordinator: each gets an answer that a client can
// read, and none finds a way to make the coordinator itself fail.

@Suite struct HostileCallTests {
    static let requests = RPCTests.vectors["calls"].list + RPCTests.vectors["errors"].list

    let network: TestNetwork
    let coordinator: Coordinator
    let peer = SecretKey().nodeID

    init() throws {
        network = try TestNetwork()
        coordinator = try Coordinator(
            repository: network.repository, identity: network.identity, now: { [clock = network.clock] in clock.now },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// The answer to `message`, an hour after the one before: nobody has to wait.
    func answer(_ message: [UInt8]) async throws -> RPCResponse {
        network.clock.advance(LoginThrottle.memory)
        let answer = await coordinator.answer(message, from: peer)
        #expect(answer.count <= message.count + 2_048, "\(answer.count) bytes to \(message.count)")
        let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
        return try #require(RPCResponse(value), "\(value)")
    }

    @Test(arguments: requests) func aFlippedBitAnywhereNeverMakesTheCoordinatorFail(vector: Vector) async throws {
        let message = RPCTests.message(vector["request_frame"].hex)
        // Within a long value one place is like another, and each costs an exponentiation.
        for index in message.indices where index < 64 || index.isMultiple(of: 16) || index >= message.count - 64 {
            var damaged = message
            damaged[index] ^= 1 << (index % 8)
            if case .failure(_, let error) = try await answer(damaged) {
                #expect(error.code != .internalError, "byte \(index)")
            }
        }
    }

    @Test(arguments: requests) func everyTruncationIsABadRequest(vector: Vector) async throws {
        let message = RPCTests.message(vector["request_frame"].hex)
        for count in 0..<message.count {
            guard case .failure(.null, let error) = try await answer(Array(message.prefix(count))) else {
                Issue.record("\(count) of \(message.count) bytes were answered")
                continue
            }
            #expect(error.code == .badRequest, "\(count) of \(message.count) bytes")
        }
    }

    /// One letter may carry any number of marks: what is stored is bounded in code points, not in letters.
    @Test func labelsAreBoundedWhateverTheirLetters() async throws {
        let device = SecretKey().nodeID
        _ = try await network.addUser("alice", device: device)
        let second = SecretKey().nodeID
        _ = try await network.client(as: second).login(
            handle: "alice", password: Password("hunter2"), deviceKey: second,
            label: "e" + String(repeating: "\u{301}", count: 10_000),
            invite: try await network.invitation(.device, bindTo: "alice").code)
        let row = try #require(try await network.coordinator.devices().first { $0.key == second.bytes })
        #expect(row.label?.unicodeScalars.count == 64)
    }
}
