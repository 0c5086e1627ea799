import Foundation

// Was anything lost, run twice, out of order, missing or repeated? Compares what clients sent and saw with what the
// database and the notes hold. Pure: it reads what others collected.

/// What came out of a chaos.
struct ChaosVerdict {
    private(set) var lost = 0
    private(set) var runTwice = 0
    private(set) var outOfOrder = 0
    private(set) var missing = 0
    private(set) var repeated = 0
    /// Notes of which the answer says that their outcome is unknown, and how many of these were written.
    private(set) var unknownOutcomes = (said: 0, written: 0)
    private(set) var interrupted = 0
    private(set) var messages = 0
    private(set) var notes = 0
    private(set) var events = 0
    private(set) var problems: [String] = []

    var isClean: Bool { lost + runTwice + outOfOrder + missing + repeated == 0 && problems.isEmpty }

    /// - Parameters:
    ///   - notes: the text of everything that was remembered.
    ///   - forgotten: a session whose transcript was erased on demand.
    init(
        clients: [ChaosClient], ledger: ChaosLedger, turns: [StoredTurn], said: [StoredMessage], notes: String,
        forgotten: String? = nil
    ) {
        problems = ledger.problems
        let turnsByMessage = Dictionary(grouping: turns) { "\($0.lane)/\($0.messageID ?? "")" }
        let saidByTurn = Dictionary(grouping: said, by: \.turnID)
        let order = Dictionary(
            said.enumerated().filter { $1.role == "user" }.map { ($1.turnID, $0) },
            uniquingKeysWith: { first, _ in first })
        var facts: [Substring: Int] = [:]
        for line in notes.split(separator: "\n") where line.hasPrefix("- ") {
            facts[line.dropFirst(2).prefix { $0 != "(" }, default: 0] += 1
        }
        for client in clients {
            problems += client.problems
            var lastPlace = -1
            for message in client.messages {
                messages += 1
                let mine = turnsByMessage["\(client.device.lane)/\(message.id)"] ?? []
                guard let turn = mine.first, !["accepted", "running"].contains(turn.state) else {
                    blame(\.lost, "\(message.id) has no answer: \(mine)")
                    continue
                }
                guard message.session != forgotten else {
                    if saidByTurn[turn.id] != nil { problems.append("\(message.id) was not forgotten") }
                    continue
                }
                check(message, turns: mine, said: saidByTurn[turn.id] ?? [])
                check(message, written: facts["\(message.fact ?? "") "] ?? 0, said: saidByTurn[turn.id] ?? [])
                let place = order[turn.id] ?? lastPlace
                if place < lastPlace { blame(\.outOfOrder, "\(message.id) came before its predecessor") }
                lastPlace = max(place, lastPlace)
            }
            for message in client.unanswered { blame(\.lost, "\(message.id): its client saw no end") }
            checkEvents(of: client, ledger, forgotten)
        }
    }

    private mutating func check(_ message: ChaosClient.Message, turns: [StoredTurn], said: [StoredMessage]) {
        if turns.count > 1 { blame(\.runTwice, "\(message.id) became \(turns.count) turns") }
        let (users, answers) = (said.filter { $0.role == "user" }, said.filter { $0.role == "assistant" })
        if users.map(\.text) != [message.text] || answers.isEmpty {
            blame(\.lost, "\(message.id): the transcript holds \(said)")
        }
        if users.count > 1 || answers.count > 1 {
            blame(\.runTwice, "\(message.id) was answered \(answers.count) times")
        }
        if answers.first?.isInterrupted ?? false { interrupted += 1 }
        if turns.contains(where: { $0.state == "failed" }) { problems.append("\(message.id) failed: \(said)") }
    }

    private mutating func check(_ message: ChaosClient.Message, written: Int, said: [StoredMessage]) {
        guard message.fact != nil else { return }
        notes += 1
        if written > 1 { blame(\.runTwice, "\(message.id) was noted \(written) times") }
        guard let answer = said.first(where: { $0.role == "assistant" }) else { return }
        if answer.text.contains("outcome is unknown") {
            unknownOutcomes.said += 1
            unknownOutcomes.written += written
        } else if !answer.isInterrupted, written != 1 {
            blame(\.lost, "\(message.id) was noted \(written) times, and told: \(answer.text.prefix(80))")
        }
    }

    /// - Parameter forgotten: its events went with its transcript.
    private mutating func checkEvents(of client: ChaosClient, _ ledger: ChaosLedger, _ forgotten: String?) {
        for session in client.sessions {
            let stored = ledger.events[.init(handle: client.device.handle, sessionID: session)] ?? [:]
            let seen = client.seen[session] ?? [:]
            events += seen.count
            for (sequence, event) in stored where seen[sequence] == nil {
                blame(\.missing, "\(client.name) never saw \(session)#\(sequence) \(event)")
            }
            var ends: [String: Int] = [:]
            for (sequence, event) in seen where event.type != "delta" {
                if stored[sequence] == nil, session != forgotten {
                    problems.append("\(client.name) saw \(session)#\(sequence) \(event), which was never kept")
                }
                if ["response", "turn_complete"].contains(event.type) { ends["\(event)", default: 0] += 1 }
            }
            for (event, count) in ends where count > 1 {
                blame(\.repeated, "\(client.name) saw \(count) times in \(session): \(event)")
            }
        }
    }

    private mutating func blame(_ count: WritableKeyPath<Self, Int>, _ problem: String) {
        self[keyPath: count] += 1
        problems.append(problem)
    }
}
