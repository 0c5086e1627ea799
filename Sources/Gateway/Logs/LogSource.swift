internal import Certs
internal import Dispatch

// Where does a gateway read its log? In the files, and while it serves also from what is being written.

/// The log of an agent, for those who ask.
public struct LogSource: Sendable {
    let files: LogFiles
    /// Nil while nobody serves the agent.
    let journal: LogJournal?
    private let queue = DispatchQueue(label: "openagent.log.reading", qos: .utility)

    /// The log of an agent that this process doesn't serve.
    init(path: String, keep: Int) {
        files = LogFiles(path: path, keep: keep)
        journal = nil
    }

    /// The log that this process writes.
    init(_ journal: LogJournal) {
        files = LogFiles(path: journal.path, keep: journal.limits.keep)
        self.journal = journal
    }

    /// Ends the reading of those whose rights have changed: whoever still may can ask again.
    func endReaders(after change: RosterChange) {
        journal?.end { reader in
            switch change {
            case .device(let key, _, _), .agentRemoved(let key): reader.device == key.hex
            case .user(let handle, _, _), .userRemoved(let handle): reader.handle == handle
            case .everything: true
            case .agent: false
            }
        }
    }

    /// The last events that match, oldest first, as lines of JSON.
    func last(_ query: LogQuery) async throws -> [String] {
        try await withCheckedThrowingContinuation { caller in
            queue.async {
                journal?.flush()
                caller.resume(with: Result { try files.last(query) })
            }
        }
    }
}
