internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Synchronization

// Whom does a test fetch from? A server on one of this machine's own addresses, which answers each path as the test says.

/// A web server.
public final class TestSite: Sendable {
    public struct Page: Sendable {
        public var status = 200
        public var headers: [(name: String, value: String)] = []
        public var body: [UInt8] = []
        /// The body never ends.
        public var isEndless = false
        /// No answer ever comes.
        public var isSilent = false

        public init(
            status: Int = 200, _ type: String? = nil, _ body: String = "",
            headers: [(name: String, value: String)] = [], isEndless: Bool = false, isSilent: Bool = false
        ) {
            self.status = status
            self.headers = headers + (type.map { [("Content-Type", $0)] } ?? [])
            self.body = Array(body.utf8)
            self.isEndless = isEndless
            self.isSilent = isSilent
        }

        public static func redirect(_ target: String, status: Int = 302) -> Page {
            Page(status: status, headers: [("Location", target)])
        }
    }

    /// What somebody asked.
    public struct Question: Sendable, Equatable {
        public var method: String
        public var path: String
        /// Names in lower case; `host` among them.
        public var headers: [String: String]
        public var body: String
    }

    private let state = Mutex<(port: Int, questions: [Question])>((0, []))
    private let pages: @Sendable (String) -> Page

    private init(_ pages: @escaping @Sendable (String) -> Page) { self.pages = pages }

    /// Runs a server while `body` does.
    ///
    /// - Parameters:
    ///   - pages: what is at a path; the query belongs to it.
    public static func run<T: Sendable>(
        on address: String = "127.0.0.1", port: Int = 0, _ pages: @escaping @Sendable (String) -> Page,
        _ body: @escaping @Sendable (TestSite) async throws -> T
    ) async throws -> T {
        let site = TestSite(pages)
        let (ports, bound) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                try await site.answer(request)
            },
            configuration: .init(address: .hostname(address, port: port)),
            onServerRunning: { bound.yield($0.localAddress?.port ?? 0) },
            logger: Logger(label: "site") { _ in SwiftLogNoOpLogHandler() })
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask {
                try await application.runService(gracefulShutdownSignals: [])
                return nil
            }
            group.addTask {
                for await port in ports {
                    site.state.withLock { $0.port = port }
                    break
                }
                return try await body(site)
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    public var port: Int { state.withLock { $0.port } }

    /// Everything that was asked so far.
    public var questions: [Question] { state.withLock { $0.questions } }

    private func answer(_ request: Request) async throws -> Response {
        var headers: [String: String] = ["host": request.head.authority ?? ""]
        for field in request.headers { headers[field.name.canonicalName] = field.value }
        let body = try await request.body.collect(upTo: 1 << 20)
        let question = Question(
            method: request.method.rawValue, path: request.uri.string, headers: headers, body: String(buffer: body))
        state.withLock { $0.questions.append(question) }
        let page = pages(request.uri.string)
        if page.isSilent { try await Task.sleep(for: .seconds(3600)) }
        var fields = HTTPFields()
        for (name, value) in page.headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        guard !page.isEndless else {
            return Response(
                status: .init(code: page.status), headers: fields,
                body: ResponseBody { writer in
                    while true { try await writer.write(ByteBuffer(repeating: UInt8(ascii: "x"), count: 65_536)) }
                })
        }
        return Response(
            status: .init(code: page.status), headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: page.body)))
    }
}
