import Foundation
import JSON
import Testing

@testable import Agent

@Suite struct TurnLoopTests {
    private static let call = ToolCall(id: "a", name: "x_do", arguments: "{}")

    private static func step(_ text: String = "", _ calls: Int = 0, stop: ModelReply.Stop = .complete) -> JournalEntry {
        .modelStep(
            text: text, calls: (0..<calls).map { ToolCall(id: "c\($0)", name: "x_do", arguments: "{}") },
            model: "m", stop: stop)
    }

    @Test func aFreshTurnAsks() {
        #expect(TurnLoop(limit: 5).next == .ask)
    }

    @Test func anAnswerWithoutCallsIsTheEnd() {
        let loop = TurnLoop(limit: 5, entries: [Self.step("hello")])
        #expect(loop.next == .finish(note: nil))
        #expect(loop.text == "hello")
    }

    @Test func openCallsRunBegunOnesAreLostAndSettledOnesAreRead() {
        var loop = TurnLoop(limit: 5, entries: [Self.step("", 3), .toolCall(id: "1.2", name: "x_do", arguments: "{}")])
        loop.take(.toolResult(id: "1.1", output: "one"))
        guard case .settle(let lost) = loop.next else { return #expect(Bool(false), "\(loop.next)") }
        #expect(lost.map(\.id) == ["1.2"])
        loop.take(.toolFailed(id: "1.2", output: TurnLoop.outcomeUnknown))
        guard case .run(let open) = loop.next else { return #expect(Bool(false), "\(loop.next)") }
        #expect(open.map(\.id) == ["1.3"])
        // A second result of the same call changes nothing.
        loop.take(.toolResult(id: "1.2", output: "late"))
        loop.take(.toolResult(id: "1.3", output: "three"))
        #expect(loop.next == .ask)
        let results = loop.messages.compactMap { if case .tool(_, _, let result) = $0 { result } else { nil } }
        #expect(results.map(\.isError) == [false, true, false])
        #expect(results[1].text.contains("outcome is unknown"))
    }

    @Test func theLastStepsToolsAreNotRunAndThatIsSaid() {
        let loop = TurnLoop(
            limit: 2, entries: [Self.step("", 1), .toolResult(id: "1.1", output: ""), Self.step("", 1)])
        guard case .finish(let note?) = loop.next else { return #expect(Bool(false), "\(loop.next)") }
        #expect(note.contains("at most 2 steps"))
    }

    @Test func whatCutsAnAnswerIsSaid() {
        for (stop, words) in [(ModelReply.Stop.length, "as long as"), (.refused, "declined")] {
            guard case .finish(let note?) = TurnLoop(limit: 2, entries: [Self.step("x", stop: stop)]).next else {
                return #expect(Bool(false))
            }
            #expect(note.contains(words))
        }
    }

    @Test func callsWithTheSameNameAreToldApart() {
        let same = JournalEntry.modelStep(text: "", calls: [Self.call, Self.call], model: "m", stop: .toolCalls)
        let ids = TurnLoop(limit: 5, entries: [same]).messages.flatMap { message -> [String] in
            if case .assistant(_, let calls) = message { calls.map(\.id) } else { [] }
        }
        #expect(Set(ids).count == 2)
    }

    @Test func whatAProviderWantsBackWithACallGoesBack() {
        let call = ToolCall(id: "a", name: "one_look", arguments: "{}", signature: "sealed")
        var loop = TurnLoop(limit: 5)
        loop.take(.modelStep(text: "", calls: [call], model: "google:pro", stop: .toolCalls))
        loop.take(.toolResult(id: "1.1", output: "seen"))
        #expect(loop.messages.first == .assistant("", calls: [call]))
    }

    @Test func rowsOfEarlierVersionsAreStillRead() throws {
        let rows = [
            #"{"toolCall":{"id":"c1","name":"search","arguments":"{}"}}"#,
            #"{"toolResult":{"id":"c1","output":"found"}}"#, #"{"modelReply":{"_0":"done"}}"#,
        ]
        let entries = try rows.map { try JSONDecoder().decode(JournalEntry.self, from: Data($0.utf8)) }
        #expect(
            entries == [
                .toolCall(id: "c1", name: "search", arguments: "{}"), .toolResult(id: "c1", output: "found"),
                .modelReply("done"),
            ])
        for entry in [Self.step("a", 2), .toolFailed(id: "1", output: "no")] {
            #expect(try JSONDecoder().decode(JournalEntry.self, from: try JSONEncoder().encode(entry)) == entry)
        }
    }

    // MARK: Cuts

    private struct Killed: Error {}

    /// 49 steps that use tools of three servers, sometimes two at once, and an answer.
    private static func model() -> ScriptedModel {
        ScriptedModel { _, request, emit in
            let step = request.messages.count { if case .assistant = $0 { true } else { false } }
            guard step < 49 else {
                let unknown = request.messages.count { message in
                    if case .tool(_, _, let result) = message { result.text == TurnLoop.outcomeUnknown } else { false }
                }
                await emit("done, \(unknown) unknown")
                return ModelReply(text: "done, \(unknown) unknown")
            }
            let names = step % 5 == 0 ? ["a_look", "b_look"] : [["a_do", "b_do", "c_do"][step % 3]]
            await emit("step \(step)")
            return ModelReply(
                text: "step \(step)", calls: names.map { ToolCall(id: "", name: $0, arguments: "{}") }, stop: .toolCalls
            )
        }
    }

    @Test("a turn of 50 steps that is cut behind each entry runs no tool twice and says the same")
    func everyCut() async throws {
        let whole = TestJournal()
        let expected = try await TestModels(Self.model(), tools: AgentTools(["a", "b", "c"].map { FakeTools($0) }))
            .ask(journal: whole)
        #expect(expected.text.hasPrefix("step 0\n\nstep 1\n\n") && expected.text.hasSuffix("done, 0 unknown"))
        let count = await whole.all.count
        #expect(count > 150)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for cut in 0...count { group.addTask { try await Self.check(cut, of: count, expected.text) } }
            try await group.waitForAll()
        }
    }

    private static func check(_ cut: Int, of count: Int, _ expected: String) async throws {
        let servers = ["a", "b", "c"].map { FakeTools($0) }
        let model = model()
        let models = TestModels(model, tools: AgentTools(servers))
        // The first process dies as soon as it has written so many entries; nothing that it does afterwards counts.
        let written = Entries()
        let first = TestJournal { entry in if !written.add(entry, atMost: cut) { throw Killed() } }
        let early = try? await models.ask(journal: first)
        #expect((early == nil) == (cut < count), "cut \(cut)")
        let entries = written.all
        let asked = model.requests.count
        let outcome = try await models.ask(journal: TestJournal(entries))
        let recorded = entries.count { if case .modelStep = $0 { true } else { false } }
        #expect(model.requests.count - asked == 50 - recorded, "cut \(cut): no recorded step is asked again")
        let ran = servers.flatMap(\.ran)
        #expect(Set(ran).count == ran.count, "cut \(cut): \(ran)")
        let begun = Set(entries.compactMap { if case .toolCall(let id, _, _) = $0 { id } else { nil } })
        let ended = Set(
            entries.compactMap { entry -> String? in
                if case .toolResult(let id, _) = entry { id } else { nil }
            })
        let unknown = begun.subtracting(ended).count
        #expect(outcome.text == expected.replacing("0 unknown", with: "\(unknown) unknown"), "cut \(cut)")
    }

    /// What is on the disk of a process that dies.
    private final class Entries: Sendable {
        private let state = TestMutex<[JournalEntry]>([])
        var all: [JournalEntry] { state.value }

        func add(_ entry: JournalEntry, atMost limit: Int) -> Bool {
            state.change { entries in
                guard entries.count < limit else { return false }
                entries.append(entry)
                return true
            }
        }
    }
}
