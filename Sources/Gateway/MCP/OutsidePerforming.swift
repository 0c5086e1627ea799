internal import Agent
internal import Foundation
internal import Hummingbird
internal import JSON
internal import NIOCore
internal import Store
internal import Synchronization
internal import Wire

// How is a call of another program carried out? The policy is asked, the account is kept, and the request goes to the gateway's own routes, or
// through the agent's toolbox, which asks its policy and keeps its account as it does for turns. A turn tells on the way what happens in it. A
// caller who leaves stops waiting; the turn goes on. A caller who cancels stops the turn.

/// Carries out calls of tools for other programs.
protocol OutsideToolbox: Sendable {
    /// What whoever calls may use.
    func offers(to caller: Caller) async -> [OutsideOffer]

    /// - Parameters:
    ///   - context: of the request that the call came with: who asks, and from where.
    ///   - call: to be told in which conversation a turn runs.
    ///   - progress: takes words about what happens; awaiting it is the back-pressure of slow readers.
    func perform(
        _ offer: OutsideOffer, _ arguments: [String: JSONValue], id: String, by caller: Caller,
        in context: GatewayContext,
        _ call: OutsideCalls.Call, progress: @escaping @Sendable (String) async -> Void
    ) async -> ToolResult
}

/// Calls over the gateway's own routes and through the agent's toolbox.
struct OutsideRoutes: OutsideToolbox {
    /// Bytes of an answer.
    private static let longestAnswer = 4 << 20

    let policies: ToolPolicies?
    let ledger: ToolCallLedger?
    let random: Randomness
    private let granted: (any Toolbox)?
    private let broadcasts: Broadcasts

    init(_ configuration: GatewayConfiguration, _ sessions: SessionManager) {
        policies = configuration.approvals?.policies
        ledger = configuration.ledger
        random = configuration.random
        granted = configuration.outsideTools
        broadcasts = sessions.broadcasts
    }

    func offers(to caller: Caller) async -> [OutsideOffer] {
        let isAdmin = caller.role == .admin
        return OutsideOffer.all(isAdmin: isAdmin, granted: await granted?.tools(isAdmin: isAdmin) ?? [])
    }

    func perform(
        _ offer: OutsideOffer, _ arguments: [String: JSONValue], id: String, by caller: Caller,
        in context: GatewayContext,
        _ call: OutsideCalls.Call, progress: @escaping @Sendable (String) async -> Void
    ) async -> ToolResult {
        var account = ToolContext(
            turnID: "mcp", callID: id, sessionID: "mcp", handle: caller.handle, isAdmin: caller.role == .admin)
        let offered = offer.outside
        if let reason = await refusal(of: offered) {
            await ledger?.denied(offered, for: account, because: reason)
            return ToolResult(reason, isError: true)
        }
        guard case .own(let tool) = offer else {
            // A program may name two calls alike, and an answer to a question counts for one of them alone.
            account.callID = random.uuid()
            return await callGranted(offered.definition, as: offer.name, arguments, for: account, progress)
        }
        do { try await ledger?.began(offered, arguments, for: account) } catch {
            return ToolResult("The call can't be noted, so it does not run.", isError: true)
        }
        let start = ContinuousClock.now
        let result = await ask(tool, arguments, in: context, call, progress)
        await ledger?.ended(offered, for: account, result, took: .now - start)
        return result
    }

    /// Through the toolbox, with its policy and its account; a question about the call is one of the caller's, wherever they answer it.
    private func callGranted(
        _ tool: ToolDefinition, as name: String, _ arguments: [String: JSONValue], for account: ToolContext,
        _ progress: @escaping @Sendable (String) async -> Void
    ) async -> ToolResult {
        guard let granted else { return ToolResult("There is no such tool for you.", isError: true) }
        defer {
            for resource in tool.effect == .query ? [] : TurnTools.resources(ofTool: name) {
                broadcasts.publish(resource, .changed, to: [.everybody])
            }
        }
        do {
            return try await granted.call(
                name, arguments, for: account,
                emit: { event in
                    switch event {
                    case .status(let text): await progress(text)
                    case .approvalRequested(let request):
                        await progress(Self.waiting(for: request.tool, id: request.id))
                    default: break
                    }
                }, willRun: { try Task.checkCancellation() })
        } catch {
            return ToolResult("The call was stopped.", isError: true)
        }
    }

    fileprivate static func waiting(for tool: String, id: String) -> String {
        "\(tool) waits until it is allowed: \(id)"
    }

    /// Only what is written about these very tools counts: whoever calls them may ask the routes anyway, and nobody is there who
    /// could be asked. What is said of the agent's tools themselves is for their toolbox to ask.
    private func refusal(of tool: OfferedTool) async -> String? {
        guard let policies else { return nil }
        guard let lines = try? await policies.lines() else { return "The agent's policy can't be read." }
        let own = lines.filter { $0.pattern.hasPrefix(OutsideOffer.server + "_") }
        guard let line = ToolPolicy.line(for: tool, in: own), line.rule != .allow else { return nil }
        return "The policy of this agent forbids \(tool.definition.name) to other programs."
    }

    private func ask(
        _ tool: OutsideTool, _ arguments: [String: JSONValue], in context: GatewayContext, _ call: OutsideCalls.Call,
        _ progress: @escaping @Sendable (String) async -> Void
    ) async -> ToolResult {
        do {
            let request = try OutsideRequest(tool, arguments, makeID: random.uuid)
            if request.isTurn { call.runs(in: request.body?["session_id"]?.string) }
            let response = await context.ask(try Request(request))
            let isStream = response.headers[.contentType]?.hasPrefix(ServerSentEvent.mediaType) == true
            if isStream {
                let turn = TurnReader(progress)
                try await response.body.write(turn)
                return turn.result
            }
            let collected = CollectedBody(limit: Self.longestAnswer)
            try await response.body.write(collected)
            return Self.result(response.status, String(buffer: collected.bytes), of: tool)
        } catch let refusal as OutsideRefusal {
            return ToolResult(refusal.text, isError: true)
        } catch {
            return ToolResult("The call could not be carried out to its end.", isError: true)
        }
    }

    private static func result(_ status: HTTPResponse.Status, _ text: String, of tool: OutsideTool) -> ToolResult {
        guard status.kind == .successful else {
            let error = try? JSONDecoder().decode(ErrorBody.self, from: Data(text.utf8)).error
            let words = [error?.message, error?.hint].compactMap { $0 }.joined(separator: " ")
            return ToolResult(words.isEmpty ? "The agent refuses: \(status.code)." : words, isError: true)
        }
        if tool.name == "vault_read", let note = try? JSONDecoder().decode(NoteContentBody.self, from: Data(text.utf8))
        {
            return ToolResult(note.content)
        }
        return ToolResult(text)
    }
}

extension Request {
    /// - Throws: when its body has no JSON form.
    fileprivate init(_ request: OutsideRequest) throws {
        var head = HTTPRequest(method: request.method, scheme: nil, authority: nil, path: request.path)
        if request.isTurn { head.headerFields[.accept] = ServerSentEvent.mediaType }
        guard let body = request.body else {
            self.init(head: head, body: RequestBody(buffer: ByteBuffer()))
            return
        }
        let bytes = ByteBuffer(string: try JSON.text(body))
        head.headerFields[.contentType] = "application/json"
        head.headerFields[.contentLength] = "\(bytes.readableBytes)"
        self.init(head: head, body: RequestBody(buffer: bytes))
    }
}

/// Reads the events of a turn.
private final class TurnReader: ResponseBodyWriter, Sendable {
    private struct State {
        var lines = ""
        var answer: String?
        var failure: String?
        var isCut = false
        /// Text that was streamed, and how much of it was told.
        var streamed = 0
        var told = 0
    }

    /// After so many characters of the answer is told that it grows.
    private static let step = 400

    private let state = Mutex(State())
    private let progress: @Sendable (String) async -> Void

    init(_ progress: @escaping @Sendable (String) async -> Void) { self.progress = progress }

    var result: ToolResult {
        state.withLock { state in
            if let failure = state.failure { return ToolResult(failure, isError: true) }
            guard let answer = state.answer else {
                return ToolResult("The turn goes on; its answer will be in the conversation.", isError: true)
            }
            return ToolResult(answer, isError: state.isCut)
        }
    }

    func write(_ buffer: ByteBuffer) async throws {
        let words = state.withLock { state in
            state.lines += String(buffer: buffer)
            var words: [String] = []
            while let end = state.lines.utf8.firstIndex(of: UInt8(ascii: "\n")) {
                let line = state.lines[..<end]
                if line.hasPrefix("data: "), let text = Self.take(String(line.dropFirst(6)), &state) {
                    words.append(text)
                }
                state.lines.removeSubrange(...end)
            }
            return words
        }
        for text in words { await progress(text) }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}

    /// - Returns: what is told of it.
    private static func take(_ data: String, _ state: inout State) -> String? {
        guard let message = try? ServerMessage(json: data) else { return nil }
        switch message.body {
        case .queued(let position): return position > 0 ? "Waits behind \(position) others." : nil
        case .status(let text): return text
        case .delta(let text):
            state.streamed += text.count
            guard state.streamed >= state.told + step else { return nil }
            state.told = state.streamed
            return "\(state.streamed) characters of the answer"
        case .approvalRequest(let request):
            return OutsideRoutes.waiting(for: request.tool, id: request.id)
        case .error(_, let text):
            state.failure = text
            return nil
        case .response(let text, _, _):
            state.answer = text
            return nil
        case .turnComplete(let end):
            state.isCut = end.reason == .cancelled || end.reason == .error
            return nil
        default: return nil
        }
    }
}
