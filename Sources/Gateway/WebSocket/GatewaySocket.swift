internal import Agent
internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOWebSocket
internal import Store
internal import Wire

// What happens on one `/ws` socket? `auth_ok`, then frames both ways until one side has enough. Each message is authorized
// anew; what the client says about its own identity is never read. The socket holds no conversation: when it leaves,
// turns go on, and another socket picks up by sequence number.

/// Serves one WebSocket.
struct GatewaySocket {
    /// How long a peer may take to answer a close frame.
    private static let farewellTime = Duration.seconds(1)
    /// How long what was already under way may hold a close frame back.
    private static let drainTime = Duration.milliseconds(40)

    /// Seconds. A certificate may name any time, a `Duration` can't hold every one.
    private static let longestWait: Double = 1_000_000_000

    let credential: StreamCredential
    let watcher: Watcher
    let agent: AgentDescription
    let authorizer: Authorizer
    let sessions: SessionManager
    /// Nil: the agent keeps none.
    let files: ArtifactStore?
    let speech: SpeechIn
    /// Nil: no tool waits for anybody.
    var approvals: Approvals?
    let logger: Logger

    private var outbox: Outbox { watcher.outbox }

    private enum Part { case reader, writer, closer, expiry }

    /// Runs the socket to its end.
    func run(_ channel: StreamPipeline.WebSocketChannel) async {
        do {
            try await channel.executeThenClose { inbound, outbound in
                try await withThrowingTaskGroup(of: Part.self) { group in
                    guard let caller = greet() else { return await sayFarewell(on: channel.channel) }
                    group.addTask {
                        await read(inbound)
                        return .reader
                    }
                    group.addTask {
                        try await write(outbound)
                        return .writer
                    }
                    group.addTask {
                        guard await outbox.closing() != nil else { return .closer }
                        // The writer says farewell itself, unless the peer does not read.
                        try await Task.sleep(for: Self.drainTime)
                        await sayFarewell(on: channel.channel)
                        try await Task.sleep(for: Self.farewellTime)
                        return .closer
                    }
                    if let end = caller.expiresAt {
                        group.addTask {
                            try await Task.sleep(for: .seconds(min(max(0, end - authorizer.now()), Self.longestWait)))
                            outbox.close(.expired)
                            return .expiry
                        }
                    }
                    loop: for try await part in group {
                        switch part {
                        case .reader, .closer: break loop
                        case .writer, .expiry: continue
                        }
                    }
                    group.cancelAll()
                }
            }
        } catch {
            logger.debug("gateway::socket_broke", metadata: ["error": "\(error)"])
        }
        await speech.forget(watcher.id)
        await sessions.detach(watcher.id)
    }

    /// The first frame, unprompted. The rights may have changed since the upgrade: then the socket ends here.
    private func greet() -> Caller? {
        let caller: Caller
        switch authorizer.authorize(credential, needs: .member) {
        case .success(let authorized): caller = authorized
        case .failure(let refusal):
            outbox.close(WebSocketClosing(refusal))
            return nil
        }
        send(
            .authOK(
                .init(
                    agentName: agent.name, version: agent.version, handle: caller.handle, network: agent.networkName,
                    networkID: agent.networkID)))
        return caller
    }

    // MARK: Out

    private func write(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>) async throws {
        while let items = await outbox.next() {
            try await outbound.write(
                contentsOf: items.map { item in
                    switch item {
                    case .text(let text): WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: text))
                    case .pong(let bytes): WebSocketFrame(fin: true, opcode: .pong, data: ByteBuffer(bytes: bytes))
                    }
                })
        }
        if let closing = outbox.takeFarewell() { try await outbound.write(closing.frame) }
    }

    /// Past the writer, which may be stuck behind a peer that does not read.
    private func sayFarewell(on channel: any Channel) async {
        guard let closing = outbox.takeFarewell() else { return }
        channel.writeAndFlush(closing.frame, promise: nil)
    }

    private func send(_ body: ServerMessage.Body, sessionID: String? = nil) {
        outbox.send(.text(ServerMessage(body, sessionID: sessionID).frame))
    }

    // MARK: In

    /// Until the peer closes, breaks the protocol or goes away.
    private func read(_ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>) async {
        do {
            for try await frame in inbound {
                switch frame.opcode {
                case .connectionClose:
                    outbox.close(.normal)
                    // The writer answers; then there is nothing more to read.
                    try await Task.sleep(for: Self.drainTime)
                    return
                case _ where outbox.isClosing: continue
                case .text: await receive(frame.unmaskedData)
                case .ping: outbox.send(.pong(Array(buffer: frame.unmaskedData)))
                case .binary: send(.error(code: .badMessage, text: "Binary frames are not understood here."))
                default: break
                }
            }
        } catch NIOWebSocketError.invalidFrameLength {
            await end(with: .tooLarge, code: .tooLarge, text: "A frame may have 1 MiB.")
        } catch NIOWebSocketFrameAggregator.Error.accumulatedFrameSizeIsTooLarge,
            NIOWebSocketFrameAggregator.Error.tooManyFragments
        {
            await end(with: .tooLarge, code: .tooLarge, text: "A message may have 4 MiB.")
        } catch is WebSocketViolation {
            await end(with: .protocolError, code: .badMessage, text: "This is no frame that a client may send.")
        } catch is NIOWebSocketError {
            await end(with: .protocolError, code: .badMessage, text: "This is no WebSocket frame.")
        } catch is NIOWebSocketFrameAggregator.Error {
            await end(with: .protocolError, code: .badMessage, text: "These fragments do not belong together.")
        } catch {
            logger.debug("gateway::socket_unreadable", metadata: ["error": "\(error)"])
        }
    }

    /// Behind a broken frame nobody knows where the next one starts: say why, and close.
    private func end(with closing: WebSocketClosing, code: ErrorCode, text: String) async {
        send(.error(code: code, text: text))
        outbox.close(closing)
        // The closer ends the socket; until then the writer may finish.
        try? await Task.sleep(for: Self.farewellTime)
    }

    private func receive(_ data: ByteBuffer) async {
        let message: ClientMessage
        do {
            message = try JSONDecoder().decode(ClientMessage.self, from: Data(buffer: data))
        } catch {
            return send(.error(code: .badMessage, text: (error as? DecodingError)?.complaint ?? "Invalid JSON"))
        }
        switch authorizer.authorize(credential, needs: message.requiredRole) {
        case .success(let caller): await perform(message, by: caller)
        case .failure(.forbidden): send(.error(code: .forbidden, text: "Only an admin of the network may do this."))
        case .failure(let refusal):
            logger.notice("gateway::refused", metadata: ["reason": "\(refusal)"])
            outbox.close(WebSocketClosing(refusal))
        }
    }

    private func perform(_ message: ClientMessage, by caller: Caller) async {
        switch message {
        case .auth: break
        case .ping: send(.pong)
        case .sessionOpen(let open): await sessions.open(open, for: caller, on: watcher)
        case .sessionClose(let sessionID): await sessions.close(sessionID: sessionID, by: caller, on: watcher)
        case .textFinal(let text):
            guard let text = await resolve(text, of: caller) else { return }
            await sessions.accept(text, from: caller, on: watcher)
        // A preview that nobody else is shown.
        case .textDelta: break
        case .audioChunk(let chunk):
            await speech.receive(chunk, on: watcher) {
                try? authorizer.authorize(credential, needs: message.requiredRole).get()
            }
        case .attachment(let sessionID, let attachment): await attach(attachment, to: sessionID, by: caller)
        case .interrupt(let sessionID): await sessions.interrupt(sessionID: sessionID, by: caller)
        case .command(let command): await sessions.perform(command, by: caller, on: watcher)
        case .approvalReply(let id, let decision):
            do {
                try await ApprovalRoutes.decide(id, decision, by: caller, approvals)
            } catch {
                // Nothing of what went wrong inside.
                let refusal = error as? ErrorResponse ?? ErrorResponse(StorageFault(error)) ?? .internalError
                send(.error(code: refusal.code, text: refusal.message))
            }
        case .unknown(let type, let sessionID):
            send(.error(code: .unknownType, text: "Unknown type: \(type.prefix(100))"), sessionID: sessionID)
        }
    }
}

extension DecodingError {
    /// What a client's author did wrong. The names are ours, not the client's.
    fileprivate var complaint: String? {
        switch self {
        case .keyNotFound(let key, _): return "The field '\(key.stringValue)' is missing."
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            let field = context.codingPath.filter { $0.intValue == nil }.map(\.stringValue).joined(separator: ".")
            return field.isEmpty ? nil : "The field '\(field)' is not of the kind that is expected."
        @unknown default: return nil
        }
    }
}

extension WebSocketClosing {
    /// The close frame (RFC 6455 §5.5.1).
    fileprivate var frame: WebSocketFrame {
        var data = ByteBuffer()
        data.writeInteger(code)
        data.writeString(reason)
        return WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
    }
}
