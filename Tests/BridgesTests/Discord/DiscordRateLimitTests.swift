import Testing

@testable import Bridges

// When Discord may be asked again, without asking it.

@Suite struct DiscordRateLimitTests {
    private typealias Route = DiscordRateLimits.Route
    private let now = ContinuousClock.now
    private let here = Route(name: "POST /channels/*/messages", major: "1")
    private let there = Route(name: "POST /channels/*/messages", major: "2")

    private func headers(_ remaining: Int, _ seconds: Double, _ bucket: String = "b") -> [String: String] {
        [
            "x-ratelimit-bucket": bucket, "x-ratelimit-remaining": "\(remaining)",
            "x-ratelimit-reset-after": "\(seconds)",
        ]
    }

    @Test func anEmptyBucketIsNotAskedBeforeItIsFull() throws {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        #expect(take(here, now: now) == nil)
        limits.note(here, headers: headers(0, 2), now: now)
        let (pause, scope) = try #require(take(here, now: now + .seconds(0.5)))
        #expect(pause == .seconds(1.5) && scope == .chat)
        // Another channel has a bucket of its own.
        #expect(take(there, now: now) == nil)
        #expect(take(here, now: now + .seconds(2)) == nil)
    }

    @Test func requestsUnderWayAreCounted() {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        limits.note(here, headers: headers(2, 5), now: now)
        #expect(take(here, now: now) == nil)
        #expect(take(here, now: now) == nil)
        #expect(take(here, now: now) != nil)
        // An answer that was overtaken does not give back what is gone.
        limits.note(here, headers: headers(1, 5), now: now)
        #expect(take(here, now: now) != nil)
    }

    @Test func routesThatShareABucketShareItsCount() {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        let other = Route(name: "PATCH /channels/*/messages/*", major: "1")
        limits.note(here, headers: headers(3, 5, "same"), now: now)
        limits.note(other, headers: headers(0, 5, "same"), now: now)
        #expect(take(here, now: now) != nil)
    }

    @Test func aGlobalLimitHoldsEverything() throws {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        let (pause, scope) = limits.refused(here, seconds: 3, isGlobal: true, now: now)
        #expect(pause == .seconds(3) && scope == .everything)
        let (rest, all) = try #require(take(there, now: now + .seconds(1)))
        #expect(rest == .seconds(2) && all == .everything)
        #expect(take(there, now: now + .seconds(3)) == nil)
    }

    @Test func theBotAllowsItselfLessThanDiscordDoes() throws {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        for _ in 0..<DiscordRateLimits.perSecond { #expect(take(here, now: now) == nil) }
        let (pause, scope) = try #require(take(here, now: now + .seconds(0.25)))
        #expect(pause == .seconds(0.75) && scope == .everything)
        #expect(take(here, now: now + .seconds(1)) == nil)
    }

    @Test(arguments: ["nan", "inf", "-5", "1e300", "soon", ""])
    func nonsenseInAHeaderStopsNothing(_ seconds: String) {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        limits.note(
            here,
            headers: [
                "x-ratelimit-remaining": "0", "x-ratelimit-reset-after": seconds,
                "x-ratelimit-bucket": String(repeating: "x", count: 1000),
            ], now: now)
        #expect(take(here, now: now + .seconds(DiscordRateLimits.longest)) == nil)
    }

    @Test func aPauseWithoutEndIsCut() {
        var limits = DiscordRateLimits()
        func refused(_ seconds: Double) -> Duration {
            limits.refused(here, seconds: seconds, isGlobal: false, now: now).0
        }
        #expect(refused(1e300) == .seconds(86_400))
        #expect(refused(.nan) == .seconds(1))
        #expect(refused(-1) == .zero)
    }

    @Test func whatIsHeldIsBounded() {
        var limits = DiscordRateLimits()
        func take(_ route: Route, now: ContinuousClock.Instant) -> (Duration, PlatformFailure.Scope)? {
            limits.take(route, now: now)
        }
        for number in 0..<(2 * DiscordRateLimits.bound) {
            limits.note(Route(name: "r\(number)", major: "1"), headers: headers(0, 100, "b\(number)"), now: now)
        }
        // The last ones found no room, so they are tried.
        #expect(take(Route(name: "r\(2 * DiscordRateLimits.bound - 1)", major: "1"), now: now) == nil)
    }

    @Test(arguments: [
        (404, 10003, DiscordRefusal.Act.send, PlatformFailure.chatGone("Discord says: x")),
        (403, 50001, .send, .chatGone("Discord says: x")),
        (403, 50001, .edit, .chatGone("Discord says: x")),
        (403, 50007, .send, .chatGone("this user takes no direct messages from the bot")),
        (403, 50013, .send, .chatGone("the bot may not write there")),
        (403, 50013, .file, .refused("the bot may not send files there")),
        (404, 10008, .edit, .messageGone),
        (403, 50005, .edit, .messageGone),
        (400, 50035, .send, .refused("Discord says: x (50035)")),
        (400, 50006, .send, .refused("Discord says: x (50006)")),
        (413, 40005, .file, .refused("the file is larger than Discord takes")),
        (404, 0, .send, .chatGone("Discord knows no such channel")),
        (400, 160005, .send, .chatGone("Discord says: x")),
    ])
    func refusalsSayWhatTheyMeanForTheChat(
        status: Int, code: Int, act: DiscordRefusal.Act, failure: PlatformFailure
    ) {
        #expect(DiscordRefusal(status: status, code: code, text: "x").failure(of: act) == failure)
    }
}
