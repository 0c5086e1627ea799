import NIOCore
import Testing

@testable import Gateway

@Suite struct PreambleTests {
    private static func bytes(_ length: UInt32, _ certificate: Int, rest: String = "") -> [UInt8] {
        var buffer = ByteBuffer(integer: length)
        buffer.writeRepeatingByte(7, count: certificate)
        buffer.writeString(rest)
        return Array(buffer: buffer)
    }

    @Test(arguments: [0, 1, 200, 16_383, 16_384])
    func lengthsUpToTheLimitAreRead(_ length: Int) {
        var preamble = Preamble(limit: 16_384)
        let action = preamble.receive(ByteBuffer(bytes: Self.bytes(UInt32(length), length, rest: "GET")))
        #expect(action == .finish(certificate: Array(repeating: 7, count: length), rest: ByteBuffer(string: "GET")))
    }

    @Test(arguments: [16_385, 65_536, UInt32.max])
    func longerOnesAreRefusedBeforeAnyMemoryIsTaken(_ length: UInt32) {
        var preamble = Preamble(limit: 16_384)
        #expect(preamble.receive(ByteBuffer(bytes: Self.bytes(length, 0))) == .reset(.tooLong(Int(length))))
        #expect(preamble.receive(ByteBuffer(string: "more")) == .waitForMore)
        #expect(preamble.timeOut() == .waitForMore)
    }

    @Test(arguments: 1...9)
    func piecesOfAnySizeGiveTheSame(_ size: Int) {
        var preamble = Preamble(limit: 100)
        let all = Self.bytes(5, 5)
        var last = Preamble.Action.waitForMore
        for start in stride(from: 0, to: all.count, by: size) {
            #expect(last == .waitForMore)
            last = preamble.receive(ByteBuffer(bytes: all[start..<min(start + size, all.count)]))
        }
        #expect(last == .finish(certificate: [7, 7, 7, 7, 7], rest: ByteBuffer()))
    }

    @Test(arguments: 0..<9)
    func aStreamThatStopsInsideIsReset(_ sent: Int) {
        var ended = Preamble(limit: 100)
        _ = ended.receive(ByteBuffer(bytes: Self.bytes(5, 5).prefix(sent)))
        #expect(ended.end() == .reset(.truncated))
        var slow = Preamble(limit: 100)
        _ = slow.receive(ByteBuffer(bytes: Self.bytes(5, 5).prefix(sent)))
        #expect(slow.timeOut() == .reset(.tooSlow))
    }

    @Test func aCompletePreambleCannotTimeOut() {
        var preamble = Preamble(limit: 100)
        _ = preamble.receive(ByteBuffer(bytes: Self.bytes(5, 5)))
        #expect(preamble.timeOut() == .waitForMore)
        #expect(preamble.end() == .waitForMore)
    }

    @Test func streamsWithABadPreambleEndWithoutAnAnswer() async throws {
        var limits = GatewayLimits()
        limits.preambleTime = .milliseconds(200)
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let connection = try await running.connection(of: gateway.device().nodeID)
            for bytes in [Self.bytes(16_385, 0), Self.bytes(100, 99), [], [0, 0]] {
                let stream = try await connection.stream()
                try await stream.send(bytes)
                #expect(try await stream.endsSilently())
            }
            let halfClosed = try await connection.stream()
            try await halfClosed.send(Self.bytes(100, 50))
            try await halfClosed.channel.close(mode: .output)
            #expect(try await halfClosed.endsSilently())
        }
    }

    @Test func aPreambleInSingleBytesIsServed() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.connection(of: device.nodeID).stream()
            let certificate = gateway.certificate(for: device)
            var bytes = Array(buffer: ByteBuffer(integer: UInt32(certificate.count))) + certificate
            bytes += Array("GET /api/agent-info HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            for byte in bytes { try await stream.send([byte]) }
            #expect(try await stream.response()?.status == 200)
        }
    }
}
