import Testing

@testable import Gateway
@testable import Transport

// Whoever is let in nowhere can ask all day. The disk must not be theirs to fill.

@Suite struct StrangerLogTests {
    @Test func strangersFillNoLog() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.connection(of: SecretKey().nodeID).stream()
            try await stream.sendPreamble([])
            for _ in 0..<500 { #expect(try await stream.ask("GET", "/api/whoami").status == 401) }
            let lines = gateway.log.all.filter { $0.hasPrefix("gateway::re") }
            #expect(lines.count < 400, "\(lines.count) lines of 500 requests")
            // Who is let in is not concerned.
            let ana = try await running.stream(gateway.device("ana"))
            for _ in 0..<10 { #expect(try await ana.ask("GET", "/api/whoami").status == 200) }
            #expect(gateway.log.all.count { $0.hasPrefix("gateway::request") && $0.contains("status=200") } == 10)
        }
    }

    @Test func whatWasLeftOutOfTheLogIsCounted() {
        let log = StrangerLog()
        let start = ContinuousClock.now
        for _ in 0..<Int(StrangerLog.burst) { #expect(log.admit(now: start) == 0) }
        for _ in 0..<7 { #expect(log.admit(now: start) == nil) }
        #expect(log.admit(now: start + .seconds(1)) == 7)
        #expect(log.admit(now: start + .seconds(1)) == 0)
    }
}
