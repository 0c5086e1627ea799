import Testing

@testable import Bridges

// The platform's pace, moment by moment.

@Suite struct PacingTests {
    private let start = ContinuousClock.now

    private func pacing(chat: Duration, all: Duration) -> Pacing {
        var limits = PlatformLimits.quick
        (limits.chatPause, limits.globalPause) = (chat, all)
        return Pacing(limits, now: start)
    }

    @Test func actsOfAChatKeepTheirDistance() {
        var pacing = pacing(chat: .seconds(1), all: .zero)
        #expect((0..<3).map { _ in pacing.reserve("a", now: start) - start } == [.zero, .seconds(1), .seconds(2)])
        #expect(pacing.reserve("b", now: start) == start)
        #expect(pacing.reserve("a", now: start + .seconds(60)) == start + .seconds(60))
    }

    @Test func allChatsTogetherKeepTheirs() {
        var pacing = pacing(chat: .zero, all: .milliseconds(40))
        let moments = (0..<100).map { pacing.reserve("\($0)", now: start) - start }
        #expect(moments == (0..<100).map { .milliseconds(40 * $0) })
    }

    @Test func whoeverAsksWhileAllAreShutOutComesOneAfterTheOther() {
        var pacing = pacing(chat: .zero, all: .milliseconds(40))
        pacing.block(nil, for: .seconds(30), now: start)
        #expect(pacing.isBlocked("a", now: start) && pacing.isBlocked("b", now: start + .seconds(29)))
        let moments = (0..<3).map { pacing.reserve("\($0)", now: start) - start }
        #expect(moments == [.seconds(30), .seconds(30) + .milliseconds(40), .seconds(30) + .milliseconds(80)])
        #expect(!pacing.isBlocked("a", now: start + .seconds(30)))
    }

    @Test func onlyTheChatThatIsShutOutWaits() {
        var pacing = pacing(chat: .zero, all: .zero)
        pacing.block("a", for: .seconds(5), now: start)
        // A shorter word does not take back a longer one.
        pacing.block("a", for: .seconds(1), now: start)
        #expect(pacing.reserve("a", now: start) == start + .seconds(5))
        #expect(pacing.reserve("b", now: start) == start)
        #expect(pacing.reserveNow("a", now: start) == nil)
        #expect(pacing.reserveNow("b", now: start) == start)
    }

    @Test func aPromiseMadeBeforeIsLookedAtAgain() {
        var pacing = pacing(chat: .seconds(1), all: .zero)
        _ = pacing.reserve("a", now: start)
        let promised = pacing.reserve("a", now: start)
        pacing.block("a", for: .seconds(10), now: start)
        #expect(promised == start + .seconds(1) && pacing.isBlocked("a", now: promised))
        #expect(pacing.reserve("a", now: promised) == start + .seconds(10))
    }

    @Test func manyChatsAreForgotten() {
        var pacing = pacing(chat: .milliseconds(1), all: .zero)
        for number in 0..<10_000 { _ = pacing.reserve("\(number)", now: start + .seconds(number)) }
        #expect(pacing.knownChats < 3_000)
    }
}
