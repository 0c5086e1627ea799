import NIOCore
import Testing

@testable import Certs
@testable import Transport

@Suite struct RPCTests {
    static let vectors = (try? Vector.file("coordinator_rpc")) ?? Vector(nil)

    static func message(_ frame: [UInt8]) -> [UInt8] { Array(frame.dropFirst(4)) }

    static func read(_ frame: [UInt8]) throws -> CBORValue {
        var reader = RPCFrameReader(limit: RPCFrame.responseLimit)
        guard case .message(let message) = reader.consume(frame) else {
            throw RPCFrameReader.Failure.endOfStream
        }
        return try CBORReader.read(message, limits: CBORLimits(bytes: RPCFrame.responseLimit))
    }

    /// Numbers lose their kind in JSON: 1.0 and 1 are one there.
    static func plain(_ value: CBORValue) -> CBORValue {
        switch value {
        case .unsigned(let number): return .float(Double(number))
        case .array(let items): return .array(items.map(plain))
        case .map(let map):
            var result = CBORMap()
            for key in map.keys { _ = result.insert(key, plain(map[key] ?? .null)) }
            return .map(result)
        default: return value
        }
    }

    @Test(arguments: vectors["calls"].list + vectors["errors"].list) func framesHoldTheReferencesValues(
        vector: Vector
    ) throws {
        #expect(try Self.plain(Self.read(vector["request_frame"].hex)) == Self.plain(vector["request"].cbor))
        if vector["response_frame"].optionalText != nil {
            #expect(try Self.plain(Self.read(vector["response_frame"].hex)) == Self.plain(vector["response"].cbor))
        }
    }

    @Test(arguments: vectors["errors"].list) func answersToBadRequestsCarryTheReferencesCodes(vector: Vector)
        async throws
    {
        let network = try TestNetwork()
        let answer = await network.coordinator.answer(
            Self.message(vector["request_frame"].hex), from: SecretKey().nodeID)
        let value = try CBORReader.read(answer, limits: CBORLimits(bytes: RPCFrame.responseLimit))
        let response = try #require(RPCResponse(value))
        switch (vector.name, response) {
        case ("unknown_user", .result(_, let result)):
            // Ours answers like for a known user; the reference says so at once.
            #expect(Set(result.keys) == ["state_id", "response"])
        case ("admin_cert_without_capability", .failure(_, let error)):
            // Ours also refuses another network's certificate; the order of the checks is AdministrationTests' matter.
            #expect(error.code == .unauthorized)
        case (_, .failure(let id, let error)):
            #expect(error.code.rawValue == vector["error_code"].text)
            #expect(id == (vector["response_id"].optionalText.map { .text($0) } ?? .null))
        case (_, .result): Issue.record("\(vector.name) was answered")
        }
        let example = try #require(RPCResponse(Self.read(vector["example_response_frame"].hex)))
        guard case .failure(_, let error) = example else {
            Issue.record("\(vector.name): the example is no failure")
            return
        }
        #expect(error.code.rawValue == vector["error_code"].text)
    }

    @Test(arguments: vectors["framing"].list) func badFramesCarryTheReferencesCodes(vector: Vector) {
        for limit in [RPCFrame.requestLimit, RPCFrame.responseLimit] {
            var reader = RPCFrameReader(limit: limit)
            var event = reader.consume(vector["bytes"].hex)
            if event == .needsMore { event = reader.end() }
            let expected: RPCFrameReader.Failure =
                vector["error_code"].text == RPCErrorCode.tooLarge.rawValue ? .tooLarge : .endOfStream
            #expect(event == .failed(expected))
        }
    }

    @Test func framesMayArriveInAnyPieces() {
        let message = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        let frame = RPCFrame.encode(message)
        for size in [1, 2, 3, 4, 5, 7, 100, 303, 304] {
            var reader = RPCFrameReader(limit: 1_000)
            var events: [RPCFrameReader.Event] = []
            for start in stride(from: 0, to: frame.count, by: size) {
                events.append(reader.consume(frame[start..<min(start + size, frame.count)]))
            }
            #expect(events.last == .message(message), "pieces of \(size)")
            #expect(events.dropLast().allSatisfy { $0 == .needsMore })
        }
    }

    @Test func framesAreBoundedAtTheirLimit() {
        var atLimit = RPCFrameReader(limit: 10)
        #expect(
            atLimit.consume(RPCFrame.encode(Array(repeating: 1, count: 10))) == .message(Array(repeating: 1, count: 10))
        )
        var past = RPCFrameReader(limit: 10)
        #expect(past.consume([0, 0, 0, 11]) == .failed(.tooLarge), "refused before its first byte")
        #expect(past.consume([1, 2, 3]) == .failed(.tooLarge))
        var empty = RPCFrameReader(limit: 10)
        #expect(empty.consume([0, 0, 0, 0]) == .message([]))
        var cut = RPCFrameReader(limit: 10)
        #expect(cut.consume([0, 0, 0, 2, 1]) == .needsMore)
        #expect(cut.end() == .failed(.endOfStream))
    }

    @Test func hostileMessagesAreRefusedPolitely() async throws {
        let network = try TestNetwork()
        for message in [
            [], [0xff], [UInt8](repeating: 0x81, count: 60_000), [0xbb] + [UInt8](repeating: 0xff, count: 8),
        ] {
            let answer = await network.coordinator.answer(message, from: SecretKey().nodeID)
            let value = try CBORReader.read(answer, limits: CBORLimits(bytes: 1_000))
            guard case .failure(.null, let error)? = RPCResponse(value) else {
                Issue.record("answered \(value)")
                continue
            }
            #expect(error.code == .badRequest)
        }
    }
}
