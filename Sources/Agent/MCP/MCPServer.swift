public import JSON

// What becomes of one MCP server? It is started, asked for its tools, called, and started again when it has ended, later each time. While
// it is down a call ends at once with an error that the model can read. How messages get to it is its transport's business, and what they
// mean is known to MCPSession.

/// One supervised MCP server. Its owner runs ``run()`` for as long as it is wanted.
public actor MCPServer: ToolServer {
    /// What is known of a server.
    public struct Status: Sendable, Equatable {
        public enum State: String, Sendable {
            case starting, ready, stopped, failed
            /// It has ended, and is started again at a later time.
            case backingOff = "backing_off"
        }

        public var state = State.starting
        /// Why it has ended last, or can't be started; nil when nothing is wrong.
        public var error: String?
        /// How many tools it offers.
        public var tools = 0
        /// How often it was started again.
        public var restarts = 0
        /// Since when it is in this state, in Unix seconds.
        public var since: Double
        /// When it is started again, in Unix seconds.
        public var retryAt: Double?

        public init(since: Double) { self.since = since }
    }

    private enum CallEvent: Sendable {
        case progress(String)
        case ended(ToolResult)
    }

    /// Numbers of calls begin anew with each connection.
    private struct CallID: Hashable {
        var connection: Int
        var id: Int64
    }

    /// Bytes of the arguments of a call.
    static let longestArguments = 1 << 20
    /// Messages that may wait until the server reads them.
    static let mostOutgoing = 256
    /// Progress of one call that may wait until somebody takes it.
    static let mostProgress = 64

    public nonisolated let name: String
    /// For whom its tools are meant a server can't say: whoever runs the agent grants them by its name.
    public nonisolated let openTo = Set(ToolCaller.allCases)
    /// A call that takes too long is ended here, where its program is told so; whoever called waits that bit longer.
    public nonisolated let grace = Duration.seconds(1)
    public private(set) var status: Status
    private let transport: any MCPTransport
    private let settings: MCPSettings
    private let time: TimeSource
    private let random: @Sendable () -> Double
    private let log: MCPLog
    private let changed: @Sendable () -> Void

    private var session: MCPSession?
    private var connection = 0
    private var outgoing: AsyncStream<MCPOutgoing>.Continuation?
    private var suspicions: AsyncStream<Void>.Continuation?
    /// Is told once the server is ready.
    private var arrival: AsyncStream<Void>.Continuation?
    private var isAlive = false
    private var calls: [CallID: AsyncStream<CallEvent>.Continuation] = [:]
    private var backoff = MCPBackoff()
    private var isStopping = false
    private var isDraining = false
    private var stopper: AsyncStream<Void>.Continuation?
    private var settling: [CheckedContinuation<Void, Never>] = []

    /// - Parameters:
    ///   - random: from 0 up to 1.
    ///   - changed: called after each change of ``status``; must not wait.
    init(
        name: String, transport: any MCPTransport, settings: MCPSettings, time: TimeSource,
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }, log: MCPLog,
        changed: @escaping @Sendable () -> Void = {}
    ) {
        self.name = name
        self.transport = transport
        self.settings = settings
        self.time = time
        self.random = random
        self.log = log
        self.changed = changed
        status = Status(since: time.now())
    }

    // MARK: Life

    /// Keeps the server running until ``stop()`` or until the task is cancelled, and returns when nothing of it is left.
    public func run() async {
        while !isStopping, !Task.isCancelled {
            set(.starting, error: status.error)
            let failure = await connect()
            guard let failure, !isStopping, !Task.isCancelled else { break }
            let delay = failure.isForgotten ? Duration.zero : backoff.next(random: random())
            set(.backingOff, error: failure.description, retryAfter: delay)
            log.ended(failure.description, retryAfter: delay)
            if delay > .zero {
                do { try await unlessStopped { [time] in try await time.sleep(delay) } } catch { break }
            }
            status.restarts += 1
        }
        isStopping = true
        set(.stopped, error: nil)
    }

    /// Makes ``run()`` return, as soon as the calls that run have ended or at once.
    public func stop(afterCalls: Bool = false) {
        isDraining = true
        guard !afterCalls || calls.isEmpty else { return }
        isStopping = true
        stopper?.finish()
    }

    /// Waits until the server is ready, or until it is known that it isn't.
    func settle() async {
        guard status.state == .starting else { return }
        await withCheckedContinuation { settling.append($0) }
    }

    /// - Returns: why the connection has ended; nil when it was to end.
    private func connect() async -> MCPFailure? {
        let (messages, outgoing) = AsyncStream.makeStream(
            of: MCPOutgoing.self, bufferingPolicy: .bufferingOldest(Self.mostOutgoing))
        let (doubts, suspicions) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        connection += 1
        let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)
        (self.outgoing, self.suspicions, self.arrival) = (outgoing, suspicions, arrival)
        var session = MCPSession(clientVersion: settings.version, outputLimit: settings.outputLimit)
        let greeting = session.start()
        self.session = session
        let (transport, time, settings) = (transport, time, settings)
        var failure: MCPFailure?
        do {
            try perform(greeting)
            try await unlessStopped {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await transport.run(messages) { try await self.received($0) } }
                    group.addTask {
                        try await time.sleep(settings.startTime)
                        try await self.mustBeReady()
                    }
                    group.addTask {
                        for await _ in arrivals {}
                        try await time.sleep(settings.healthyTime)
                        await self.forgetFailures()
                    }
                    group.addTask {
                        for await _ in doubts {
                            try await self.ping()
                            try await time.sleep(settings.pingTime)
                            try await self.mustBeAlive()
                        }
                    }
                    while try await group.next() != nil {}
                }
            }
        } catch let error as MCPFailure {
            failure = error
        } catch is CancellationError {
            failure = nil
        } catch {
            failure = MCPFailure("the connection failed")
        }
        outgoing.finish()
        (self.outgoing, self.suspicions, self.arrival, self.session) = (nil, nil, nil, nil)
        for call in calls.values {
            call.yield(.ended(ToolResult(Self.lost(name), isError: true)))
            call.finish()
        }
        calls = [:]
        return failure
    }

    private static func lost(_ name: String) -> String {
        "The MCP server '\(name)' ended during the call. Whether the call had an effect is not known."
    }

    /// Runs `body` until it ends or somebody stops the server.
    private func unlessStopped(_ body: @escaping @Sendable () async throws -> Void) async throws {
        guard !isStopping else { throw CancellationError() }
        let (stops, stopper) = AsyncStream.makeStream(of: Void.self)
        self.stopper = stopper
        defer { self.stopper = nil }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await _ in stops {}
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func set(_ state: Status.State, error: String?, retryAfter: Duration? = nil) {
        let now = time.now()
        status.state = state
        status.error = error
        status.since = now
        status.retryAt = retryAfter.map { now + $0 / .seconds(1) }
        status.tools = session?.tools.count ?? 0
        if state != .starting {
            for waiting in settling { waiting.resume() }
            settling = []
        }
        changed()
    }

    // MARK: Calls

    public func tools() -> [ToolDefinition] {
        session?.tools ?? []
    }

    public func call(
        _ tool: String, _ arguments: [String: JSONValue], for context: ToolContext,
        progress: @Sendable (String) async -> Void
    ) async -> ToolResult {
        let known = session?.tools.first { $0.name == tool }
        guard let session, session.isReady else { return ToolResult(whyNot, isError: true) }
        guard let known else {
            return ToolResult(
                "The MCP server '\(name)' has no tool '\(MCPMessages.cut(tool, to: 128))'.", isError: true)
        }
        guard JSONValue.object(arguments).encoded.count <= Self.longestArguments else {
            return ToolResult("The arguments are longer than \(Self.longestArguments) bytes.", isError: true)
        }
        guard let (id, events) = begin(tool, arguments) else {
            return ToolResult("The MCP server '\(name)' has too much to do. Try again later.", isError: true)
        }
        let limit = settings.times().time(for: known, of: name)
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { [time] in
                do { try await time.sleep(limit) } catch { return }
                await self.expire(id, after: limit)
            }
            defer { group.cancelAll() }
            for await event in events {
                switch event {
                case .progress(let text): await progress(text)
                case .ended(let result): return result
                }
            }
            self.cancel(id)
            return ToolResult("The call was cancelled.", isError: true)
        }
    }

    private var whyNot: String {
        switch status.state {
        case .starting: "The MCP server '\(name)' is still starting. Try again later."
        case .backingOff, .ready: "The MCP server '\(name)' has failed and is started again. Try again later."
        case .stopped, .failed: "The MCP server '\(name)' does not run."
        }
    }

    private func begin(_ tool: String, _ arguments: [String: JSONValue]) -> (CallID, AsyncStream<CallEvent>)? {
        guard let (number, action) = session?.call(tool, arguments) else { return nil }
        // What was asked last is the answer: it is never pushed out.
        let (events, continuation) = AsyncStream.makeStream(
            of: CallEvent.self, bufferingPolicy: .bufferingNewest(Self.mostProgress))
        let id = CallID(connection: connection, id: number)
        calls[id] = continuation
        try? perform([action])
        return (id, events)
    }

    private func end(_ id: CallID, _ result: ToolResult) {
        guard let call = calls.removeValue(forKey: id) else { return }
        call.yield(.ended(result))
        call.finish()
        if isDraining { stop(afterCalls: true) }
    }

    private func expire(_ id: CallID, after limit: Duration) {
        guard calls[id] != nil else { return }
        withdraw(id, because: "it took longer than \(limit)")
        end(id, ToolResult("The tool did not answer within \(limit), and the call was given up.", isError: true))
        // A server that hangs is started anew, but for one call no other is lost.
        if session?.isWaiting == false { suspicions?.yield() }
    }

    private func cancel(_ id: CallID) {
        withdraw(id, because: "nobody waits for it any more")
        end(id, ToolResult("The call was cancelled.", isError: true))
    }

    /// Tells the server that an answer is not wanted any more.
    private func withdraw(_ id: CallID, because reason: String) {
        guard id.connection == connection, let actions = session?.cancel(id.id, because: reason) else { return }
        try? perform(actions)
    }

    // MARK: Messages

    private func received(_ message: [UInt8]) throws {
        guard let actions = session?.received(message) else { return }
        try perform(actions)
    }

    private func perform(_ actions: [MCPSession.Action]) throws {
        for action in actions {
            switch action {
            case .send(let message):
                let sent = outgoing?.yield(MCPOutgoing(message: message, version: session?.version))
                if case .dropped? = sent { suspicions?.yield() }
            case .listed:
                let isNew = status.state != .ready
                set(.ready, error: nil)
                log.ready(tools: status.tools, isNew: isNew)
                arrival?.finish()
            case .progressed(let id, let text): calls[CallID(connection: connection, id: id)]?.yield(.progress(text))
            case .answered(let id, let result): end(CallID(connection: connection, id: id), result)
            case .alive: isAlive = true
            case .remark(let level, let text): log.said(text, level: level)
            case .broken(let reason): throw MCPFailure(reason)
            }
        }
    }

    private func ping() throws {
        isAlive = false
        if let action = session?.ping() { try perform([action]) }
    }

    private func mustBeAlive() throws {
        // While another call may still be running, the server may have no time for pings.
        if !isAlive, session?.isWaiting != true { throw MCPFailure("it hangs: it answered neither a call nor a ping") }
    }

    private func mustBeReady() throws {
        if session?.isReady != true { throw MCPFailure("it did not list its tools within \(settings.startTime)") }
    }

    private func forgetFailures() { backoff.reset() }
}
