public import Logging
internal import Store
internal import Synchronization

// Which MCP servers run? Those that the registry has and that are switched on, at any time: whoever changes a row changes what runs, and
// nobody else notices. A server that can't be started is told of and left alone, and the others go on. How one of them lives is known to
// MCPServer; what comes with the agent is somebody else's.

/// Keeps the MCP servers of the registry running.
public actor MCPServers {
    /// A server, and how it was configured.
    private struct Entry {
        var row: MCPRecord
        var server: MCPServer
        /// Its status when it can't be run at all.
        var refusal: MCPServer.Status?
        /// Takes its place when it is ready, or has failed.
        var next: (row: MCPRecord, server: MCPServer)?
    }

    private let registry: Registry
    private let settings: MCPSettings
    private let time: TimeSource
    private let logger: Logger
    private let reserved: Set<String>
    private var entries: [String: Entry] = [:]
    private var order: [String] = []
    private var refusals: [String: MCPServer.Status] = [:]
    /// ``run()`` is about to begin, or its first servers are being started.
    private var isArriving = false
    private var waiting: [AsyncStream<Void>.Continuation] = []
    /// How long somebody who wants tools waits for servers that are being started with the agent.
    private static let patience = Duration.seconds(10)
    private let news = MCPNews()

    /// - Parameter reserved: what servers of the agent's own are called.
    public init(
        _ registry: Registry, settings: MCPSettings = MCPSettings(), time: TimeSource = .system,
        reserved: Set<String> = [], logger: Logger
    ) {
        self.registry = registry
        self.settings = settings
        self.time = time
        self.reserved = Set(reserved.map(Self.spoken))
        self.logger = logger
    }

    // MARK: Life

    /// ``run()`` begins soon: from now on ``servers()`` waits for those that it starts first. A turn that goes on after a restart
    /// would find its tools missing otherwise.
    public func willRun() { isArriving = true }

    /// Runs the servers until the task is cancelled, and returns when nothing of them is left.
    public func run() async {
        let changes = registry.changes.of([.mcps])
        await withDiscardingTaskGroup { group in
            for work in await adjust() { group.addTask(operation: work) }
            group.addTask { await self.arrive() }
            for await _ in changes {
                for work in await adjust() { group.addTask(operation: work) }
            }
            group.cancelAll()
        }
    }

    /// Returns when each of the first servers is ready, or is known not to be.
    private func arrive() async {
        for server in entries.values.map(\.server) { await server.settle() }
        endArrival()
    }

    private func endArrival() {
        isArriving = false
        for one in waiting { one.finish() }
        waiting = []
    }

    private func waitForArrival() async {
        guard isArriving else { return }
        let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)
        waiting.append(arrival)
        let isPatient = await withTaskGroup(of: Bool.self) { [time] group in
            group.addTask {
                for await _ in arrivals {}
                return true
            }
            group.addTask {
                do { try await time.sleep(Self.patience) } catch { return true }
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? true
        }
        // Who comes later does not wait again for a server that takes its time.
        if !isPatient { endArrival() }
    }

    /// Makes what runs equal to what the registry wants.
    ///
    /// - Returns: what has to run beside everything else.
    private func adjust() async -> [@Sendable () async -> Void] {
        var work: [@Sendable () async -> Void] = []
        let rows: [MCPRecord]
        do { rows = try await registry.mcps() } catch {
            // What runs goes on; the next change is another chance.
            logger.error("mcp::registry_unreadable", metadata: ["reason": "\(error)"])
            return []
        }
        var wanted: [MCPRecord] = []
        var names = reserved.union(rows.filter { $0.kind == .builtin }.map { Self.spoken($0.name) })
        var refused: [String: MCPServer.Status] = [:]
        // Of two that would be spoken of by the same name the older one stays.
        for row in rows.sorted(by: { ($0.createdAt, $0.name) < ($1.createdAt, $1.name) })
        where row.kind != .builtin && row.isEnabled {
            if let reason = names.insert(Self.spoken(row.name)).inserted ? Self.obstacle(row) : Self.sameName {
                var status = MCPServer.Status(since: refusals[row.name]?.since ?? time.now())
                status.state = .failed
                status.error = reason
                refused[row.name] = status
            } else {
                wanted.append(row)
            }
        }
        for (name, status) in refused where refusals[name] != status {
            log(name).refused(status.error ?? "")
            news.tell(name)
        }
        refusals = refused
        let kept = Set(wanted.map(\.name))
        for (name, entry) in entries where !kept.contains(name) {
            entries[name] = nil
            await entry.server.stop(afterCalls: true)
            await entry.next?.server.stop()
            log(name).stopped()
            news.tell(name)
        }
        order = wanted.map(\.name)
        for row in wanted {
            guard let entry = entries[row.name] else {
                let server = server(row)
                entries[row.name] = Entry(row: row, server: server)
                work.append { await server.run() }
                continue
            }
            guard !Self.isSame(entry.next?.row ?? entry.row, row) else { continue }
            await entry.next?.server.stop()
            let server = server(row)
            entries[row.name]?.next = (row, server)
            work.append { await server.run() }
            work.append { [weak self] in
                await server.settle()
                await self?.swap(row.name, to: server)
            }
        }
        return work
    }

    /// The new server takes the place of the old one, which ends when its calls have.
    private func swap(_ name: String, to server: MCPServer) async {
        guard let entry = entries[name], let next = entry.next, next.server === server else { return }
        entries[name] = Entry(row: next.row, server: server)
        news.tell(name)
        await entry.server.stop(afterCalls: true)
    }

    private func server(_ row: MCPRecord) -> MCPServer {
        let (registry, log) = (registry, log(row.name))
        let transport: any MCPTransport
        if let url = row.url {
            transport = MCPHTTP(
                url: url, headers: { try row.headers.mapValues { try registry.reveal($0) } }, time: time, log: log)
        } else {
            transport = MCPProgram(
                words: (row.command ?? []) + row.arguments,
                environment: { try row.environment.mapValues { try registry.reveal($0) } },
                folder: settings.folder, memory: settings.memory, time: time, log: log)
        }
        return MCPServer(
            name: row.name, transport: transport, settings: settings, time: time, log: log
        ) { [news] in news.tell(row.name) }
    }

    private func log(_ name: String) -> MCPLog { MCPLog(name, logger: logger, now: time.now) }

    // MARK: Rules

    private static let sameName = "another server has this name, but for dashes"

    /// Why a row can't be run; nil when it can.
    private static func obstacle(_ row: MCPRecord) -> String? {
        row.usesOAuth ? "this version can't log in with OAuth; use a header with a token" : nil
    }

    /// A server's name within the names of its tools.
    private static func spoken(_ name: String) -> String { name.replacing("-", with: "_") }

    /// Whether a server need not be started anew.
    private static func isSame(_ old: MCPRecord, _ new: MCPRecord) -> Bool {
        old.command == new.command && old.arguments == new.arguments && old.url == new.url
            && old.environment == new.environment && old.headers == new.headers
    }

    // MARK: Use

    /// What can be called, in the order in which the rows were made. Right after ``willRun()`` that is known when the servers are
    /// ready, or 10 seconds later.
    public func servers() async -> [any ToolServer] {
        await waitForArrival()
        return order.compactMap { entries[$0]?.server }
    }

    /// What is known of each server that is switched on, by name.
    public func status() async -> [String: MCPServer.Status] {
        var all = refusals
        for (name, entry) in entries { all[name] = await entry.server.status }
        return all
    }

    /// Names of servers whose status has changed, collected while nobody looks. For one listener.
    public nonisolated var changes: AsyncStream<Void> { news.stream }

    /// The names that have changed since this was asked last.
    public nonisolated func takeChanges() -> Set<String> { news.take() }
}

/// Collects names for one listener who looks when they have time.
final class MCPNews: Sendable {
    private let names = Mutex<Set<String>>([])
    let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)) }

    func tell(_ name: String) {
        names.withLock { _ = $0.insert(name) }
        continuation.yield()
    }

    func take() -> Set<String> {
        names.withLock { names in
            defer { names = [] }
            return names
        }
    }
}
