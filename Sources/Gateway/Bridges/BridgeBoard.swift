internal import Synchronization
internal import Transport
public import Wire

// How are the bridges? What each said last, in memory: after a restart they say it again. It asks nobody.

/// What is known of bridges, the agent's own and those that run elsewhere.
public final class BridgeBoard: Sendable {
    /// One of them.
    struct Entry: Sendable, Equatable {
        var platform: Platform
        /// The device that it runs on; nil: this agent.
        var device: NodeID?
        /// Whose device that is.
        var handle: String?
        var status: BridgeStatus
    }

    /// Bridges elsewhere that are remembered; the one that was silent longest gives way.
    static let most = 1_000
    /// Bytes of a text that a bridge says of itself.
    static let longestText = 512

    private let entries = Mutex<[Entry]>([])

    public init() {}

    /// - Parameter own: of the agent itself.
    func set(_ status: BridgeStatus, of platform: Platform, device: NodeID?, handle: String?) {
        let entry = Entry(platform: platform, device: device, handle: handle, status: Self.bounded(status))
        entries.withLock { entries in
            entries.removeAll { $0.platform == platform && $0.device == device }
            entries.append(entry)
            while entries.count > Self.most, let silent = entries.firstIndex(where: { $0.device != nil }) {
                entries.remove(at: silent)
            }
        }
    }

    /// The agent's own bridge is none any more.
    func remove(_ platform: Platform) {
        entries.withLock { $0.removeAll { $0.platform == platform && $0.device == nil } }
    }

    /// In the order of the platforms, the agent's own first.
    var all: [Entry] { entries.withLock { $0 }.sorted { $0.key < $1.key } }

    private static func bounded(_ status: BridgeStatus) -> BridgeStatus {
        func text(_ text: String?) -> String? {
            text.map { String(decoding: $0.utf8.prefix(longestText), as: UTF8.self) }
        }
        var status = status
        status.account = text(status.account)
        status.problem = text(status.problem)
        status.parked = status.parked?.prefix(BridgeStatus.mostParked).map {
            .init(chat: text($0.chat) ?? "", reason: text($0.reason) ?? "")
        }
        return status
    }
}

extension BridgeBoard.Entry {
    /// Tells it from the others, in the order of the list.
    var key: String { "\(platform.rawValue) \(device?.hex ?? "")" }
}
