import Foundation
import JSON
import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Store
@testable import Transport
@testable import Wire

// A whole agent in memory: database and notes in a temporary folder, everything put together as `serve` does it, and nothing bound.
// Requests go to its routes as the operator's or a member's.

@Suite struct GatewayCoreTests {
    /// One agent with a clock that stands still and chance that can be repeated.
    final class World: Sendable {
        static let time: Double = 1_750_000_000

        let directory: AgentDirectory
        let core: GatewayCore
        private let key: SecretKey
        private let device: SecretKey

        init(
            seed: UInt64, configuration yaml: String? = nil, environment: [String: String] = [:],
            toolServers: [any ToolServer] = []
        ) throws {
            directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/core-\(UUID().uuidString)")
            _ = try directory.create(name: "Ada")
            if let yaml { try Data(yaml.utf8).write(to: URL(filePath: directory.configuration)) }
            key = try SecretKey(seed: Array(repeating: 7, count: 32))
            device = try SecretKey(seed: Array(repeating: 8, count: 32))
            let state = Mutex(SplitMix(state: seed))
            var seams = GatewayCore.Seams(
                now: { Self.time }, environment: environment,
                random: Randomness { count in
                    state.withLock { state in (0..<count).map { _ in UInt8(truncatingIfNeeded: state.next()) } }
                })
            // Nobody waits for a provider that is not there.
            seams.time = TimeSource(now: { Self.time }, sleep: { _ in })
            if !toolServers.isEmpty {
                seams.toolServers = { toolServers }
                // A tool's time is not up.
                seams.time = TimeSource(now: { Self.time }, sleep: { _ in try await Task.sleep(for: .seconds(60)) })
            }
            core = try GatewayCore.build(
                key: key, directory: directory,
                configuration: try AgentConfiguration.load(directory, environment: environment).configuration,
                version: "1", seams: seams, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                requestRestart: {})
        }

        deinit {
            try? core.close()
            try? FileManager.default.removeItem(atPath: directory.path)
        }

        /// Somebody of the network who is no admin.
        var member: Caller {
            let certificate = DeviceCertificate.issue(
                handle: "ana", deviceKey: device.nodeID, networkID: core.place.networkID, issuedAt: Self.time,
                signedBy: key)
            return Caller(certificate, role: .member)
        }

        /// - Parameter caller: nil is the operator.
        func ask(
            _ method: String, _ path: String, _ body: String? = nil, headers: HTTPHeaders = [:],
            as caller: Caller? = nil
        ) async throws -> TestResponse {
            let answer = try await core.gateway.respond(
                method: HTTPMethod(rawValue: method), path: path, headers: headers,
                body: ByteBuffer(string: body ?? ""), maximumBody: 4 << 20, as: caller)
            return TestResponse(
                status: Int(answer.status.code),
                headers: Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first },
                body: String(buffer: answer.body))
        }

        /// Runs turns while `body` does.
        func run<T: Sendable>(_ body: @escaping @Sendable (World) async throws -> T) async throws -> T {
            try await withThrowingTaskGroup(of: T?.self) { group in
                group.addTask {
                    await self.core.gateway.run()
                    return nil
                }
                group.addTask { try await body(self) }
                defer { group.cancelAll() }
                while let result = try await group.next() { if let result { return result } }
                throw Timeout(what: "the test's body")
            }
        }
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test func theOperatorAndAMemberAreServedWithoutASocket() async throws {
        let world = try World(seed: 1)
        try await world.run { world in
            let me: WhoAmI = try await world.ask("GET", "/api/whoami").decode()
            #expect(me.isOperator && me.agent == "Ada")
            let other: WhoAmI = try await world.ask("GET", "/api/whoami", as: world.member).decode()
            #expect(!other.isOperator && other.handle == "ana")
            #expect(try await world.ask("GET", "/api/audit").status == 200)
            #expect(try await world.ask("GET", "/api/audit", as: world.member).status == 403)
            let note = #"{"content":"The router is in the hall."}"#
            #expect(try await world.ask("PUT", "/api/vault/notes/House.md", note, as: world.member).status == 200)
            let question = #"{"message":"where is the router?"}"#
            let answer: ChatAnswer = try await world.ask("POST", "/api/chat", question, as: world.member).decode()
            #expect(answer.response.contains("in the hall") && answer.created && !answer.errored)
            let path = "/api/sessions/\(answer.sessionID)/messages"
            #expect(try await world.ask("GET", path, as: world.member).body.contains("in the hall"))
            // A conversation is its owner's, whoever else asks.
            #expect(try await world.ask("GET", path).status == 404)
        }
    }

    @Test func secretsComeThroughTheSeamAndNotFromTheProcess() throws {
        let yaml = "name: ${NAME_OF_IT}\n"
        let world = try World(seed: 1, configuration: yaml, environment: ["NAME_OF_IT": "Grace"])
        #expect(throws: ConfigurationError.self) { try AgentConfiguration.load(world.directory, environment: [:]) }
        #expect(world.core.place.networkName == "Grace")
    }

    /// Asks for everything, as the operator and as a member, and writes down what was said: first makes one of each, then reads all that
    /// the document has, then changes all of it.
    private static func transcript(_ world: World) async throws -> [String] {
        var said: [String] = []
        /// Returns what the operator was told.
        @discardableResult
        func ask(
            _ method: String, _ path: String, _ body: String?, headers: HTTPHeaders = [:]
        ) async throws -> TestResponse {
            let answers = try await [nil, world.member].asyncMap { caller in
                try await world.ask(method, path, body, headers: headers, as: caller)
            }
            for answer in answers {
                let text = answer.body.replacing(world.directory.path, with: "DIR")
                    // The file system's time, which is nobody's seam.
                    .replacing(/"modified":[0-9.]+/, with: "")
                said.append("\(method) \(path): \(answer.status) \(text)")
            }
            return answers[0]
        }
        func id(_ answer: TestResponse) throws -> String {
            try #require(try answer.decode(JSONValue.self)["id"]?.string, "\(answer)")
        }
        try await ask("PUT", "/api/vault/notes/House/Note.md", #"{"content":"one [[Other]] #tag"}"#)
        let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n"
        let file = try await ask(
            "POST", "/api/upload", form, headers: ["Content-Type": "multipart/form-data; boundary=b"])
        for message in ["note", "hello", "remember: the key is under the mat"] {
            try await ask("POST", "/api/chat", #"{"message":"\#(message)"}"#)
        }
        try await ask("POST", "/api/chat", #"{"message":"hello","session_id":"s"}"#)
        // Nobody listens on port 1.
        try await ask("POST", "/api/providers", #"{"name":"local","api_key":"x","base_url":"http://127.0.0.1:1"}"#)
        try await ask("POST", "/api/models", #"{"provider_id":1,"model":"small"}"#)
        try await ask("POST", "/api/mcps", #"{"name":"files","command":"true","enabled":false}"#)
        let task = try await ask(
            "POST", "/api/scheduled-tasks", #"{"name":"tea","cron_expression":"0 9 * * *","prompt":"x"}"#)
        let workflow = try await ask(
            "POST", "/api/workflows", #"{"name":"one","nodes":[{"id":"a","type":"trigger-manual"}]}"#)
        let rows = ["files": try id(file), "scheduled-tasks": try id(task), "workflows": try id(workflow)]

        /// A path with what there is in it.
        func real(_ path: String) -> String {
            let family = path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
            return path.replacing("{handle}", with: "ana").replacing("{id}", with: rows[family] ?? "s")
                .replacing("{key}", with: String(repeating: "0", count: 64)).replacing("{section}", with: "name")
                .replacing("{path:**}", with: "House/Note.md").replacing("{path}", with: "House/Note.md").namingRows
        }
        /// The machine's state, streams without an end, and the system's own clock in an archive.
        let others = ["/api/system", "/api/events", "/ws", "/api/backup"]
        let queries = [
            "/api/vault/backlinks": "?path=House/Note.md", "/api/usage/by": "?group=user",
            "/api/models/available": "?provider_id=1", "/api/cron/describe": "?expression=@hourly",
            "/api/vault/search": "?q=one",
        ]
        let document = try await world.ask("GET", "/api/openapi.json").decode(JSONValue.self)
        guard case .object(let paths)? = document["paths"] else { throw Timeout(what: "the document's paths") }
        for (path, operations) in paths.sorted(by: { $0.key < $1.key }) where operations["get"] != nil {
            if others.contains(path) { continue }
            try await ask("GET", real(path) + (queries[path] ?? ""), nil)
        }
        // What removes comes last.
        let changes = AccessMatrixTests.table.sorted { left, right in
            let (first, second) = (left.key.hasPrefix("DELETE"), right.key.hasPrefix("DELETE"))
            return first == second ? left.key < right.key : second
        }
        for (route, expected) in changes {
            let parts = route.split(separator: " ").map(String.init)
            // What is started goes on by itself, and its names come from the same chance as those of what is asked meanwhile.
            if parts[0] == "GET" || others.contains(parts[1]) || parts[1].hasSuffix("/run") { continue }
            try await ask(parts[0], real(parts[1]), expected.body)
        }
        return said
    }

    /// Secrets come from the system's chance, whatever the seams say.
    private static func withoutSecrets(_ answer: String) -> String {
        answer.replacing(#/"secret(_hint)?":"[^"]*"/#, with: "")
    }

    @Test func twoCoresWithEqualSeamsSayTheSameToEveryQuestion() async throws {
        let transcripts = try await [1, 1, 2].asyncMap { seed in
            try await World(seed: seed).run { try await Self.transcript($0) }
        }
        #expect(transcripts[0].count > 200)
        let reads = transcripts[0].filter { $0.hasPrefix("GET ") }
        #expect(reads.filter { $0.contains(": 200 ") }.count > 80, "what there is was read")
        for (first, second) in zip(transcripts[0], transcripts[1]) {
            #expect(Self.withoutSecrets(first) == Self.withoutSecrets(second))
        }
        // Chance is in it: other names come from other bytes.
        let others = zip(transcripts[0], transcripts[2]).filter { $0 != $1 }.map(\.0)
        for path in [
            "POST /api/chat", "POST /api/upload", "POST /api/scheduled-tasks:", "POST /api/workflows:",
            "POST /api/network/invitations", "GET /api/network:",
        ] {
            #expect(others.contains { $0.hasPrefix(path) }, "\(path)")
        }
        #expect(transcripts[0].allSatisfy { !$0.contains(": 500 ") })
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
