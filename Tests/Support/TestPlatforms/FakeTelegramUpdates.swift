internal import JSON

// How does Telegram give out updates? It keeps them until a poll asks for a later one, gives a hundred at most, and holds a poll open while
// there is nothing. A second poll ends the first.

extension FakeTelegram {
    private static let batch = 1...100

    func updates(_ request: FakeRequest) async throws -> JSONValue {
        let offset = request.field("offset").flatMap { Int64($0) }
        let limit = request.field("limit").flatMap { Int($0) } ?? Self.batch.upperBound
        let timeout = request.field("timeout").flatMap { Int64($0) } ?? 0
        var allowed: Set<String>?
        if case .array(let kinds)? = request.jsonField("allowed_updates") { allowed = Set(kinds.compactMap(\.string)) }
        let kinds = allowed

        let poll = try state.change { state in
            guard state.webhook == nil else {
                throw Refusal(
                    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
                    code: 409)
            }
            if let kinds, !kinds.isEmpty { state.allowed = kinds }
            state.forget(before: offset)
            state.polls.append(Poll(offset: offset, timeout: timeout, began: .now))
            return state.polls.count - 1
        }
        let count = min(max(limit, Self.batch.lowerBound), Self.batch.upperBound)
        let batch = try await hold(poll, for: timeout) { state in
            let old = state.repeats > 0 ? state.repeated : []
            var batch = old.filter { old in !state.updates.contains { $0.id == old.id } } + state.updates
            batch = Array(batch.prefix(count))
            return state.isReversed ? batch.reversed() : batch
        }
        state.change { state in
            state.polls[poll].brought = batch.map(\.id)
            if state.repeats > 0 { state.repeats -= 1 }
        }
        return .array(batch.map(\.object))
    }

    private typealias Batch = [(id: Int64, object: JSONValue)]

    private func hold(
        _ poll: Int, for timeout: Int64, _ batch: @escaping @Sendable (State) -> Batch
    ) async throws -> Batch {
        try await withThrowingTaskGroup(of: Batch.self) { group in
            let cuts = state.now.cuts
            group.addTask { [state] in
                try await state.until { state -> Result<Batch, any Error>? in
                    // Without an answer the connection ends.
                    if state.cuts > cuts { return .failure(CancellationError()) }
                    if state.polls.count - 1 > poll {
                        return .failure(
                            Refusal(
                                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                                code: 409))
                    }
                    let batch = batch(state)
                    return batch.isEmpty && timeout > 0 ? nil : .success(batch)
                }.get()
            }
            if timeout > 0 {
                group.addTask {
                    try await Task.sleep(for: .seconds(timeout))
                    return []
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }
}

extension FakeTelegram.State {
    /// A poll confirms all before its offset. One that is behind everything counts for nothing: the numbers have begun anew.
    mutating func forget(before offset: Int64?) {
        guard let offset else { return }
        if offset < 0 {
            updates = Array(updates.suffix(Int(clamping: -offset)))
        } else if offset <= lastUpdate + 1 {
            updates.removeAll { $0.id < offset }
        }
    }
}
