internal import Logging
internal import NIOCore
public import Transport

// How does the coordinator serve a connection? Each stream is one call, independent of the others; a few run at a time and
// the rest wait in their flow control windows. A watch takes one of these places, and there is one for each peer. The peer
// of every call is the key that the connection has proven.

extension Coordinator {
    /// Calls of one connection that run at a time.
    static let concurrentCalls = 8
    /// From the arrival of a stream to the last byte of its answer.
    static let callDeadline = Duration.seconds(10)

    /// Seconds. Whoever has tried too often, or comes in a flood, waits for the refusal: it costs so little that without
    /// the wait it could be asked for as fast as a connection carries it. Each waits differently, so that a flood does
    /// not come back all at once.
    static let refusalTime = 0.5...1.5
    /// A connection without a call for so long is closed: who comes here wants something, and strangers may come too.
    static let unusedTime = Duration.seconds(30)

    /// Serves a connection with the protocol ``ALPN/coordinator``. Returns when it has ended; cancel the task to stop
    /// before. The caller closes the connection.
    public func serve(_ connection: Connection) async {
        await serve(connection, deadline: Self.callDeadline)
    }

    func serve(_ connection: Connection, deadline: Duration) async {
        connection.closeWhenUnused(for: Self.unusedTime)
        defer { logins.withLock { $0.states.removeDead(now: now()) } }
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await stream in connection.streams {
                if running == Self.concurrentCalls {
                    await group.next()
                    running -= 1
                }
                running += 1
                group.addTask { await self.serve(stream, of: connection.peer, deadline: deadline) }
            }
            group.cancelAll()
        }
    }

    private func serve(_ stream: InboundStream, of peer: NodeID, deadline: Duration) async {
        do {
            let channel = try await stream.start { RPCStream.prepare($0) }
            try await RPCStream.serve(channel, deadline: deadline) { message in
                let reply = await self.reply(to: message, from: peer)
                if case .refusal(_, .rateLimited) = reply {
                    try? await Task.sleep(for: .seconds(Double.random(in: Self.refusalTime)))
                }
                return reply
            }
        } catch {
            logger.debug("coordinator::call_dropped", metadata: ["peer": "\(peer.short)", "reason": "\(error)"])
        }
    }
}
