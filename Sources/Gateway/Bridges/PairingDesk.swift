internal import Agent
internal import Certs
public import Store
internal import Synchronization
internal import Wire

// How does somebody unknown become somebody who may talk? They are told a code in their chat, and an admin who heard it from them gives
// it to the agent. This file makes codes, compares them and slows down whoever guesses; rows are Store's.

/// Gives codes and takes them back.
public final class PairingDesk: Sendable {
    /// Seconds for which a code counts.
    static let lifetime: Double = 3_600
    /// Codes that are open at a time, for one bridge.
    static let mostOpen = 20
    /// Bytes of a sender's id and of what is kept of a name.
    static let longestSender = 128
    static let longestName = 128
    /// Wrong codes within ``throttleTime`` seconds, from whomever they come, behind which none is looked at.
    static let mostWrong = 10
    static let throttleTime: Double = 600

    /// Letters and digits that are hard to take for one another, 32 of them.
    private static let letters = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
    private static let codeLength = 8

    let repository: PairingRepository
    private let now: @Sendable () -> Double
    private let random: Randomness
    private let wrong = Mutex<[Double]>([])

    /// - Parameter now: Unix seconds.
    init(_ repository: PairingRepository, random: Randomness = .system, now: @escaping @Sendable () -> Double) {
        self.repository = repository
        self.random = random
        self.now = now
    }

    /// The code for a sender: the same as long as it counts.
    ///
    /// - Returns: nil when too many are open.
    func code(for sender: String, called name: String, at bridge: PairingPlace) async throws -> PairingRecord? {
        // 5 bits of each byte: no letter is likelier than another.
        let code = String(random.bytes(Self.codeLength).map { Self.letters[Int($0 & 31)] })
        let now = now()
        return try await repository.open(
            PairingRecord(
                place: bridge, sender: sender,
                name: String(decoding: name.utf8.prefix(Self.longestName), as: UTF8.self), code: code, createdAt: now,
                expiresAt: now + Self.lifetime),
            most: Self.mostOpen)
    }

    enum Approval: Sendable {
        case approved(SenderRecord)
        case unknown
        /// Seconds until the next guess.
        case throttled(Int)
    }

    /// Lets the sender of a code talk.
    func approve(_ typed: String, by actor: Registry.Actor) async throws -> Approval {
        let now = now()
        let wait = wrong.withLock { wrong -> Int? in
            wrong.removeAll { $0 <= now - Self.throttleTime || $0 > now }
            guard wrong.count >= Self.mostWrong, let first = wrong.first else { return nil }
            return max(1, Int((first + Self.throttleTime - now).rounded(.up)))
        }
        if let wait { return .throttled(wait) }
        let code = Array(typed.uppercased().filter { !$0.isWhitespace && $0 != "-" }.utf8)
        let found = try await repository.approve(at: now, by: actor.name, device: actor.device) { open in
            // Every one is looked at, whichever it is.
            open.reduce(nil) { found, pairing in
                constantTimeEqual(Array(pairing.code.utf8), code) ? pairing : found
            }
        }
        guard let found else {
            wrong.withLock { $0.append(now) }
            return .unknown
        }
        return .approved(found)
    }
}
