public import Store
internal import Wire

// What does the gateway know of bridges? Which keys are the agent's own, how each bridge is, and whom it may let talk. What a bridge
// does on its platform is its own business.

/// What is known of bridges.
public struct BridgeRoom: Sendable {
    public let own = OwnBridges()
    public let board = BridgeBoard()
    /// Nil: nobody is let in by a code.
    let desk: PairingDesk?
    /// What is wrong with the agent's own; nil: nobody looks there.
    let problems: BridgeProblems?

    /// - Parameter now: Unix seconds.
    init(
        _ pairings: PairingRepository, problems: BridgeProblems? = nil, random: Randomness = .system,
        now: @escaping @Sendable () -> Double
    ) {
        desk = PairingDesk(pairings, random: random, now: now)
        self.problems = problems
    }

    public init() {
        desk = nil
        problems = nil
    }

    /// One of the agent's own says how it is.
    func set(_ status: BridgeStatus, of platform: Platform) {
        board.set(status, of: platform, device: nil, handle: nil)
        problems?.set(status.state == BridgeStatus.State.failed.rawValue ? status.problem : nil, of: platform)
    }
}
