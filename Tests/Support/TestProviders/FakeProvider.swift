internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Synchronization

// Who answers when a test asks a provider of models? A server on 127.0.0.1 that speaks as the vendors do, notes what it was asked,
// and fails in every way that a server on the internet can. What its models say is a script.

/// A provider of models.
public final class FakeProvider: Sendable {
    /// What goes wrong with every answer.
    public enum Fault: Sendable, Equatable {
        case none
        case status(Int)
        /// No answer ever comes.
        case silent
        /// The body never ends.
        case endless
        case garbage
        case redirect(to: String)
        /// A list of no models.
        case empty
    }

    /// What somebody asked.
    public struct Question: Sendable, Equatable {
        public var method: String
        /// With the query.
        public var path: String
        /// Names in lower case.
        public var headers: [String: String]
        public var body: String
    }

    private struct State {
        var fault = Fault.none
        var models: [String]
        var questions: [Question] = []
        var port = 0
        var answers: [FakeAnswer] = []
        var speaker: (@Sendable (Question) -> FakeAnswer)?
        var abandoned = 0
        var watchers: [AsyncStream<Int>.Continuation] = []
    }

    private let state: Mutex<State>

    private init(_ models: [String]) { state = Mutex(State(models: models)) }

    /// Runs a provider with these models while `body` does.
    public static func run<T: Sendable>(
        _ models: [String] = ["small", "large"],
        _ body: @escaping @Sendable (FakeProvider) async throws -> T
    ) async throws -> T {
        let provider = FakeProvider(models)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let quiet = Logger(label: "provider") { _ in SwiftLogNoOpLogHandler() }
        let application = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                try await provider.answer(request)
            },
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { port.yield($0.localAddress?.port ?? 0) }, logger: quiet)
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await application.runService(gracefulShutdownSignals: [])
                return nil
            }
            group.addTask {
                for await port in ports {
                    provider.state.withLock { $0.port = port }
                    break
                }
                return try await body(provider)
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// `http://127.0.0.1:PORT`
    public var address: String { "http://127.0.0.1:\(state.withLock { $0.port })" }

    /// Everything that was asked so far.
    public var questions: [Question] { state.withLock { $0.questions } }

    public func fail(_ fault: Fault) { state.withLock { $0.fault = fault } }

    public func offer(_ models: [String]) { state.withLock { $0.models = models } }

    // MARK: Models

    /// What the model says to the next questions, in all protocols (`…/chat/completions`, `…/messages`, `…:streamGenerateContent`,
    /// `/api/chat`). The last answer is given again and again; without a script it is `Hello from the fake.`
    public func script(_ answers: [FakeAnswer]) { state.withLock { $0.answers = answers } }

    /// What the model says follows from what it is asked, whoever asks and however often.
    public func answer(_ speaker: @escaping @Sendable (Question) -> FakeAnswer) {
        state.withLock { $0.speaker = speaker }
    }

    /// What models were asked, without the lists of models.
    public var conversations: [Question] {
        questions.filter { FakeProtocol(path: Self.withoutQuery($0.path)) != nil }
    }

    /// Answers that ended because nobody listened any more; now, and again whenever there is one more.
    public var abandoned: AsyncStream<Int> {
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        state.withLock { state in
            state.watchers.append(continuation)
            continuation.yield(state.abandoned)
        }
        return stream
    }

    private static func withoutQuery(_ path: String) -> String { String(path.prefix { $0 != "?" }) }

    private func nextAnswer(to question: Question) -> FakeAnswer {
        if let speaker = state.withLock({ $0.speaker }) { return speaker(question) }
        return state.withLock { state in
            guard let answer = state.answers.first else { return .text("Hello from the fake.") }
            if state.answers.count > 1 { state.answers.removeFirst() }
            return answer
        }
    }

    private func say(_ answer: FakeAnswer, in words: FakeProtocol) -> Response {
        var headers: HTTPFields = [:]
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        guard answer.status == 200 else {
            headers[.contentType] = "application/json"
            return Response(
                status: .init(code: answer.status), headers: headers,
                body: .init(byteBuffer: ByteBuffer(string: answer.body)))
        }
        headers[.contentType] = words.mediaType
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                do { try await self.write(answer, in: words, to: &writer) } catch let error as Disconnection {
                    throw error
                } catch {
                    self.state.withLock { state in
                        state.abandoned += 1
                        for watcher in state.watchers { watcher.yield(state.abandoned) }
                    }
                    throw error
                }
                try await writer.finish(nil)
            })
    }

    private struct Disconnection: Error {}

    private func write(
        _ answer: FakeAnswer, in words: FakeProtocol, to writer: inout any ResponseBodyWriter
    ) async throws {
        var (index, calls) = (0, 0)
        let beginning = words.beginning(answer)
        if !beginning.isEmpty { try await writer.write(ByteBuffer(string: beginning)) }
        for piece in answer.pieces {
            switch piece {
            case .text(let text):
                try await writer.write(ByteBuffer(string: words.text(text, index)))
                index += 1
            case .call(let id, let name, let arguments):
                let text = words.call(id, name, arguments, index, call: calls)
                try await writer.write(ByteBuffer(string: text))
                (index, calls) = (index + 1, calls + 1)
            case .raw(let bytes): try await writer.write(ByteBuffer(string: bytes))
            case .pause(let time): try await Task.sleep(for: time)
            case .silence: try await Task.sleep(for: .seconds(3600))
            case .hold:
                while true {
                    try await writer.write(ByteBuffer(string: words.keepAlive))
                    try await Task.sleep(for: .milliseconds(20))
                }
            case .disconnect: throw Disconnection()
            }
        }
        try await writer.write(ByteBuffer(string: words.end(answer)))
    }

    // MARK: Answers

    private func answer(_ request: Request) async throws -> Response {
        let headers = Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) }
        ) { first, second in "\(first), \(second)" }
        let body = String(buffer: try await request.body.collect(upTo: 16 << 20))
        let question = Question(
            method: request.method.rawValue, path: request.uri.string, headers: headers, body: body)
        let (fault, models) = state.withLock { state in
            state.questions.append(question)
            return (state.fault, state.models)
        }
        switch fault {
        case .none:
            if let words = FakeProtocol(path: request.uri.path) { return say(nextAnswer(to: question), in: words) }
            return json(list(models, request.uri.path))
        case .empty: return json(list([], request.uri.path))
        case .status(let code):
            // As some do: what was sent is in the answer.
            return json(#"{"error":{"message":"wrong: \#(headers.values.sorted().joined(separator: " "))"}}"#, code)
        case .silent:
            try await Task.sleep(for: .seconds(3600))
            return json("{}")
        case .endless:
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody { writer in
                    while true { try await writer.write(ByteBuffer(repeating: UInt8(ascii: " "), count: 65_536)) }
                })
        case .garbage: return json("<html>it works</html>")
        case .redirect(let target): return Response(status: .found, headers: [.location: target])
        }
    }

    /// The list as the vendor with this path has it.
    private func list(_ models: [String], _ path: String) -> String {
        switch path {
        case "/api/tags": #"{"models":[\#(rows(models) { #"{"name":"\#($0)"}"# })]}"#
        case _ where path.contains("/v1beta/"):
            #"{"models":[\#(rows(models) { #"{"name":"models/\#($0)","displayName":"The \#($0)"}"# })]}"#
        default: #"{"data":[\#(rows(models) { #"{"id":"\#($0)","object":"model"}"# })]}"#
        }
    }

    private func rows(_ models: [String], _ row: (String) -> String) -> String {
        models.map(row).joined(separator: ",")
    }

    private func json(_ text: String, _ status: Int = 200) -> Response {
        Response(
            status: .init(code: status), headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
