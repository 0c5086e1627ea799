import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// What may come through a bridge, and how do its chats live side by side?

@Suite struct BridgeCallerTests {
    @Test("an admin's bridge is a member: its turns have no tools for admins, its commands no effect on the agent")
    func anAdminsBridgeIsAMember() async throws {
        let gateway = try TestGateway(place: .coordinator, requestRestart: { Issue.record("it was restarted") })
        try await gateway.run { running in
            let device = try await gateway.join("ana", role: .admin)
            let socket = try await running.webSocket(gateway.bridge(of: device))
            try await socket.send(.command(.init(name: "restart", sessionID: "tg:1")))
            #expect(try await socket.message().errorCode == .forbidden)
            try await socket.say("hello", session: "tg:1", id: "tg:7")
            let run = try await gateway.agent.nextRun()
            #expect(!run.request.isAdmin)
            run.answer("good day")
            _ = try await socket.messages { $0.isTurnEnd }
            // The same device as itself is an admin's.
            let own = try await running.webSocket(device)
            try await own.say("hello")
            let other = try await gateway.agent.nextRun()
            #expect(other.request.isAdmin)
            other.answer("")
        }
    }

    @Test(
        "P-57: each chat is a lane, whatever the rule for devices, and more chats than a device may have lanes go on side by side"
    )
    func eachChatIsALane() async throws {
        var limits = GatewayLimits.patient
        limits.lanesPerDevice = 2
        limits.waitingPerLane = 1
        limits.sessionsPerSocket = 2
        for lane in SessionLane.allCases {
            let gateway = try TestGateway(limits: limits, lane: lane)
            try await gateway.run { running in
                let socket = try await running.webSocket(gateway.bridge(of: gateway.device()))
                for chat in 1...4 { try await socket.say("hello", session: "tg:\(chat)", id: "\(chat)") }
                var runs: [ScriptedRun] = []
                for _ in 1...4 { runs.append(try await gateway.agent.nextRun()) }
                #expect(Set(runs.map(\.request.sessionID)).count == 4)
                // What one chat has to wait for is bounded like everybody's.
                try await socket.say("more", session: "tg:1", id: "5")
                try await socket.say("too much", session: "tg:1", id: "6")
                let told = try await socket.messages { $0.errorCode != nil }
                #expect(told.last?.errorCode == .queueFull && told.last?.messageID == "6")
                for run in runs { run.answer("") }
            }
        }
    }

    @Test("a chat's status and stop are about that chat alone")
    func commandsAreAboutOneChat() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let socket = try await running.webSocket(gateway.bridge(of: gateway.device()))
            for chat in ["tg:1", "tg:2"] { try await socket.say("hello", session: chat, id: chat) }
            _ = [try await gateway.agent.nextRun(), try await gateway.agent.nextRun()]
            func command(_ name: String, _ session: String?) async throws -> ServerMessage {
                try await socket.send(.command(.init(name: name, sessionID: session)))
                let told = try await socket.messages { if case .commandResult = $0.body { true } else { false } }
                return try #require(told.last)
            }
            #expect(try await command("status", "tg:1").text == "Busy | Queue: 0")
            #expect(try await command("status", "tg:3").text == "Idle | Queue: 0")
            #expect(try await command("stop", nil).failure == .invalid)
            #expect(try await command("stop", "tg:3").text == "Nothing running.")
            #expect(try await command("stop", "tg:1").text == "Stopped current operation.")
            #expect(try await command("status", "tg:2").text == "Busy | Queue: 0")
        }
    }

    @Test("a bridge knows its own messages again, and none of those of the device that it runs on")
    func messageIDsAreTheBridges() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let device = gateway.device()
            let (own, bridge) = (
                try await running.webSocket(device), try await running.webSocket(gateway.bridge(of: device))
            )
            try await own.say("one", session: "a", id: "7")
            try await bridge.say("two", session: "b", id: "7")
            let runs = [try await gateway.agent.nextRun(), try await gateway.agent.nextRun()]
            #expect(Set(runs.map(\.request.text)) == ["one", "two"])
            let again = try await running.webSocket(gateway.bridge(of: device))
            try await again.say("two", session: "b", id: "7")
            #expect(try await again.message().position == 0)
            for run in runs { run.answer("") }
            #expect(gateway.agent.runs.count == 2)
        }
    }

    @Test("P-05: a revoked device's bridge ends with it")
    func revocationEndsTheBridge() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let device = try await gateway.join("ana")
            let bridge = gateway.bridge(of: device)
            let socket = try await running.webSocket(bridge)
            _ = try await #require(gateway.network).revokeDevice(device.nodeID, by: .operator)
            guard case .close(4003, _) = try await socket.next() else { throw Timeout(what: "the socket's end") }
            #expect(try await running.stream(bridge).ask("GET", "/api/whoami").status == 401)
        }
    }
}
