internal import Agent
internal import HTTPTypes
internal import Hummingbird
internal import JSON
internal import NIOCore
internal import Wire

// How do other programs use this agent as an MCP server? `/mcp`, streamable HTTP (Model Context Protocol, "Transports"): each message is a
// POST, answered by one document, or by a stream of events when the caller wants to hear of progress. There is no stream without a request
// (GET is 405), and nothing to resume: the gateway keeps no session, `Mcp-Session-Id` only tells a client's requests from another's.

struct MCPServerRoutes: Sendable {
    static let path = "/mcp"
    /// Bytes of a client's session id, each visible ASCII.
    private static let longestSession = 128

    let agent: AgentDescription
    let toolbox: any OutsideToolbox
    let sessions: SessionManager
    let random: Randomness
    let silence: Duration
    private let calls = OutsideCalls()

    init(
        _ agent: AgentDescription, _ toolbox: any OutsideToolbox, _ sessions: SessionManager, random: Randomness,
        silence: Duration
    ) {
        self.agent = agent
        self.toolbox = toolbox
        self.sessions = sessions
        self.random = random
        self.silence = silence
    }

    var routes: [Route] {
        [
            .member(
                .post, Self.path, .mcpCall,
                announces: .nothing(because: "the requests that its calls become tell of their changes")
            ) { request, context, caller in try await answer(request, context, caller) },
            .member(
                .delete, Self.path, .mcpEnd, announces: .nothing(because: "nothing is kept that others could show")
            ) { request, _, caller in
                calls.cancel(.init(sender: caller.sender, session: try Self.session(of: request), id: nil))
                return Response(status: .noContent)
            },
        ]
    }

    private func answer(_ request: Request, _ context: GatewayContext, _ caller: Caller) async throws -> Response {
        let bytes = Array((try await request.body.collect(upTo: context.maxUploadSize)).readableBytesView)
        let session = try Self.session(of: request)
        do throws(MCPFault) {
            try MCPConversation.check(version: request.headers[.mcpProtocolVersion])
            let message = try MCPMessage(bytes)
            let tools = await toolbox.offers(to: caller)
            switch try MCPConversation.step(message, tools: tools, server: (agent.name, agent.version)) {
            case .answer(let answer): return try greeted(Self.document(answer), message, session)
            case .accepted: return Response(status: .accepted)
            case .cancel(let id):
                calls.cancel(.init(sender: caller.sender, session: session, id: id))
                return Response(status: .accepted)
            case .call(let id, let name, let arguments, let token):
                guard let tool = tools.first(where: { $0.name == name }) else { throw MCPFault(.failed, "", id: id) }
                let key = OutsideCalls.Key(sender: caller.sender, session: session, id: id)
                guard let call = calls.begin(key) else {
                    throw MCPFault(.notARequest, "A request of this id is under way.", id: id)
                }
                let run = Run(tool: tool, arguments: arguments, key: key, call: call, caller: caller, context: context)
                guard let token, request.wantsEvents else {
                    defer { calls.end(key) }
                    return Self.document(await answer(to: run, id) { _ in })
                }
                return stream(run, id, token)
            }
        } catch {
            return Self.document(error.json, status: error.status)
        }
    }

    /// A client learns by what its requests are told from another's.
    private func greeted(_ response: Response, _ message: MCPMessage, _ session: String) throws(MCPFault) -> Response {
        guard case .request(_, "initialize", _) = message else { return response }
        var response = response
        response.headers[.mcpSessionID] = session.isEmpty ? random.uuid() : session
        return response
    }

    // MARK: Calls

    private struct Run: Sendable {
        let tool: OutsideOffer
        let arguments: [String: JSONValue]
        let key: OutsideCalls.Key
        let call: OutsideCalls.Call
        let caller: Caller
        let context: GatewayContext
    }

    /// Runs a call to its end, or until it is cancelled.
    private func answer(
        to run: Run, _ id: MCPRequestID, progress: @escaping @Sendable (String) async -> Void
    ) async -> JSONValue {
        let result = await withTaskGroup(of: ToolResult?.self) { group in
            group.addTask {
                await toolbox.perform(
                    run.tool, run.arguments, id: "\(run.key.session)/\(id)", by: run.caller, in: run.context, run.call,
                    progress: progress)
            }
            group.addTask {
                for await _ in run.call.cancelled { break }
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let result, !run.call.isCancelled else {
            if let sessionID = run.call.sessionID { await sessions.interrupt(sessionID: sessionID, by: run.caller) }
            return MCPFault(.cancelled, "The request was cancelled.", id: id).json
        }
        return MCPReply.result(MCPReply.content(result.text, isError: result.isError), to: id)
    }

    private func stream(_ run: Run, _ id: MCPRequestID, _ token: JSONValue) -> Response {
        enum Part: Sendable {
            case progress(String)
            case signOfLife
            case end(JSONValue)
        }
        // When the answer is never written nothing was begun.
        let held = HeldCall(calls, run.key)
        return .events { writer in
            defer { held.release() }
            // What a slow reader misses of the progress is no loss.
            let (parts, part) = AsyncStream.makeStream(of: Part.self, bufferingPolicy: .bufferingNewest(64))
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    part.yield(.end(await answer(to: run, id) { part.yield(.progress($0)) }))
                    part.finish()
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: silence)
                        part.yield(.signOfLife)
                    }
                }
                var number: Int64 = 0
                for await next in parts {
                    switch next {
                    case .signOfLife: try await writer.write(ByteBuffer(string: ServerSentEvent.signOfLife))
                    case .progress(let text):
                        number += 1
                        try await writer.write(Self.event(MCPReply.progress(number, text, of: token)))
                    case .end(let answer): return try await writer.write(Self.event(answer))
                    }
                }
            }
        }
    }

    // MARK: Parts

    private static func session(of request: Request) throws(ErrorResponse) -> String {
        guard let text = request.headers[.mcpSessionID] else { return "" }
        guard (1...longestSession).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw .invalid("'Mcp-Session-Id' has 1 to \(longestSession) visible ASCII characters.")
        }
        return text
    }

    private static func document(_ answer: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        (try? JSON.response(answer, status: status)) ?? Response(status: .internalServerError)
    }

    private static func event(_ answer: JSONValue) -> ByteBuffer {
        // What was read as JSON has a JSON form.
        ByteBuffer(string: "event: message\ndata: \((try? JSON.text(answer)) ?? "{}")\n\n")
    }
}

/// A call that stands in the list of those under way until its answer is written, or thrown away unwritten.
private final class HeldCall: Sendable {
    private let calls: OutsideCalls
    private let key: OutsideCalls.Key

    init(_ calls: OutsideCalls, _ key: OutsideCalls.Key) {
        self.calls = calls
        self.key = key
    }

    func release() { calls.end(key) }

    deinit { calls.end(key) }
}

extension MCPFault {
    /// What can't be read is refused; what is understood and wrong is answered.
    fileprivate var status: HTTPResponse.Status {
        switch code {
        case .unreadable, .notARequest, .unsupportedVersion: .badRequest
        case .unknownMethod, .badParameters, .failed, .cancelled: .ok
        }
    }
}

extension HTTPField.Name {
    fileprivate static let mcpSessionID = HTTPField.Name("Mcp-Session-Id")!
    fileprivate static let mcpProtocolVersion = HTTPField.Name("Mcp-Protocol-Version")!
}
