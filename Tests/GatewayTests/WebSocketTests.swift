import Foundation
import NIOCore
import Testing

@testable import Gateway
@testable import Wire

@Suite struct WebSocketTests {
    @Test func brokenMessagesAreAnsweredWithAStableCodeAndTheSocketStaysOpen() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for (text, code) in [
                ("not json", ErrorCode.badMessage), ("[]", .badMessage), ("{}", .badMessage),
                ("{\"type\":7}", .badMessage),
                (#"{"type":"text_final","session_id":"s","text":7}"#, .badMessage),
                (#"{"type":"dance"}"#, .unknownType),
                (String(repeating: "[", count: 100_000), .badMessage),
            ] {
                try await socket.send(text: text)
                #expect(try await socket.message().errorCode == code, "\(text.prefix(40))")
            }
            try await socket.stream.send(TestWebSocket.frame(2, [1, 2, 3]))
            #expect(try await socket.message().errorCode == .badMessage)
            try await socket.stream.send(TestWebSocket.frame(1, [0xFF, 0xFE]))
            #expect(try await socket.message().errorCode == .badMessage)
            try await socket.stream.send(TestWebSocket.frame(9, [1, 2, 3]))
            #expect(try await socket.next() == .pong([1, 2, 3]))
            try await socket.stream.send(TestWebSocket.frame(8, [0x03, 0xE8]))
            #expect(try await socket.next() == .close(code: 1000, reason: ""))
        }
    }

    @Test func framesAndMessagesUpToTheirLimitsAreRead() async throws {
        var limits = GatewayLimits.patient
        limits.frameLength = 1_000
        limits.messageLength = 3_000
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            func text(_ count: Int) -> [UInt8] {
                let head = #"{"type":"text_final","session_id":"s","text":""#
                return Array((head + String(repeating: "x", count: count - head.utf8.count - 2) + "\"}").utf8)
            }
            func fragments(_ all: [UInt8]) -> [UInt8] {
                let parts = stride(from: 0, to: all.count, by: 1_000).map {
                    Array(all[$0..<min($0 + 1_000, all.count)])
                }
                return parts.enumerated().flatMap { index, part in
                    TestWebSocket.frame(index == 0 ? 1 : 0, part, fin: index == parts.count - 1)
                }
            }
            let socket = try await running.webSocket(gateway.device())
            try await socket.stream.send(TestWebSocket.frame(1, text(1_000)))
            try await gateway.agent.nextRun().answer("")
            _ = try await socket.messages { $0.isTurnEnd }
            try await socket.stream.send(fragments(text(3_000)))
            try await gateway.agent.nextRun().answer("")
            _ = try await socket.messages { $0.isTurnEnd }
            for bytes in [TestWebSocket.frame(1, text(1_001)), fragments(text(3_001))] {
                let socket = try await running.webSocket(gateway.device())
                try await socket.stream.send(bytes)
                #expect(try await socket.message().errorCode == .tooLarge)
                #expect(try await socket.next() == .close(code: 1009, reason: "message too large"))
            }
        }
    }

    @Test func whatBreaksTheProtocolClosesTheSocket() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            for bytes in [
                TestWebSocket.frame(1, Array("{}".utf8), masked: false),
                TestWebSocket.frame(0, [1]),
                TestWebSocket.frame(9, [1], fin: false),
                [0xC1, 0x80, 1, 2, 3, 4],
                TestWebSocket.frame(1, [1], fin: false) + TestWebSocket.frame(1, [1]),
            ] {
                let socket = try await running.webSocket(device)
                try await socket.stream.send(bytes)
                var event = try await socket.next()
                if case .message(let message) = event {
                    #expect(message.errorCode == .badMessage)
                    event = try await socket.next()
                }
                #expect(event == .close(code: 1002, reason: "protocol error"), "\(bytes)")
            }
        }
    }

    @Test func hostileFramesDoNotHurtOthers() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        let gateway = try TestGateway()
        let garbage = (0..<60).map { _ -> [UInt8] in
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                return (0..<Int.random(in: 1...400, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            case 1:
                let payload = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                return TestWebSocket.frame(
                    UInt8.random(in: 0...15, using: &random), payload, fin: Bool.random(using: &random))
            default:
                var text = Array(#"{"type":"session_open","session_id":"s","after_seq":1}"#.utf8)
                for _ in 0..<3 {
                    text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                return TestWebSocket.frame(1, text)
            }
        }
        try await gateway.run { running in
            let other = try await running.webSocket(gateway.device("bob"))
            let device = gateway.device()
            let connection = try await running.connection(of: device.nodeID)
            for bytes in garbage {
                let socket = try await running.webSocket(device, on: connection)
                try await socket.stream.send(bytes)
                // Half of them stay open, half leave at once.
                if bytes.count.isMultiple(of: 2) { await socket.stream.close() }
                try await other.send(.ping)
                #expect(try await other.message().body == .pong, "seed \(seed)")
            }
            let fresh = try await running.webSocket(device, on: connection)
            try await fresh.say("still there?", session: "fresh")
            try await gateway.agent.nextRun().answer("yes")
            #expect(try await fresh.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["yes"], "seed \(seed)")
        }
    }

    @Test func aReaderThatStallsIsCutAndDelaysNobody() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device("ana")
            let connection = try await running.connection(of: device.nodeID)
            let stream = try await TestStream.connect(port: connection.port, receiveBuffer: 16_384)
            try await stream.sendPreamble(gateway.certificate(for: device))
            try await stream.send(TestWebSocket.upgradeRequest)
            _ = try await stream.response()
            let stalled = TestWebSocket(stream)
            _ = try await stalled.message()
            try await stalled.say("talk", id: "m")
            let run = try await gateway.agent.nextRun()
            _ = try await stalled.message()
            try await stream.channel.setOption(.autoRead, value: false).get()
            let part = String(repeating: "x", count: 16_384)
            for _ in 0..<1_500 { run.delta(part) }
            run.answer("the end")
            #expect(try await run.wasCancelled() == false)
            // Everybody else is served meanwhile.
            let bob = try await running.webSocket(gateway.device("bob"))
            try await bob.say("hello")
            try await gateway.agent.nextRun().answer("hi")
            _ = try await bob.messages { $0.isTurnEnd }
            // It reads again: it finds what was under way, then the reason.
            try await stream.channel.setOption(.autoRead, value: true).get()
            var events = 0
            var last = try await stalled.next()
            while case .message = last {
                events += 1
                last = try await stalled.next()
            }
            #expect(last == .close(code: 4008, reason: "too far behind: reconnect and resume by seq"))
            #expect(events < 1_500)
            // And it resumes.
            let back = try await running.webSocket(device, on: connection)
            try await back.send(.sessionOpen(.init(sessionID: "s", afterSequence: events + 1)))
            #expect(try await back.messages { $0.isTurnEnd }.compactMap(\.responseText) == ["the end"])
        }
    }

    @Test func aSocketMayWatchSoManySessions() async throws {
        var limits = GatewayLimits.patient
        limits.sessionsPerSocket = 2
        let gateway = try TestGateway(limits: limits)
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.device())
            for session in ["a", "b", "a", "c"] { try await socket.send(.sessionOpen(.init(sessionID: session))) }
            let refused = try await socket.message()
            #expect(refused.errorCode == .tooLarge)
            #expect(refused.sessionID == "c")
            try await socket.send(.sessionClose(sessionID: "a"))
            try await socket.send(.sessionOpen(.init(sessionID: "c")))
            try await socket.send(.ping)
            #expect(try await socket.message().body == .pong)
        }
    }
}
