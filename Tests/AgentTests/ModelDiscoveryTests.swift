import Foundation
import Synchronization
import TestProviders
import Testing

@testable import Agent
@testable import Store

// What does a provider have, and what if it is broken? Real HTTP with a server on this machine that fails in every way.

@Suite struct ModelDiscoveryTests {
    static let key = "sk-canary-0123456789abcdef"

    /// A clock that a test moves.
    final class Clock: Sendable {
        private let seconds = Mutex<Double>(1_000)
        var now: Double { seconds.withLock { $0 } }
        func advance(by amount: Double) { seconds.withLock { $0 += amount } }
    }

    let clock = Clock()

    func discovery(_ http: any OutboundHTTP = NetworkHTTP(), timeLimit: Duration = .seconds(20)) -> ModelDiscovery {
        ModelDiscovery(http: http, now: { [clock] in clock.now }, resolve: { $0 }, timeLimit: timeLimit)
    }

    func provider(
        _ name: String, _ address: String, key: String? = Self.key, metadata: String = "{}"
    ) -> ProviderRecord {
        ProviderRecord(
            id: 1, name: name, framework: "api-based", kind: .llm, apiKey: key.map(Secret.init), baseURL: address,
            metadata: metadata, createdAt: 0, updatedAt: 0)
    }

    @Test(
        "OAG-64: each vendor is asked as it wants to be, with the key in a header and never in the address",
        arguments: [
            ("openai", "", "/v1/models", "authorization", "Bearer \(key)"),
            ("groq", "/openai/v1", "/openai/v1/models", "authorization", "Bearer \(key)"),
            ("anthropic", "", "/v1/models?limit=1000", "x-api-key", key),
            ("google", "", "/v1beta/models?pageSize=1000", "x-goog-api-key", key),
            ("ollama", "/v1", "/api/tags", "authorization", "Bearer \(key)"),
            ("house", "/", "/v1/models", "authorization", "Bearer \(key)"),
        ])
    func vendorsAreAskedAsTheyWant(
        _ name: String, _ suffix: String, _ path: String, _ header: String, _ value: String
    ) async throws {
        try await FakeProvider.run { fake in
            let offered = try await discovery().models(of: provider(name, fake.address + suffix))
            #expect(offered.models.map(\.id) == ["large", "small"] && !offered.isStale)
            let question = try #require(fake.questions.first)
            #expect(question.method == "GET" && question.path == path)
            #expect(question.headers[header] == value)
            #expect(question.headers.values.count { $0.contains(Self.key) } == 1)
            if name == "anthropic" { #expect(question.headers["anthropic-version"] == "2023-06-01") }
            if name == "google" { #expect(offered.models.last?.displayName == "The small") }
        }
    }

    @Test func whoNeedsNoKeyIsAskedWithoutOne() async throws {
        try await FakeProvider.run { fake in
            _ = try await discovery().ask(provider("local", fake.address, key: nil))
            #expect(fake.questions.first?.headers["authorization"] == nil)
            await #expect(throws: DiscoveryError.noKey("openai")) {
                try await discovery().ask(provider("openai", fake.address, key: nil))
            }
            await #expect(throws: DiscoveryError.noKey("openai")) {
                try await discovery().ask(provider("openai", fake.address, key: ""))
            }
            #expect(fake.questions.count == 1)
        }
    }

    @Test("P-17: whatever a provider does, the error says what to do and holds neither its words nor the key")
    func failuresTellNoSecrets() async throws {
        try await FakeProvider.run { other in
            try await FakeProvider.run { fake in
                let faults: [(FakeProvider.Fault, DiscoveryError)] = [
                    (.status(401), .answered("openai", 401)), (.status(403), .answered("openai", 403)),
                    (.status(429), .answered("openai", 429)), (.status(500), .answered("openai", 500)),
                    (.garbage, .garbage("openai")), (.endless, .tooLarge("openai")),
                    (.redirect(to: other.address + "/v1/models"), .answered("openai", 302)),
                ]
                for (fault, expected) in faults {
                    fake.fail(fault)
                    let error = await #expect(throws: DiscoveryError.self) {
                        try await discovery().models(of: provider("openai", fake.address))
                    }
                    #expect(error == expected, "\(fault)")
                    for text in ["\(expected)", String(reflecting: expected)] {
                        #expect(!text.contains("canary") && !text.contains("wrong"), "\(text)")
                    }
                }
                fake.fail(.silent)
                await #expect(throws: DiscoveryError.timedOut("openai")) {
                    try await discovery(timeLimit: .milliseconds(200)).models(of: provider("openai", fake.address))
                }
            }
            #expect(other.questions.isEmpty, "the key went where the provider sent it")
        }
        await #expect(throws: DiscoveryError.unreachable("openai")) {
            try await discovery().models(of: provider("openai", "http://127.0.0.1:1"))
        }
    }

    @Test("a list is kept for ten minutes, and a failure or an empty list never replaces a good one")
    func aGoodListStays() async throws {
        try await FakeProvider.run { fake in
            let (discovery, provider) = (discovery(), provider("openai", fake.address))
            let first = try await discovery.models(of: provider)
            fake.offer(["new"])
            clock.advance(by: 599)
            #expect(try await discovery.models(of: provider) == first)
            #expect(fake.questions.count == 1)
            clock.advance(by: 1)
            for fault in [FakeProvider.Fault.status(500), .empty, .garbage] {
                fake.fail(fault)
                let stale = try await discovery.models(of: provider)
                #expect(stale.isStale && stale.models == first.models && stale.fetchedAt == 1_000, "\(fault)")
            }
            fake.fail(.none)
            #expect(try await discovery.models(of: provider).models.map(\.id) == ["new"])
            // With another key it is another list.
            var changed = provider
            changed.updatedAt = 5
            fake.fail(.status(401))
            await #expect(throws: DiscoveryError.answered("openai", 401)) { try await discovery.models(of: changed) }
        }
    }

    @Test func whatAProviderSaysIsBoundedAndNeverTheKey() async throws {
        try await FakeProvider.run { fake in
            fake.offer(["fine", "with space", String(repeating: "x", count: 257), "", "fine", "a\(Self.key)b"])
            let models = try await discovery().ask(provider("openai", fake.address))
            #expect(models.map(\.id) == ["fine"])
        }
        struct Many: OutboundHTTP {
            func send(_ request: OutboundRequest) async throws -> OutboundAnswer {
                let rows = (0..<20_000).map { #"{"id":"m\#($0)"}"# }.joined(separator: ",")
                return OutboundAnswer(status: 200, body: Array(#"{"data":[\#(rows)]}"#.utf8))
            }
        }
        #expect(try await discovery(Many()).ask(provider("openai", "http://127.0.0.1:1")).count == 5_000)
    }

    @Test(arguments: ["null", "[]x", "{}", #"{"data":{}}"#, "", #"{"data":null}"#])
    func whatIsNoListIsNone(_ body: String) {
        #expect(ModelListing.models(.openai, Array(body.utf8)) == nil)
    }

    @Test("P-17: a key that stands elsewhere and isn't there, or holds a line break, is named and not shown")
    func aReferenceThatLeadsNowhere() async throws {
        struct Unset: Error, CustomStringConvertible { var description: String { "NAME is not set" } }
        let lost = ModelDiscovery(http: NetworkHTTP(), now: { 0 }, resolve: { _ in throw Unset() })
        await #expect(throws: DiscoveryError.reference("openai", "NAME is not set")) {
            try await lost.ask(provider("openai", "http://127.0.0.1:1", key: "{env:NAME}"))
        }
        let split = ModelDiscovery(http: NetworkHTTP(), now: { 0 }, resolve: { _ in "secret\r\nX-Injected: 1" })
        await #expect(throws: DiscoveryError.reference("openai", "it has characters that no key has")) {
            try await split.ask(provider("openai", "http://127.0.0.1:1", key: "{env:NAME}"))
        }
    }

    @Test func kindsAreGuessedFromNames() {
        let body = #"{"data":[{"id":"whisper-1"},{"id":"tts-1"},{"id":"gpt-4o-transcribe"},{"id":"gpt-5"}]}"#
        let kinds = ModelListing.models(.openai, Array(body.utf8))?.map(\.kind)
        #expect(kinds == [.stt, .llm, .tts, .stt])
    }
}
