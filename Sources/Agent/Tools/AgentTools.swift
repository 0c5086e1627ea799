public import JSON
public import Logging

// What has to happen around every tool call? The tool must be there for this caller, the arguments must fit its schema, the policy must
// allow it, the audit row must be written, and the call must end in time with a result that can be read. This is the only way to a tool;
// what is not clearly allowed is refused. Who offers tools, who decides and who keeps account is known by their protocols alone.

/// What may be set about tool calls.
public struct ToolSettings: Sendable, Equatable {
    public var grants = ToolGrants()
    public var times = ToolTimes()
    /// Bytes of a result that are kept.
    public var longestResult = 64 << 10

    public init() {}
}

/// All tools of an agent, for one kind of caller.
public struct AgentTools: Toolbox {
    private let servers: @Sendable () async -> [any ToolServer]
    private let gate: any ToolGate
    private let ledger: any ToolLedger
    private let settings: @Sendable () -> ToolSettings
    private let time: TimeSource
    private let catalog: ToolCatalog
    private let caller: ToolCaller
    private let logger: Logger

    /// For models and for users of the librarian.
    ///
    /// - Parameters:
    ///   - servers: asked for each call: they come and go. Of two with the same name the first counts.
    ///   - settings: asked for each call.
    public init(
        servers: @escaping @Sendable () async -> [any ToolServer], gate: any ToolGate, ledger: any ToolLedger,
        settings: @escaping @Sendable () -> ToolSettings, time: TimeSource = .system, logger: Logger
    ) {
        self.init(
            servers: servers, gate: gate, ledger: ledger, settings: settings, time: time,
            catalog: ToolCatalog(logger: logger), caller: .turn, logger: logger)
    }

    private init(
        servers: @escaping @Sendable () async -> [any ToolServer], gate: any ToolGate, ledger: any ToolLedger,
        settings: @escaping @Sendable () -> ToolSettings, time: TimeSource, catalog: ToolCatalog, caller: ToolCaller,
        logger: Logger
    ) {
        self.servers = servers
        self.gate = gate
        self.ledger = ledger
        self.settings = settings
        self.time = time
        self.catalog = catalog
        self.caller = caller
        self.logger = logger
    }

    /// The same tools as another kind of caller may use them.
    public func serving(_ caller: ToolCaller) -> AgentTools {
        AgentTools(
            servers: servers, gate: gate, ledger: ledger, settings: settings, time: time, catalog: catalog,
            caller: caller, logger: logger)
    }

    public func tools(isAdmin: Bool) async -> [OfferedTool] {
        await entries(isAdmin: isAdmin).map(\.tool)
    }

    private func entries(isAdmin: Bool) async -> [ToolCatalog.Entry] {
        await catalog.entries(of: await servers()).filter { isFor(caller, isAdmin: isAdmin, $0) }
    }

    private func isFor(_ caller: ToolCaller, isAdmin: Bool, _ entry: ToolCatalog.Entry) -> Bool {
        settings().grants.allows(caller, entry.server) && (isAdmin || !entry.tool.definition.needsAdmin)
    }

    public func definition(_ fullName: String) async -> ToolDefinition? {
        // Not every server is asked: this is about a name, not about a permission.
        for server in await servers() where fullName.hasPrefix(ToolCatalog.plain(server.name) + "_") {
            let named = await server.tools().first { ToolCatalog.fullName(server.name, $0.name) == fullName }
            if let named { return named }
        }
        return nil
    }

    // MARK: Calling

    public func call(
        _ fullName: String, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @escaping @Sendable (TurnEvent) async -> Void, willRun: @Sendable () async throws -> Void
    ) async throws -> ToolResult {
        // Policy, account and user see what will run, and not the tool that only calls it.
        if let inner = ToolSearch.unwrapped(fullName, arguments), fullName != inner.fullName {
            return try await call(inner.fullName, inner.arguments, for: context, emit: emit, willRun: willRun)
        }
        let servers = await servers()
        let all = await catalog.entries(of: servers)
        let own = all.filter { isFor(caller, isAdmin: context.isAdmin, $0) }
        guard let entry = own.first(where: { $0.tool.fullName == fullName }) else {
            if let hidden = all.first(where: { $0.tool.fullName == fullName })?.tool {
                await ledger.denied(hidden, for: context, because: "not granted to this caller")
            }
            if let server = await catalog.silentServer(of: fullName, among: servers),
                settings().grants.allows(caller, server)
            {
                return ToolResult(Self.absent(fullName, server.name), isError: true)
            }
            // Whoever may not use it is not told that it is there.
            return ToolResult(Self.unknown(fullName, among: own), isError: true)
        }
        let tool = entry.tool
        if let problem = ArgumentCheck.problem(arguments, schema: tool.definition.parameters) {
            return ToolResult("Wrong arguments: \(problem). The tool was not run.", isError: true)
        }
        if case .denied(let reason) = try await gate.admit(tool, arguments, for: context, emit: emit) {
            await ledger.denied(tool, for: context, because: reason)
            return ToolResult("The call was denied: \(reason)", isError: true)
        }
        do {
            try await ledger.began(tool, arguments, for: context)
        } catch {
            try Task.checkCancellation()
            logger.error("tools::not_recorded", metadata: ["tool": "\(fullName)", "error": "\(error)"])
            return ToolResult(
                "The call could not be recorded, so the tool was not run. Try again later.", isError: true)
        }
        do {
            try await willRun()
        } catch {
            await ledger.ended(tool, for: context, ToolResult("not run", isError: true), took: .zero)
            throw error
        }
        let begun = ContinuousClock.now
        let result = await run(entry, arguments, context, emit)
        await ledger.ended(tool, for: context, result, took: .now - begun)
        return result
    }

    private enum End: Sendable {
        case result(ToolResult)
        case timeIsUp
        case stopped
    }

    private func run(
        _ entry: ToolCatalog.Entry, _ arguments: [String: JSONValue], _ context: ToolContext,
        _ emit: @escaping @Sendable (TurnEvent) async -> Void
    ) async -> ToolResult {
        let settings = settings()
        let limit = settings.times.time(for: entry.tool.definition, of: entry.server.name) + entry.server.grace
        let progress = ToolProgress(tool: entry.tool.fullName, now: time.now)
        let (server, name) = (entry.server, entry.tool.definition.name)
        let end = await withTaskGroup(of: End.self) { group in
            group.addTask {
                .result(
                    await server.call(name, arguments, for: context) { text in
                        if let status = progress.status(text) { await emit(.status(status)) }
                    })
            }
            group.addTask {
                do { try await time.sleep(limit) } catch { return .stopped }
                return .timeIsUp
            }
            defer { group.cancelAll() }
            while let end = await group.next() {
                // When the turn is stopped the tool's own last word counts.
                if case .stopped = end { continue }
                return end
            }
            return .stopped
        }
        switch end {
        case .result(let result): return Self.capped(result, settings.longestResult)
        case .timeIsUp:
            logger.warning("tools::time_is_up", metadata: ["tool": "\(entry.tool.fullName)", "limit": "\(limit)"])
            return ToolResult(
                """
                The tool did not answer within \(limit.formattedSeconds) and was stopped. Whether it did its work before is unknown.
                """, isError: true)
        case .stopped: return ToolResult("The call was stopped.", isError: true)
        }
    }

    // MARK: Words

    private static func absent(_ name: String, _ server: String) -> String {
        "The server '\(server)' does not run at the moment, so \(name.prefix(100)) was not called. Try again later."
    }

    private static func unknown(_ name: String, among entries: [ToolCatalog.Entry]) -> String {
        let server = name.split(separator: "_").first.map(String.init) ?? name
        let near = entries.map(\.tool.fullName).filter { $0.hasPrefix(server) }.prefix(20)
        let hint = near.isEmpty ? "" : " There are: \(near.joined(separator: ", "))."
        return "There is no tool \(name.prefix(100)) here.\(hint)"
    }

    private static func capped(_ result: ToolResult, _ limit: Int) -> ToolResult {
        let length = result.text.utf8.count
        guard length > limit else { return result }
        var end = limit
        var text: String?
        // Not in the middle of a character.
        while text == nil, end > 0 {
            text = String(result.text.utf8.prefix(end))
            end -= 1
        }
        return ToolResult(
            (text ?? "") + "\n… (cut: the result has \(length) bytes, of which the first \(limit) are shown)",
            isError: result.isError)
    }
}

extension Duration {
    fileprivate var formattedSeconds: String {
        let seconds = Double(components.seconds) + Double(components.attoseconds) / 1e18
        return seconds == seconds.rounded() ? "\(Int(seconds)) seconds" : "\(seconds) seconds"
    }
}
