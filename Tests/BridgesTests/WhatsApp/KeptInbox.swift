import Bridges
import TestPlatforms

// Who takes what a bridge heard, when a test asks only the bridge? Keeps each update once, as the frame does, and can be away as the agent can.

final class KeptInbox: Inbox {
    struct State: Sendable {
        var updates: [InboundUpdate] = []
        /// Also repeats.
        var calls = 0
        /// How many are being taken.
        var underWay = 0
        var isAway = false
        /// Updates with files are held until they may be fetched.
        var holdsFiles = false
        /// What it can't keep.
        var failure: PlatformFailure?
        var names: [String] = []
        var memory: [String: String] = [:]
    }

    let state = Watched(State())

    var texts: [String] { state.now.updates.map(\.said) }

    func receive(_ update: InboundUpdate) async throws {
        state.change { state in
            state.calls += 1
            state.underWay += 1
        }
        defer { state.change { $0.underWay -= 1 } }
        _ = try await state.until { state in
            state.isAway || state.holdsFiles && update.message?.files.isEmpty == false ? nil : true
        }
        if let failure = state.now.failure { throw failure }
        state.change { state in
            if !state.updates.contains(where: { $0.id == update.id }) { state.updates.append(update) }
        }
    }

    func remembered(_ key: String) async throws -> String? { state.now.memory[key] }
    func remember(_ key: String, _ value: String?) async throws { state.change { $0.memory[key] = value } }
    func connected(as name: String) async { state.change { $0.names.append(name) } }

    /// Waits until so many were kept.
    func waitFor(_ count: Int) async throws -> [InboundUpdate] {
        try await state.waitFor("\(count) updates") { $0.updates.count >= count ? $0.updates : nil }
    }
}

extension InboundUpdate {
    /// In one line, so that a test can tell what it wants.
    var said: String {
        switch content {
        case .message(let message): message.text + message.files.map { " [\($0.name)]" }.joined()
        case .command(let name, let argument): "/\(name)" + (argument.isEmpty ? "" : " \(argument)")
        case .press(let data): "(\(data))"
        }
    }
}

/// Listens while `body` runs, again and again as the frame does, which would pause in between.
///
/// - Returns: what `body` returned, and why the listening ended each time.
func listening<T: Sendable>(
    _ bridge: some Bridge, _ inbox: KeptInbox, _ body: @escaping @Sendable () async throws -> T
) async throws -> (result: T, ends: [PlatformFailure]) {
    let ends = Watched<[PlatformFailure]>([])
    let result = try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask {
            while !Task.isCancelled {
                do { try await bridge.listen(inbox) } catch let failure as PlatformFailure {
                    ends.change { $0.append(failure) }
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            return nil
        }
        group.addTask { try await body() }
        defer { group.cancelAll() }
        while let result = try await group.next() {
            if let result { return result }
        }
        throw CancellationError()
    }
    return (result, ends.now)
}

/// Why one call to `listen` ended.
func end(of bridge: some Bridge, _ inbox: KeptInbox = KeptInbox()) async -> PlatformFailure? {
    await failure { try await bridge.listen(inbox) }
}
