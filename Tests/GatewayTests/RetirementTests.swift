import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A handle may be given to somebody else. What was said under it before is not theirs to read.

@Suite struct RetirementTests {
    /// Asks and has the answer.
    private static func talk(_ gateway: TestGateway, _ socket: TestWebSocket, _ text: String) async throws
        -> ScriptedRun
    {
        try await socket.say(text)
        let run = try await gateway.agent.nextRun()
        run.answer("about \(text)")
        _ = try await socket.messages { $0.isTurnEnd }
        return run
    }

    /// A device that has nothing but the handle of an earlier user sees nothing of theirs.
    private static func expectNothing(
        _ gateway: TestGateway, _ running: TestGateway.Running, _ device: TestDevice
    ) async throws {
        let socket = try await running.webSocket(device)
        try await socket.send(.sessionOpen(.init(sessionID: "s", afterSequence: 0)))
        try await socket.send(.ping)
        #expect(try await socket.message().body == .pong, "something of the earlier user's was replayed")
        let run = try await talk(gateway, socket, "who was here?")
        #expect(run.request.history.isEmpty)
    }

    @Test func anotherUserOfTheHandleSeesNothingOfTheEarlierOnes() async throws {
        let gateway = try TestGateway(place: .coordinator)
        try await gateway.run { running in
            let socket = try await running.webSocket(try await gateway.join("ana"))
            _ = try await Self.talk(gateway, socket, "a secret")
            try await socket.say("unanswered")
            let open = try await gateway.agent.nextRun()
            open.delta("another se")
            #expect(try await socket.message().body == .delta("another se"))
            try await #require(gateway.network).removeUser("ana", by: .operator)
            guard case .close(4003, _) = try await socket.next() else { throw Timeout(what: "the socket's end") }
            #expect(try await open.wasCancelled())
            try await Self.expectNothing(gateway, running, try await gateway.join("ana"))
            #expect(try gateway.sessions.unfinishedTurns().isEmpty)
        }
    }

    /// The server may be down when the user is removed, or go down right after.
    @Test func theRemovalItselfTakesTheConversationsAway() async throws {
        let gateway = try TestGateway(place: .coordinator)
        _ = try await gateway.join("ana")
        _ = try await gateway.sessions.open(handle: "ana", sessionID: "s", reserving: 1, now: 0)
        _ = try await gateway.sessions.open(handle: "bob", sessionID: "s", reserving: 1, now: 0)
        try await #require(gateway.network).removeUser("ana", by: .operator)
        #expect(try await gateway.sessions.handles() == ["bob"])
    }

    @Test(arguments: [RosterChange.userRemoved("ana"), .everything])
    func aMemberAgentTakesThemAwayWhenItIsTold(_ change: RosterChange) async throws {
        let gateway = try TestGateway(place: .member)
        try await gateway.run { running in
            _ = try await Self.talk(gateway, try await running.webSocket(gateway.device("ana")), "a secret")
            _ = try await Self.talk(gateway, try await running.webSocket(gateway.device("bob")), "mine")
            gateway.membership.announce(.everything)  // Nobody can say who is a user.
            gateway.membership.setUsers(["bob"])
            gateway.membership.announce(change)
            try await within(30, "the conversations to be out of reach") {
                while try await gateway.sessions.handles() != ["bob"] { await Task.yield() }
            }
            try await Self.expectNothing(gateway, running, gateway.device("ana"))
            let bob = try await running.webSocket(gateway.device("bob"))
            #expect(try await Self.talk(gateway, bob, "and mine?").request.history.count == 2)
        }
    }

    /// Another coordinator may let a user have the name that the operator has here.
    @Test func aUserOfTheOperatorsNameIsNotLetIn() async throws {
        let gateway = try TestGateway(place: .member)
        try await gateway.run { running in
            let device = gateway.device("operator")
            let refused = try await running.stream(device).ask("GET", "/api/whoami")
            #expect(refused.status == 401 && refused.body == "device inactive or removed")
            #expect(try await running.operatorStream().ask("GET", "/api/whoami").status == 200)
        }
    }
}
