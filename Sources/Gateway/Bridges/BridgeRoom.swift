public import Store

// What does the gateway know of bridges? Which keys are the agent's own, how each bridge is, and whom it may let talk. What a bridge
// does on its platform is its own business.

/// What is known of bridges.
public struct BridgeRoom: Sendable {
    public let own = OwnBridges()
    public let board = BridgeBoard()
    /// Nil: nobody is let in by a code.
    let desk: PairingDesk?

    /// - Parameter now: Unix seconds.
    init(_ pairings: PairingRepository, random: Randomness = .system, now: @escaping @Sendable () -> Double) {
        desk = PairingDesk(pairings, random: random, now: now)
    }

    public init() { desk = nil }
}
