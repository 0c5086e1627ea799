internal import JSON
internal import Logging
internal import Synchronization

// How are commands of Discord's menu and pressed buttons answered? Discord wants to hear within three seconds that they were understood, and
// takes the answer for fifteen minutes. A command is answered for the user's eyes alone; whoever gets no answer is left with nothing on the
// screen.

/// Understands and answers interactions.
final class DiscordInteractions: Sendable {
    /// How long nobody has to answer before the announcement of an answer is taken back.
    static let silence = Duration.seconds(15)
    private static let bound = 512
    private static let onlyForTheUser = 1 << 6
    private static let isLoading = 1 << 7

    /// What became of a command that this process understood.
    private enum Standing: Equatable {
        case announced
        case answered(key: String)
        case takenBack
    }

    private let rest: DiscordREST
    private let logger: Logger
    private let state = Mutex<(standing: [String: Standing], order: [String])>(([:], []))

    init(rest: DiscordREST, logger: Logger) {
        self.rest = rest
        self.logger = logger
    }

    /// Tells Discord that it was understood, before anything slow is done.
    func acknowledge(_ address: DiscordAnswerAddress) async {
        let body: JSONValue =
            address.isPress ? ["type": 6] : ["type": 5, "data": ["flags": .integer(Int64(Self.onlyForTheUser))]]
        var request = DiscordRequest(
            "POST", "/interactions/\(address.interaction)/\(address.token)/callback",
            pattern: "/interactions/*/*/callback", body: .json(body))
        request.isAuthorized = false
        request.timeLimit = .milliseconds(1400)
        // Twice at most: a third time would be too late.
        for _ in 0..<2 {
            do {
                try await rest.ask(request)
                if !address.isPress { note(address, .announced) }
                return
            } catch PlatformFailure.unavailable {
                continue
            } catch let refusal as DiscordRefusal {
                // 40060: it was understood already, before this process began or the first time.
                guard refusal.code != 40060 else { return }
                logger.info("bridge::discord_interaction_too_late", metadata: ["code": "\(refusal.code)"])
                return
            } catch { return }
        }
    }

    /// Gives an answer.
    ///
    /// - Parameter message: as for a new message.
    /// - Returns: false when Discord takes none any more: it has to be said in the chat.
    /// - Throws: ``PlatformFailure``, ``DiscordRefusal``, `CancellationError`.
    func answer(_ address: DiscordAnswerAddress, _ message: [String: JSONValue], key: String) async throws -> Bool {
        do {
            if address.isPress {
                try await followUp(address, message)
            } else {
                try await answerCommand(address, message, key)
            }
            return true
        } catch let refusal as DiscordRefusal where Self.isOver(refusal) {
            return false
        }
    }

    private func answerCommand(
        _ address: DiscordAnswerAddress, _ message: [String: JSONValue], _ key: String
    ) async throws {
        switch state.withLock({ $0.standing[address.token] }) {
        case .takenBack: return try await followUp(address, message)
        case .answered(let other) where other != key: return try await followUp(address, message)
        case .announced, .answered: break
        case nil:
            // An earlier process understood it, and may have answered.
            let original: Original
            do { original = try await self.original(address) } catch let refusal as DiscordRefusal
                where refusal.code == 10008
            {
                return try await followUp(address, message)
            }
            guard (original.flags ?? 0) & Self.isLoading != 0 else {
                if original.content != message["content"]?.string { try await followUp(address, message) }
                return
            }
        }
        note(address, .answered(key: key))
        do {
            try await rest.ask(
                .webhook(
                    "PATCH", address.application, address.token, "/messages/@original", body: .json(.object(message))))
        } catch let refusal as DiscordRefusal where refusal.code == 10008 {
            try await followUp(address, message)
        }
    }

    private func followUp(_ address: DiscordAnswerAddress, _ message: [String: JSONValue]) async throws {
        var message = message
        message["flags"] = .integer(Int64((message["flags"]?.integer ?? 0) | Self.onlyForTheUser))
        try await rest.ask(
            .webhook("POST", address.application, address.token, "", body: .json(.object(message))))
    }

    /// Nobody has answered: what announced an answer goes.
    ///
    /// - Throws: `CancellationError`.
    func takeBack(_ address: DiscordAnswerAddress) async throws {
        guard !address.isPress else { return }
        do {
            switch state.withLock({ $0.standing[address.token] }) {
            case .answered, .takenBack: return
            case .announced: break
            case nil:
                let original = try await original(address)
                guard (original.flags ?? 0) & Self.isLoading != 0 else { return }
            }
            note(address, .takenBack)
            try await rest.ask(.webhook("DELETE", address.application, address.token, "/messages/@original"))
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // It disappears by itself after fifteen minutes.
            logger.debug("bridge::discord_not_taken_back", metadata: ["error": "\(error)"])
        }
    }

    private struct Original: Decodable {
        var flags: Int?
        var content: String?
    }

    private func original(_ address: DiscordAnswerAddress) async throws -> Original {
        try await rest.ask(
            .webhook("GET", address.application, address.token, "/messages/@original"), as: Original.self)
    }

    /// Unknown webhook, invalid token, unknown interaction: the time is over, or nobody understood it in time.
    private static func isOver(_ refusal: DiscordRefusal) -> Bool {
        [10015, 50027, 10062].contains(refusal.code) || refusal.status == 401 || refusal.status == 404
    }

    private func note(_ address: DiscordAnswerAddress, _ standing: Standing) {
        state.withLock { state in
            if state.standing.updateValue(standing, forKey: address.token) == nil { state.order.append(address.token) }
            if state.order.count > Self.bound { state.standing[state.order.removeFirst()] = nil }
        }
    }
}
