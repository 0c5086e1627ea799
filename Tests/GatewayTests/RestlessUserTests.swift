import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store
@testable import Wire

// One user at several windows sends, interrupts, stops, clears, leaves, comes back and sends again, all at the same time and in
// sessions that gather. Nobody waits for ever, and nothing is said twice.

@Suite struct RestlessUserTests {
    private static let sessions = ["a", "b", "c"]

    @Test(
        "P-57: whatever is sent, stopped, cleared and sent again at the same time, every message ends, and is there once",
        arguments: SessionLane.allCases, [false, true])
    func everyMessageEnds(_ lane: SessionLane, diskFails: Bool) async throws {
        var limits = GatewayLimits.patient
        limits.savingPause = .milliseconds(5)
        limits.longestSavingPause = .milliseconds(20)
        let gateway = try TestGateway(limits: limits, lane: lane)
        let device = gateway.device()
        let deadline = ContinuousClock.now + .milliseconds(600)
        try await gateway.run { running in
            try await withThrowingTaskGroup(of: [(id: String, session: String)].self) { group in
                group.addTask {
                    await Self.answer(gateway.agent)
                    return []
                }
                for number in 1...3 { group.addTask { try await Self.type(number, device, running) } }
                var sent: [(id: String, session: String)] = []
                while diskFails {
                    try gateway.database.setReadOnly(true)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...10)))
                    try gateway.database.setReadOnly(false)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...30)))
                    if ContinuousClock.now > deadline { break }
                }
                for _ in 1...3 { sent += try await group.next() ?? [] }
                let socket = try await running.webSocket(device)
                for (id, session) in sent {
                    try await socket.say(id, session: session, id: id)
                    var told: [ServerMessage] = []
                    do {
                        while true {
                            let message = try await socket.message(within: 10)
                            told.append(message)
                            if message.isTurnEnd, message.messageID == id || message.messageIDs.contains(id) { break }
                        }
                    } catch {
                        Issue.record("\(id) in \(session) has no end: \(error), \(told)")
                        throw error
                    }
                }
                group.cancelAll()
                try await Self.expectOnce(sent.map(\.id), gateway)
                guard !diskFails else { return }
                #expect(gateway.log.all.filter { $0.hasPrefix("sessions::") } == [])
            }
        }
    }

    /// Each run takes its time, and says something on the way or not.
    private static func answer(_ agent: ScriptedAgent) async {
        await withDiscardingTaskGroup { group in
            while let run = try? await agent.nextRun() {
                group.addTask {
                    for _ in 0..<Int.random(in: 0...3) {
                        try? await Task.sleep(for: .milliseconds(Int.random(in: 0...4)))
                        run.delta("x")
                    }
                    run.answer("done")
                }
            }
        }
    }

    /// - Returns: the messages that were sent.
    private static func type(
        _ number: Int, _ device: TestDevice, _ running: TestGateway.Running
    ) async throws -> [(id: String, session: String)] {
        func connect() async throws -> TestWebSocket {
            let socket = try await running.webSocket(device)
            for session in sessions {
                let window = session == "c" ? 0 : Int.random(in: 1...8)
                try await socket.send(.sessionOpen(.init(sessionID: session, coalesceWindow: window)))
            }
            return socket
        }
        var socket = try await connect()
        var sent: [(id: String, session: String)] = []
        for step in 1...80 {
            let session = sessions.randomElement() ?? ""
            switch Int.random(in: 0..<24) {
            case 0: try await socket.send(.interrupt(sessionID: session))
            case 1: try await socket.send(.command(.init(name: "stop", sessionID: session)))
            case 2: try await socket.send(.command(.init(name: "clear", sessionID: session)))
            case 3:
                try await socket.send(.sessionClose(sessionID: session))
                try await socket.send(.sessionOpen(.init(sessionID: session, afterSequence: 0, coalesceWindow: 2)))
            case 4:
                await socket.close()
                socket = try await connect()
            case 5, 6:
                if let (id, session) = sent.randomElement() { try await socket.say(id, session: session, id: id) }
            default:
                let id = "\(number)-\(step)"
                sent.append((id, session))
                try await socket.say(id, session: session, id: id)
            }
            if Bool.random() { try await Task.sleep(for: .milliseconds(Int.random(in: 0...3))) }
        }
        return sent
    }

    private static func expectOnce(_ ids: [String], _ gateway: TestGateway) async throws {
        #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        var texts: [String] = []
        for session in sessions {
            let page = try await gateway.sessions.transcript(handle: "ana", sessionID: session, limit: 10_000)
            texts += try #require(page).messages.filter { $0.message.role == "user" }.map(\.message.text)
        }
        for archive in try await gateway.sessions.archives(of: "ana", limit: 10_000) {
            texts += try await gateway.sessions.transcript(ofArchive: archive.id, limit: 10_000).messages
                .filter { $0.message.role == "user" }.map(\.message.text)
        }
        let said = Dictionary(grouping: texts.flatMap { $0.split(separator: "\n\n") }) { $0 }.mapValues(\.count)
        #expect(said.filter { $0.value > 1 }.isEmpty, "said twice")
        #expect(said.keys.allSatisfy { ids.contains(String($0)) })
    }
}
