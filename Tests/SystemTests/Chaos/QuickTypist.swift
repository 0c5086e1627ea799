import Synchronization
import Wire

// A client of a session that gathers what is typed in quick succession: two messages that become one turn, and a third that
// comes while it is being answered. It speaks for itself, because it comes back under the same ids until it knows the end of
// each.

/// Types fast, twice.
final class QuickTypist: Sendable {
    let session: String
    private let device: JoinedDevice
    private let pool = Mutex<GatewayPool?>(nil)
    private let hasInterrupted = Mutex(false)

    private static let window = 100

    init(device: JoinedDevice, session: String) {
        self.device = device
        self.session = session
    }

    /// Its connections are gone from one moment to the next.
    func dropConnections() { pool.withLock { $0 }?.close() }

    /// Goes on until a message came early enough to take the place of an answer; a quick agent may be done before that.
    ///
    /// - Returns: whether each message came to an end.
    func run() async -> Bool {
        for round in 0..<20 where round < 2 || !hasInterrupted.withLock({ $0 }) {
            var ended: Set<String> = []
            for _ in 0..<100 where ended.count < 3 {
                // The server may die at any moment.
                let seen = try? await device.withPool { pool in
                    self.pool.withLock { $0 = pool }
                    return try await type(round, ended, over: pool)
                }
                ended.formUnion(seen ?? [])
            }
            guard ended.count == 3 else { return false }
        }
        return true
    }

    private func type(_ round: Int, _ ended: Set<String>, over pool: GatewayPool) async throws -> Set<String> {
        let ids = (1...3).map { "\(session)-\(round)-\($0)" }
        return try await GatewayClient(dialer: pool).withWebSocket { [session] socket in
            func say(_ text: String, _ id: String) async throws {
                try await socket.send(
                    ClientMessage.textFinal(.init(sessionID: session, text: text, messageID: id)).json())
            }
            let open = ClientMessage.SessionOpen(sessionID: session, afterSequence: 0, coalesceWindow: Self.window)
            try await socket.send(ClientMessage.sessionOpen(open).json())
            // Together they ask for a long answer.
            try await say("read", ids[0])
            try await say("story", ids[1])
            var (ended, isThirdSent) = (ended, false)
            for try await event in socket.events {
                guard case .text(let text) = event, let message = try? ServerMessage(json: text) else { break }
                let mine = Set([message.messageID].compactMap { $0 } + message.messageIDs).intersection(ids)
                switch message.body {
                case .delta where !mine.isEmpty && !isThirdSent: isThirdSent = true
                case .turnComplete:
                    ended.formUnion(mine)
                    if mine.count == 3 { self.hasInterrupted.withLock { $0 = true } }
                default: continue
                }
                if isThirdSent || ended.isSuperset(of: ids[..<2]) { try await say("hello", ids[2]) }
                if ended.count == 3 { break }
            }
            return ended
        }
    }
}
