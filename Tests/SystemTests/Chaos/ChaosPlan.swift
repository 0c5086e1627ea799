import Store

// Who is hit next, and when? Pure: random numbers in, blows out, so that a seed names a whole chaos.

/// What one round does to the server or to its clients.
enum ChaosBlow: Sendable {
    /// `kill -9`, so long after the process was started.
    case killAfterTime(milliseconds: Int)
    /// `kill -9` when the clients have seen so many further events.
    case killAfterEvents(Int)
    /// The process kills itself before or after a commit, at its n-th visit there.
    case killAtCommit(String)
    /// SIGTERM, so long after it serves.
    case terminate(milliseconds: Int)
    /// The server lives; clients lose their connections or die, one after another.
    case clients([Client])

    struct Client: Sendable {
        let index: Int
        let dies: Bool
        /// Before this blow.
        let pause: Int
    }
}

/// The blows of a chaos, in order.
struct ChaosPlan {
    private var random: SeededRandom
    private let clients: Int

    /// A round in which nothing happens any more ends so soon.
    static let longestRound = Duration.milliseconds(1_000)

    init(seed: UInt64, clients: Int) {
        random = SeededRandom(seed)
        self.clients = clients
    }

    /// The next round: its blow, and who hears of a dead server at once. The others find out by themselves.
    mutating func next() -> (blow: ChaosBlow, told: [Int]) {
        let told = (0..<clients).filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: return (.killAfterTime(milliseconds: Int.random(in: 0...900, using: &random)), told)
        case 6..<11: return (.killAfterEvents(Int.random(in: 1...150, using: &random)), told)
        case 11..<16:
            let commit = SessionCommit.allCases.randomElement(using: &random) ?? .acceptTurn
            let side = Bool.random(using: &random) ? "before" : "after"
            let visit = Int.random(in: 1...12, using: &random)
            return (.killAtCommit("\(side):\(commit.rawValue):\(visit)"), told)
        case 16..<18: return (.terminate(milliseconds: Int.random(in: 0...500, using: &random)), told)
        default:
            let blows = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                ChaosBlow.Client(
                    index: Int.random(in: 0..<clients, using: &random), dies: Bool.random(using: &random),
                    pause: Int.random(in: 0...150, using: &random))
            }
            return (.clients(blows), told)
        }
    }
}
