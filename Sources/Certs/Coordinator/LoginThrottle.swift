internal import Transport

// How often may somebody guess? Five attempts in a row are free, for each handle and for each node; then the wait doubles
// up to five minutes. An attempt is counted when it begins and taken back when it succeeds, so guesses made side by
// side count like guesses made in a row. It knows no clock: the time is handed in.
//
//   free (0…4 failures) ──5th──▶ waiting 1 s ──attempt after the wait──▶ 2 s ─▶ 4 s … 300 s
//        ▲                                                                      │
//        └──────────────── success, or an hour without an attempt ──────────────┘

/// Counts attempts and says when the next may be made.
struct LoginThrottle {
    /// What is counted.
    enum Subject: Hashable {
        case handle(String)
        case node(NodeID)
    }

    enum Decision: Equatable {
        case admitted
        /// Seconds until an attempt is admitted.
        case wait(Double)
    }

    /// Attempts in a row without a wait.
    static let freeAttempts = 5
    /// Seconds.
    static let longestWait: Double = 300
    /// Seconds without an attempt after which it is forgotten.
    static let memory: Double = 3_600

    /// Subjects remembered at a time.
    let capacity: Int
    private var entries: [Subject: Entry] = [:]

    private struct Entry {
        var failures: Int
        var last: Double

        var wait: Double {
            guard failures >= LoginThrottle.freeAttempts else { return 0 }
            let doublings = min(failures - LoginThrottle.freeAttempts, 16)
            return min(Double(1 << doublings), LoginThrottle.longestWait)
        }
    }

    init(capacity: Int = 8_192) { self.capacity = capacity }

    /// Begins an attempt of every subject, or of none when one has to wait.
    ///
    /// - Parameter now: Unix seconds.
    mutating func admit(_ subjects: [Subject], now: Double) -> Decision {
        let wait = subjects.map { remaining($0, now: now) }.max() ?? 0
        guard wait <= 0 else { return .wait(wait) }
        for subject in subjects {
            makeRoom(for: subject, now: now)
            entries[subject] = Entry(failures: (entries[subject]?.failures ?? 0) + 1, last: now)
        }
        return .admitted
    }

    /// The attempt succeeded: the row of failures is over.
    mutating func succeeded(_ subjects: [Subject]) {
        for subject in subjects { entries[subject] = nil }
    }

    private mutating func remaining(_ subject: Subject, now: Double) -> Double {
        guard var entry = entries[subject] else { return 0 }
        if entry.last > now {  // The clock was set back: wait from now, not from a time to come.
            entry.last = now
            entries[subject] = entry
        }
        if now - entry.last >= Self.memory {
            entries[subject] = nil
            return 0
        }
        return entry.last + entry.wait - now
    }

    /// Under a flood of new subjects the ones with the fewest failures go first: nobody can wash a long wait away. An
    /// eighth goes at a time, so that a flood does not have all of them looked through for each newcomer.
    private mutating func makeRoom(for subject: Subject, now: Double) {
        guard entries[subject] == nil, entries.count >= capacity else { return }
        entries = entries.filter { now - $0.value.last < Self.memory }
        guard entries.count >= capacity else { return }
        let least = entries.sorted { ($0.value.failures, $0.value.last) < ($1.value.failures, $1.value.last) }
        for (subject, _) in least.prefix(max(1, capacity / 8)) { entries[subject] = nil }
    }
}
