import TestPlatforms
import Testing

@testable import Bridges

// Queues of events: in order within a channel, side by side between channels, and never without end.

@Suite(.timeLimit(.minutes(1))) struct DiscordLanesTests {
    private struct Broken: Error {}

    private func running(
        _ lanes: DiscordLanes, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await lanes.run() }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    @Test func aLaneIsWorkedOffInOrderAndHoldsUpNoOther() async throws {
        let (lanes, gate, done) = (DiscordLanes(), FakeGate(), Watched<[String]>([]))
        try await running(lanes) {
            for number in 0..<3 {
                let isTaken = lanes.add("slow") {
                    try await gate.wait()
                    done.change { $0.append("slow \(number)") }
                }
                #expect(isTaken)
            }
            #expect(lanes.add("fast") { done.change { $0.append("fast") } })
            lanes.aside { done.change { $0.append("aside") } }
            _ = try await done.waitFor("the others") { $0.count == 2 ? true : nil }
            gate.open()
            let all = try await done.waitFor("all") { $0.count == 5 ? $0 : nil }
            #expect(Set(all.prefix(2)) == ["fast", "aside"] && all.suffix(3) == ["slow 0", "slow 1", "slow 2"])
        }
    }

    @Test func whatFindsNoRoomIsNotTaken() async throws {
        let (lanes, gate, done) = (DiscordLanes(bound: 3), FakeGate(), Watched(0))
        try await running(lanes) {
            for number in 0..<5 {
                let isTaken = lanes.add("\(number % 2)") {
                    try await gate.wait()
                    done.change { $0 += 1 }
                }
                #expect(isTaken == (number < 3))
            }
            gate.open()
            _ = try await done.waitFor("what was taken") { $0 == 3 ? true : nil }
        }
    }

    @Test func aJobThatFailsEndsIt() async {
        await #expect(throws: Broken.self) {
            let lanes = DiscordLanes()
            #expect(lanes.add("1") { throw Broken() })
            try await lanes.run()
        }
    }
}
