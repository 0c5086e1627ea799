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
            // That change is over and done with before the next: it would take what comes after that one.
            try await within(30, "the users to be looked up") {
                while !gateway.membership.lookedUp.isSuperset(of: ["ana", "bob"]) { await Task.yield() }
            }
            #expect(try await gateway.sessions.handles() == ["ana", "bob"])
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

    private static func retired(_ gateway: TestGateway, _ path: String, _ client: TaskRoutesTests.Client) async throws {
        let task = try await client.ask("GET", "/api/scheduled-tasks/water").decode(TaskBody.self)
        #expect(!task.enabled && task.nextRun == nil && task.owner == "__retired/ana" && !task.running)
        let workflow = try await client.ask("GET", path).decode(WorkflowBody.self)
        #expect(!workflow.enabled && workflow.owner == "__retired/ana")
        #expect(workflow.schedules.allSatisfy { $0.nextRunAt == nil })
    }

    @Test("what ran by itself for a user who is removed ends and is switched off, also for whoever has the handle next")
    func plansAreSwitchedOff() async throws {
        let gateway = try TestGateway(place: .coordinator, hasScheduler: true)
        let (runner, scheduler) = (
            try #require(gateway.configuration.runner), try #require(gateway.configuration.scheduler)
        )
        try await gateway.run { running in
            let device = try await gateway.join("ana", role: .admin)
            let ana = TaskRoutesTests.Client(running: running, device: device)
            let root = TaskRoutesTests.Client(running: running, device: try await gateway.join("root", role: .admin))
            // A model was called for them: the account of it may not be in the way.
            let talk = try await Self.talk(gateway, try await running.webSocket(device), "hello")
            #expect(talk.request.handle == "ana")
            for (client, name) in [(ana, "water"), (root, "mow")] {
                let task = ["name": name, "cron_expression": "@daily", "prompt": name, "catch_up": "once"]
                #expect(try await client.send("POST", "/api/scheduled-tasks", task).status == 201)
            }
            let workflow =
                #"{"name":"pause","nodes":[{"id":"t","type":"trigger-schedule","config":{"cron_expression":"@daily"}},"#
                + #"{"id":"m","type":"trigger-manual"},{"id":"wait","type":"wait","config":{"mode":"duration","seconds":3600}}],"#
                + #""edges":[{"source":"t","target":"wait"},{"source":"m","target":"wait"}]}"#
            let made = try await ana.ask("POST", "/api/workflows", workflow)
            #expect(made.status == 201, "\(made)")
            let path = "/api/workflows/\(try made.decode(WorkflowBody.self).id)"
            let hooks = try #require(gateway.configuration.webhooks)
            for (slug, owner) in [("a", "ana"), ("r", "root")] {
                let hook = WebhookRecord(
                    slug: slug, workflowID: String(path.dropFirst(15)), kind: "hmac", secret: Secret("s3cret"),
                    createdBy: owner, createdAt: 1, updatedAt: 1)
                #expect(try await hooks.insert(hook))
            }
            _ = try await gateway.configuration.approvals?.repository.ask(
                ApprovalRecord(
                    id: "q", turn: "t", call: "c", sessionID: "s", handle: "ana", tool: "x_y", arguments: "{}",
                    hash: Array(repeating: 0, count: 32), createdAt: gateway.clock.now,
                    expiresAt: gateway.clock.now + 600))
            // One of each goes on.
            #expect(try await ana.ask("POST", "/api/scheduled-tasks/water/run").status < 300)
            let run = try await gateway.agent.nextRun()
            let begun = try await ana.ask("POST", path + "/run", #"{"wait":false}"#)
            let id = try begun.decode(WorkflowRunStarted.self).runID
            #expect(await runner.openRuns == [id])

            try await #require(gateway.network).removeUser("ana", by: .operator)
            #expect(try await run.wasCancelled())
            try await within(30, "the ends of what ran") {
                while await !runner.openRuns.isEmpty { await Task.yield() }
                while await !scheduler.runningTasks.isEmpty { await Task.yield() }
            }
            try await Self.retired(gateway, path, root)
            let ended = try await root.ask("GET", "/api/workflow-runs/\(id)").decode(WorkflowRunBody.self)
            #expect(ended.status == "cancelled" && ended.error == "Its user was removed.")
            let runs = try await root.ask("GET", "/api/scheduled-tasks/water/runs").decode(TaskRunsBody.self).runs
            #expect(runs.map(\.status) == ["cancelled"])
            #expect(try await hooks.webhooks(after: nil, limit: 9).map(\.slug) == ["r"])

            // Somebody else gets the handle, and all times come.
            let next = TaskRoutesTests.Client(running: running, device: try await gateway.join("ana", role: .admin))
            gateway.clock.advance(by: 2 * 86_400)
            let other = TaskRoutesTests.Client(running: running, device: try await gateway.join("root"))
            scheduler.wake()
            let due = try await gateway.agent.nextRun()
            #expect(due.request.text == "mow" && due.request.handle == "root")
            due.answer("mown")
            try await Self.retired(gateway, path, other)
            #expect(try await next.ask("GET", "/api/approvals").decode(ApprovalsBody.self).approvals.isEmpty)
            // Nor does it run in their name when somebody asks for it.
            let asked = try await other.ask("POST", "/api/scheduled-tasks/water/run", #"{"wait":true}"#)
            #expect(try asked.decode(TaskRunBody.self).status == "failed", "\(asked)")
            #expect(gateway.agent.runs.count == 3)
        }
    }

    @Test(
        "a member agent switches off what ran for a user who left, who need not have said anything there",
        arguments: [RosterChange.userRemoved("ana"), .everything])
    func plansOfMembers(_ change: RosterChange) async throws {
        let gateway = try TestGateway(place: .member)
        let tasks = TaskRepository(gateway.database)
        for owner in ["ana", "bob", "operator"] {
            try await tasks.insert(
                TaskRecord(
                    id: owner, name: owner, schedule: "@daily", prompt: "x", owner: owner, nextRun: 4_000_000_000,
                    createdAt: 1, updatedAt: 1))
        }
        gateway.membership.setUsers(["bob"])
        try await gateway.run { _ in
            try await within(30, "the task to be off") {
                while try await tasks.task("ana")?.isEnabled != false {
                    // Again, because the first may come before the gateway listens.
                    gateway.membership.announce(change)
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(try await tasks.task("ana")?.nextRun == nil)
            for other in ["bob", "operator"] {
                let task = try await tasks.task(other)
                #expect(task?.isEnabled == true && task?.owner == other)
            }
        }
    }
}
