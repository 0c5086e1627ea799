internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Synchronization

// Who answers when a test asks a provider of models? A server on 127.0.0.1 that speaks as the vendors do, notes what it was asked, and
// fails in every way that a server on the internet can.

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
    }

    private struct State {
        var fault = Fault.none
        var models: [String]
        var questions: [Question] = []
        var port = 0
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

    // MARK: Answers

    private func answer(_ request: Request) async throws -> Response {
        let headers = Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) }
        ) { first, second in "\(first), \(second)" }
        let question = Question(method: request.method.rawValue, path: request.uri.string, headers: headers)
        let (fault, models) = state.withLock { state in
            state.questions.append(question)
            return (state.fault, state.models)
        }
        switch fault {
        case .none: return json(list(models, request.uri.path))
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
