internal import Logging
internal import Transport

// How does a member agent learn of a change in the moment in which it happens? It keeps one stream open: first the whole
// roster, then each change as the roster publishes it, and a sign of life in between, so that silence means that the
// coordinator is out of reach. Which frames wait, and when a watcher is cut off, is WatchBacklog's matter.

extension Coordinator {
    /// Answers `watch`.
    func watch(_ request: RPCRequest, peer: NodeID) throws -> RPCReply {
        let addresses = try request.parameters.optionalTexts("addresses", limit: Self.addressesPerCall)
        return .frames { writer in
            do {
                try await self.watch(request.id, peer: peer, addresses: addresses, writer: writer)
            } catch let refusal as RPCError {
                try await writer.write(RPCResponse.failure(id: request.id, refusal).encoded)
            }
        }
    }

    /// Returns never but by throwing: a refusal, or the end of the connection or of the task.
    private func watch(
        _ id: CBORValue, peer: NodeID, addresses: [String]?, writer: RPCFrameWriter
    ) async throws {
        // State and changes belong together: what happens from here on is in the changes.
        let (state, changes) = roster.subscribe()
        guard state.agent(peer) != nil else {
            throw RPCError(.forbidden, "only an agent of the network may watch it")
        }
        guard let watch = watches.begin(peer) else {
            throw RPCError(.rateLimited, "too many agents watch: try again later")
        }
        defer { watches.end(watch) }
        await note(peer, addresses: addresses)
        logger.info("coordinator::watch_begins", metadata: ["agent": "\(peer.short)"])
        defer { logger.info("coordinator::watch_ends", metadata: ["agent": "\(peer.short)"]) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for await change in changes { watch.add(change) } }
            group.addTask { try await self.keepAlive(watch) }
            group.addTask {
                try await Self.send(state, id: id, writer: writer)
                for await _ in watch.wakeups { try await Self.send(watch.take(), id: id, writer: writer) }
                try Task.checkCancellation()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func keepAlive(_ watch: Watch) async throws {
        let policy = watches.policy
        var noted = now()
        while true {
            try await Task.sleep(for: policy.heartbeat)
            watch.beat()
            guard now() - noted >= policy.touchInterval else { continue }
            noted = now()
            await note(watch.node, addresses: nil)
        }
    }

    /// That the agent's row says when it was here is a convenience: the watch goes on without.
    private func note(_ agent: NodeID, addresses: [String]?) async {
        do {
            try await touchAgent(agent, addresses: addresses)
        } catch {
            logger.warning("coordinator::agent_not_noted", metadata: ["agent": "\(agent.short)", "reason": "\(error)"])
        }
    }

    private static func send(_ state: RosterState, id: CBORValue, writer: RPCFrameWriter) async throws {
        let pages = state.changes.chunks(of: WatchFrame.changesPerFrame)
        if pages.isEmpty { try await send(.snapshot([], complete: true), id: id, writer: writer) }
        for (index, page) in pages.enumerated() {
            try await send(.snapshot(page, complete: index == pages.count - 1), id: id, writer: writer)
        }
    }

    private static func send(_ outcome: WatchBacklog.Outcome, id: CBORValue, writer: RPCFrameWriter) async throws {
        switch outcome {
        case .nothing: return
        case .frames(let frames): for frame in frames { try await send(frame, id: id, writer: writer) }
        case .refuse(let frames, let error):
            for frame in frames { try await send(frame, id: id, writer: writer) }
            throw error
        case .cutOff: throw DeadlineExceeded()
        }
    }

    private static func send(_ frame: WatchFrame, id: CBORValue, writer: RPCFrameWriter) async throws {
        try await writer.write(RPCResponse.result(id: id, frame.wire).encoded)
    }
}
