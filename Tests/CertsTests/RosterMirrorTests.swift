import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct RosterMirrorTests {
    let alice = SecretKey().nodeID
    let bob = SecretKey().nodeID
    let start = ContinuousClock.now

    func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    /// Alice is an admin, bob a member, each with a device.
    var snapshot: RosterState {
        var state = RosterState()
        state.apply(.user("alice", role: .admin, status: .active))
        state.apply(.user("bob", role: .member, status: .active))
        state.apply(.device(alice, handle: "alice", status: .active))
        state.apply(.device(bob, handle: "bob", status: .active))
        return state
    }

    var live: RosterMirror {
        var mirror = RosterMirror()
        _ = mirror.replace(snapshot, now: start)
        return mirror
    }

    static let active = DeviceAnswer(standing: .active(role: .member), handle: "bob")
    static let revoked = DeviceAnswer(standing: .revoked, handle: "bob")

    @Test func nobodyIsLetInBeforeAnythingIsKnown() {
        var mirror = RosterMirror()
        #expect(mirror.standing(of: alice, handle: "alice", now: start) == .unavailable)
        #expect(mirror.isDoubtful(alice, now: start))
        #expect(mirror.devicesToAsk(now: start) == [alice])
        #expect(mirror.apply([.device(alice, handle: "alice", status: .active)], now: start) == nil)
        #expect(mirror.standing(of: alice, handle: "alice", now: start) == .unavailable)
    }

    @Test func whoIsNoUserIsSaidOnlyWhileEveryChangeIsTold() {
        #expect(RosterMirror().isUser("alice") == nil)
        var mirror = live
        #expect(mirror.isUser("alice") == true && mirror.isUser("carol") == false)
        _ = mirror.lose(now: at(1))
        #expect(mirror.isUser("alice") == nil && mirror.isUser("carol") == nil)
        mirror = live
        _ = mirror.refuse()
        #expect(mirror.isUser("carol") == nil)
        mirror = live
        _ = mirror.tick(now: at(31))
        #expect(mirror.isUser("carol") == nil)
    }

    @Test func aSnapshotAnswersForEverybody() {
        var mirror = RosterMirror()
        #expect(mirror.replace(snapshot, now: start) == [.everything])
        #expect(mirror.phase == .live(heard: start))
        #expect(mirror.standing(of: alice, handle: "alice", now: start) == .active(role: .admin))
        #expect(mirror.standing(of: alice, handle: "bob", now: start) == .unknown)
        #expect(mirror.standing(of: SecretKey().nodeID, handle: "alice", now: start) == .unknown)
        #expect(!mirror.isDoubtful(SecretKey().nodeID, now: start))
        #expect(mirror.devicesToAsk(now: start).isEmpty)
        #expect(mirror.replace(snapshot, now: at(1)).isEmpty, "the same again is no news")
    }

    @Test func changesCountAtOnceAndArePublishedAsTheyAre() {
        var mirror = live
        let change = RosterChange.device(bob, handle: "bob", status: .revoked)
        #expect(mirror.apply([change], now: at(1)) == [change])
        #expect(mirror.standing(of: bob, handle: "bob", now: at(1)) == .revoked)
        #expect(mirror.apply([], now: at(2)) == [])
        #expect(mirror.phase == .live(heard: at(2)))
    }

    @Test func memoryCountsForThirtySecondsAfterTheLastFrame() {
        var mirror = live
        _ = mirror.apply([], now: at(5))
        #expect(mirror.lose(now: at(20)) == [.everything], "who is here must be known")
        #expect(mirror.phase == .lost(heard: at(5)))
        for (seconds, standing) in [
            (20, .active(role: .member)), (34.9, .active(role: .member)), (35, .unavailable), (36, .unavailable),
        ] as [(Double, DeviceStanding)] {
            #expect(mirror.standing(of: bob, handle: "bob", now: at(seconds)) == standing, "after \(seconds) s")
        }
        #expect(mirror.tick(now: at(34.9)).isEmpty)
        #expect(mirror.tick(now: at(35)) == [.everything], "live connections must end")
        #expect(mirror.phase == .closed)
        #expect(mirror.tick(now: at(36)).isEmpty)
    }

    @Test func silenceClosesAlsoWhenNobodyNoticedTheLoss() {
        var mirror = live
        #expect(mirror.standing(of: bob, handle: "bob", now: at(29.9)) == .active(role: .member))
        #expect(mirror.standing(of: bob, handle: "bob", now: at(30)) == .unavailable)
        #expect(mirror.tick(now: at(30)) == [.everything])
        #expect(mirror.apply([], now: at(31)) == nil, "a watch that comes back to life begins anew")
        #expect(mirror.standing(of: bob, handle: "bob", now: at(31)) == .unavailable)
    }

    @Test func strangersAreDoubtfulWhileNobodyTells() {
        var mirror = live
        _ = mirror.lose(now: at(1))
        let new = SecretKey().nodeID
        #expect(!mirror.isDoubtful(bob, now: at(2)))
        #expect(mirror.isDoubtful(new, now: at(2)))
        #expect(mirror.standing(of: new, handle: "bob", now: at(2)) == .unavailable, "it may have been paired since")
        #expect(mirror.answered(new, Self.active, now: at(3)).isEmpty)
        #expect(mirror.standing(of: new, handle: "bob", now: at(3)) == .active(role: .member))
        #expect(mirror.standing(of: new, handle: "alice", now: at(3)) == .unknown)
        #expect(!mirror.isDoubtful(new, now: at(3)))
    }

    @Test func anAnswerCountsForThirtySecondsAndOverrulesMemory() {
        var mirror = live
        _ = mirror.lose(now: at(1))
        #expect(mirror.answered(bob, Self.active, now: at(10)).isEmpty, "no news")
        #expect(mirror.tick(now: at(30)) == [.everything])
        #expect(mirror.standing(of: bob, handle: "bob", now: at(39.9)) == .active(role: .member))
        #expect(mirror.standing(of: alice, handle: "alice", now: at(39.9)) == .unavailable)
        #expect(mirror.answered(bob, Self.active, now: at(39.9)).isEmpty)
        #expect(mirror.tick(now: at(69)).isEmpty)
        #expect(mirror.standing(of: bob, handle: "bob", now: at(69.9)) == .unavailable)
        #expect(mirror.tick(now: at(69.9)) == [.everything], "its connections must end")
    }

    @Test func aRevocationThatWasAskedForIsPublished() {
        var mirror = live
        _ = mirror.lose(now: at(1))
        #expect(mirror.answered(bob, Self.revoked, now: at(2)) == [.everything])
        #expect(mirror.standing(of: bob, handle: "bob", now: at(2)) == .revoked)
        #expect(mirror.answered(bob, Self.revoked, now: at(3)).isEmpty)
        let promoted = DeviceAnswer(standing: .active(role: .admin), handle: "bob")
        #expect(mirror.answered(bob, promoted, now: at(4)).isEmpty, "nobody of theirs is connected")
        #expect(mirror.answered(bob, Self.active, now: at(5)) == [.everything], "another role")
    }

    @Test func answersOfACoordinatorThatNamesNobodyCountForTheCertificatesHandle() {
        var mirror = RosterMirror()
        _ = mirror.answered(bob, DeviceAnswer(standing: .active(role: .member), handle: nil), now: start)
        #expect(mirror.standing(of: bob, handle: "whoever", now: start) == .active(role: .member))
    }

    @Test func aFreshSnapshotOverrulesAnswers() {
        var mirror = live
        _ = mirror.lose(now: at(1))
        _ = mirror.answered(bob, Self.revoked, now: at(2))
        #expect(mirror.replace(snapshot, now: at(3)) == [.everything])
        #expect(mirror.standing(of: bob, handle: "bob", now: at(3)) == .active(role: .member))
        #expect(mirror.answered(bob, Self.revoked, now: at(4)).isEmpty, "a late answer is older than the watch")
        #expect(mirror.standing(of: bob, handle: "bob", now: at(4)) == .active(role: .member))
    }

    @Test func anAgentThatIsRefusedLetsNobodyIn() {
        for var mirror in [RosterMirror(), live] {
            _ = mirror.answered(bob, Self.active, now: start)
            #expect(mirror.refuse() == [.everything])
            #expect(mirror.refuse().isEmpty)
            for device in [alice, bob] {
                #expect(mirror.standing(of: device, handle: "bob", now: start) == .unavailable)
                #expect(!mirror.isDoubtful(device, now: start), "it is not asked again")
            }
            #expect(mirror.answered(bob, Self.active, now: start).isEmpty)
            #expect(mirror.standing(of: bob, handle: "bob", now: start) == .unavailable)
            #expect(mirror.lose(now: start).isEmpty)
            #expect(mirror.replace(snapshot, now: at(1)) == [.everything], "it was added again")
            #expect(mirror.standing(of: bob, handle: "bob", now: at(1)) == .active(role: .member))
        }
    }

    @Test func whatNobodyAsksAboutIsForgotten() {
        var mirror = live
        _ = mirror.lose(now: at(1))
        _ = mirror.standing(of: alice, handle: "alice", now: at(1))
        _ = mirror.standing(of: bob, handle: "bob", now: at(100))
        _ = mirror.answered(bob, Self.active, now: at(101))
        #expect(Set(mirror.devicesToAsk(now: at(120))) == [alice, bob])
        #expect(mirror.devicesToAsk(now: at(121)) == [bob])
        #expect(mirror.devicesToAsk(now: at(220)).isEmpty)
    }

    @Test func everyMinuteSomebodyIsAskedWhoIsStillThere() {
        var mirror = RosterMirror()
        _ = mirror.standing(of: bob, handle: "bob", now: start)
        #expect(mirror.tick(now: start).isEmpty)
        var published: [Double] = []
        for second in 1...200 {
            // The gateway asks about those who are connected, and the coordinator answers.
            _ = mirror.answered(bob, Self.active, now: at(Double(second)))
            if mirror.tick(now: at(Double(second))) == [.everything] {
                published.append(Double(second))
                _ = mirror.standing(of: bob, handle: "bob", now: at(Double(second)))
            }
        }
        #expect(published == [60, 120, 180])
        #expect(mirror.devicesToAsk(now: at(200)) == [bob])
    }

    @Test func memoryForWhatIsAskedAboutIsBounded() {
        var mirror = RosterMirror(capacity: 10)
        for second in 0..<100 { _ = mirror.standing(of: SecretKey().nodeID, handle: "x", now: at(Double(second) / 10)) }
        _ = mirror.standing(of: bob, handle: "bob", now: at(10))
        let asked = mirror.devicesToAsk(now: at(10))
        #expect(asked.count == 10)
        #expect(asked.contains(bob), "the newest stay")
    }

    @Test func theOldestAnswersAreAskedForFirst() {
        var mirror = RosterMirror()
        _ = mirror.answered(alice, Self.active, now: at(5))
        _ = mirror.answered(bob, Self.active, now: at(1))
        #expect(mirror.devicesToAsk(now: at(6)) == [bob, alice])
    }
}
