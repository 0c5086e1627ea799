import Testing

@testable import Bridges

// P-66, the rules: what a bot does next on the gateway, without a socket.

@Suite struct DiscordGatewayMachineTests {
    private typealias Machine = DiscordGatewayMachine

    private let start = ContinuousClock.now
    private let session = DiscordSession(id: "s", resumeURL: "wss://here", user: "1", application: "2", name: "bot")

    private func moment(_ seconds: Double = 0, random: Double = 0.5, accepted: Int? = nil) -> Machine.Moment {
        .init(now: start + .seconds(seconds), random: random, accepted: accepted)
    }

    /// One that has begun a session at second 0.
    private func running(_ accepted: Int = 7) -> Machine {
        var machine = Machine(session: nil)
        _ = machine.handle(.start, moment())
        _ = machine.handle(.opened, moment())
        _ = machine.handle(.received(.hello(heartbeat: .seconds(40))), moment())
        _ = machine.handle(.received(.ready(sequence: 1, session)), moment())
        return machine
    }

    @Test func aNewBotIdentifiesItselfAfterHello() {
        var machine = Machine(session: nil)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.start, moment()) == [.connect(url: nil)])
        #expect(handle(.opened, moment()) == [.patience(Machine.helloTime)])
        #expect(
            handle(.received(.hello(heartbeat: .seconds(40))), moment(random: 0.25)) == [
                .heartbeatIn(.seconds(10)), .patience(Machine.readyTime), .transmit(.identify),
            ])
        #expect(
            handle(.received(.ready(sequence: 1, session)), moment()) == [
                .patience(nil), .begin(session, sequence: 1),
            ])
        #expect(machine.isRunning)
    }

    @Test func aKnownSessionIsTakenUpBehindWhatWasAccepted() {
        var machine = Machine(session: session)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.start, moment(accepted: 41)) == [.connect(url: "wss://here")])
        _ = handle(.opened, moment(accepted: 41))
        let actions = handle(.received(.hello(heartbeat: .seconds(40))), moment(accepted: 41))
        #expect(actions.last == .transmit(.resume(session: "s", sequence: 41)))
        #expect(
            handle(.received(.dispatch(sequence: 42, event: "MESSAGE_CREATE")), moment()) == [
                .patience(Machine.readyTime), .deliver(sequence: 42, event: "MESSAGE_CREATE"),
            ])
        #expect(
            handle(.received(.resumed(sequence: 43)), moment()) == [
                .patience(nil), .resumed(session, sequence: 43),
            ])
    }

    @Test func aSessionOfWhichNothingWasAcceptedIsNotTakenUp() {
        var machine = Machine(session: session)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.start, moment()) == [.connect(url: nil)])
    }

    @Test func anAddressThatFailedIsPassedOver() {
        var machine = Machine(session: session, usesCommonAddress: true)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.start, moment(accepted: 1)) == [.connect(url: nil)])
    }

    @Test func twoSessionsAreBegunFiveSecondsApart() {
        var machine = Machine(session: nil, identifiedAt: start)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.start, moment(2)) == [.wait(.seconds(3))])
        #expect(handle(.delayIsOver, moment(5)) == [.connect(url: nil)])
    }

    @Test func heartbeatsSayWhatWasAcceptedAndADeadConnectionIsLeft() {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(
            handle(.heartbeatIsDue, moment(40, accepted: 9)) == [
                .transmit(.heartbeat(sequence: 9)), .heartbeatIn(.seconds(40)),
            ])
        #expect(handle(.received(.acknowledged), moment(41)).isEmpty)
        #expect(handle(.heartbeatIsDue, moment(80, accepted: 9)).count == 2)
        // Nobody acknowledged that one.
        #expect(handle(.heartbeatIsDue, moment(120, accepted: 9)) == [.close(code: 4000)])
        #expect(handle(.ended(code: nil), moment(120, accepted: 9)) == [.connect(url: "wss://here")])
    }

    @Test func aWantedHeartbeatIsNoReasonToCallTheConnectionDead() {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.received(.heartbeatWanted), moment(39)) == [.transmit(.heartbeat(sequence: nil))])
        #expect(handle(.heartbeatIsDue, moment(40)).first == .transmit(.heartbeat(sequence: nil)))
    }

    @Test func discordMayAskForANewConnection() {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.received(.reconnect), moment(60)) == [.close(code: 4000)])
        // What still comes on the old one counts no more.
        #expect(handle(.received(.dispatch(sequence: 8, event: "X")), moment(60)).isEmpty)
        #expect(handle(.ended(code: 1000), moment(60, accepted: 7)) == [.connect(url: "wss://here")])
    }

    @Test(arguments: [(0.0, 1.0), (1.0, 5.0)])
    func anInvalidSessionIsBegunAnewAfterOneToFiveSeconds(random: Double, seconds: Double) {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(
            handle(.received(.invalidSession(isResumable: false)), moment(60, random: random)) == [
                .forget, .close(code: 4000),
            ])
        #expect(handle(.ended(code: nil), moment(60, accepted: 7)) == [.wait(.seconds(seconds))])
        #expect(handle(.delayIsOver, moment(66, accepted: 7)) == [.connect(url: nil)])
    }

    @Test func anInvalidSessionThatCanBeTakenUpIs() {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(
            handle(.received(.invalidSession(isResumable: true)), moment(60)) == [.close(code: 4000)])
        #expect(handle(.ended(code: nil), moment(60, accepted: 7)) == [.wait(.seconds(3))])
        #expect(handle(.delayIsOver, moment(63, accepted: 7)) == [.connect(url: "wss://here")])
    }

    @Test func sessionsThatAreNeverTakenEndInAPauseOfTheFrame() {
        var machine = Machine(session: nil)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        _ = handle(.start, moment())
        var last: [Machine.Action] = []
        for round in 1...4 {
            let at = Double(round) * 10
            _ = handle(.opened, moment(at))
            _ = handle(.received(.hello(heartbeat: .seconds(40))), moment(at))
            last = handle(.received(.invalidSession(isResumable: false)), moment(at))
            if last.contains(.close(code: 4000)) {
                _ = handle(.ended(code: nil), moment(at))
                _ = handle(.delayIsOver, moment(at + 6))
            }
        }
        #expect(last == [.fail(.unavailable("Discord accepts no session"))])
    }

    @Test(arguments: [nil, 1000, 1001, 1006, 4000, 4001, 4002, 4005, 4008] as [UInt16?])
    func aCutConnectionIsTakenUpAtOnce(code: UInt16?) {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.ended(code: code), moment(60, accepted: 7)) == [.connect(url: "wss://here")])
    }

    @Test(arguments: [4003, 4007, 4009] as [UInt16])
    func aSessionThatIsOverIsBegunAnew(code: UInt16) {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        #expect(handle(.ended(code: code), moment(60, accepted: 7)) == [.forget, .wait(.seconds(3))])
        #expect(handle(.delayIsOver, moment(63, accepted: 7)) == [.connect(url: nil)])
    }

    @Test(arguments: [4004, 4010, 4011, 4012, 4013, 4014] as [UInt16])
    func whatAnAdminMustMendEndsIt(code: UInt16) throws {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        let action = try #require(handle(.ended(code: code), moment(60, accepted: 7)).first)
        guard case .fail(.account(let reason)) = action else {
            Issue.record("\(action)")
            return
        }
        if code == 4014 { #expect(reason.contains("Message Content Intent") && reason.contains("Bot")) }
        if code == 4004 { #expect(reason.contains("token")) }
        #expect(handle(.start, moment()).isEmpty)
    }

    @Test("P-66: connections that end soon again and again wait longer and longer, up to a minute")
    func backOff() {
        var machine = running()
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        var pauses: [Duration] = []
        for round in 1...10 {
            var actions = handle(.ended(code: nil), moment(Double(round), random: 1, accepted: 7))
            if case .wait(let pause)? = actions.first {
                pauses.append(pause)
                actions = handle(.delayIsOver, moment(Double(round), accepted: 7))
            }
            #expect(actions == [.connect(url: "wss://here")])
            _ = handle(.opened, moment(Double(round)))
            _ = handle(.received(.hello(heartbeat: .seconds(40))), moment(Double(round), accepted: 7))
            _ = handle(.received(.resumed(sequence: 8)), moment(Double(round)))
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
        // One that held ends that.
        #expect(handle(.ended(code: nil), moment(100, accepted: 7)) == [.connect(url: "wss://here")])
    }

    @Test func aGatewayThatSaysNothingIsLeftToTheFramesPauses() {
        var machine = Machine(session: nil)
        func handle(_ event: Machine.Event, _ moment: Machine.Moment) -> [Machine.Action] {
            machine.handle(event, moment)
        }
        _ = handle(.start, moment())
        #expect(handle(.ended(code: nil), moment()).first?.isFailure == true)
        machine = Machine(session: nil)
        _ = handle(.start, moment())
        _ = handle(.opened, moment())
        #expect(handle(.patienceIsOver, moment(20)).first?.isFailure == true)
        machine = running()
        #expect(handle(.patienceIsOver, moment(20)).isEmpty)
    }

    @Test func framesAreReadAsDiscordWritesThem() {
        #expect(
            DiscordFrame(#"{"op":10,"d":{"heartbeat_interval":45000},"s":null,"t":null}"#)
                == .hello(heartbeat: .seconds(45)))
        #expect(DiscordFrame(#"{"op":10,"d":{"heartbeat_interval":0}}"#) == .hello(heartbeat: .milliseconds(50)))
        #expect(DiscordFrame(#"{"op":9,"d":true}"#) == .invalidSession(isResumable: true))
        #expect(DiscordFrame(#"{"op":9,"d":false}"#) == .invalidSession(isResumable: false))
        #expect(DiscordFrame(#"{"op":7,"d":null}"#) == .reconnect)
        #expect(DiscordFrame(#"{"op":1,"d":null}"#) == .heartbeatWanted)
        #expect(DiscordFrame(#"{"op":11}"#) == .acknowledged)
        #expect(
            DiscordFrame(#"{"op":0,"s":3,"t":"TYPING_START","d":{}}"#) == .dispatch(sequence: 3, event: "TYPING_START"))
        #expect(
            DiscordFrame(
                #"{"op":0,"s":1,"t":"READY","d":{"v":10,"session_id":"s","resume_gateway_url":"wss://here","user":{"id":"1","username":"bot"},"application":{"id":"2","flags":0}}}"#
            ) == .ready(sequence: 1, session))
        for text in ["", "[]", "{}", "nonsense", #"{"op":0}"#, #"{"op":0,"s":1,"t":"READY","d":{}}"#, #"{"op":99}"#] {
            #expect(DiscordFrame(text) == .other, "\(text)")
        }
        #expect(
            DiscordGatewayCommand.resume(session: #"a"b"#, sequence: 3).json(token: "t")
                == #"{"op":6,"d":{"token":"t","session_id":"a\"b","seq":3}}"#)
        #expect(DiscordGatewayCommand.heartbeat(sequence: nil).json(token: "t") == #"{"op":1,"d":null}"#)
    }
}

extension DiscordGatewayMachine.Action {
    fileprivate var isFailure: Bool { if case .fail(.unavailable) = self { true } else { false } }
}
