import Foundation
import Testing

// P-57, P-70: in every interleaving, one turn runs per lane, in order, each accepted turn ends once, and each event is
// numbered once and heard once.

@Suite struct SessionModelTests {
    @Test("100,000 random steps over four lanes, with crashes and restarts, break no promise (SEED repeats)")
    func randomInterleavingsBreakNoPromise() throws {
        let seed = ProcessInfo.processInfo.environment["SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999)
        print("session model: seed \(seed)")
        var random = SeededRandom(seed)
        var model = SessionModel()
        for step in 1...100_000 {
            model.step(&random)
            if let violation = model.violation {
                throw Violated(description: "seed \(seed), step \(step): \(violation)")
            }
        }
        model.runToTheEnd()
        #expect(model.violation == nil, "seed \(seed), at the end")
        let all = [
            "accepted", "refused", "started", "continued", "ended", "dropped", "gathered", "crashes", "restarts",
        ]
        for what in all {
            #expect(model.counts[what, default: 0] > 50, "seed \(seed): \(what) hardly happened: \(model.counts)")
        }
    }

    private struct Violated: Error, CustomStringConvertible {
        let description: String
    }
}
