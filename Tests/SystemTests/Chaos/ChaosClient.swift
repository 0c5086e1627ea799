import Foundation
import Synchronization
import Wire

// One client of the chaos: it keeps numbered messages on their way, writes down everything that it sees, and can be killed
// and started again like the program that it stands for. What a real client would keep on its disk survives its death:
// what it sent and the last event of each session.

/// A client that sends for as long as it is told to.
final class ChaosClient: Sendable {
    /// One message of this client.
    struct Message: Sendable {
        let number: Int
        let id: String
        let session: String
        let text: String
        /// What the note holds that the message asks for.
        let fact: String?
    }

    /// An event as this client saw it.
    struct Seen: Sendable, Equatable {
        let type: String
        let turnID: String?
        let messageID: String?
    }

    private struct Record {
        /// In the order of sending.
        var messages: [Message] = []
        var unanswered: [Message] = []
        var lastSequence: [String: Int] = [:]
        var seen: [String: [Int: Seen]] = [:]
        var problems: [String] = []
        var commandResults: [String] = []
        var connections = 0
        var isSending = false
        var pool: GatewayPool?
        var chat: ChatClient?
        var death: AsyncStream<Void>.Continuation?
    }

    let name: String
    let device: JoinedDevice
    /// The sessions that it sends to and watches.
    let sessions: [String]
    private let pulse: Pulse
    private let record = Mutex(Record())
    private let seed: UInt64

    /// Messages on their way at a time.
    private static let maximumUnanswered = 4

    init(name: String, device: JoinedDevice, sessions: [String], pulse: Pulse, seed: UInt64) {
        self.name = name
        self.device = device
        self.sessions = sessions
        self.pulse = pulse
        self.seed = seed
    }

    var messages: [Message] { record.withLock { $0.messages } }
    var unanswered: [Message] { record.withLock { $0.unanswered } }
    var seen: [String: [Int: Seen]] { record.withLock { $0.seen } }
    var problems: [String] { record.withLock { $0.problems } }

    /// From now on it sends messages by itself, or no more.
    func setSending(_ isSending: Bool) { record.withLock { $0.isSending = isSending } }

    /// Has one message to send when it begins to live.
    ///
    /// - Parameter note: whether it asks for something to be written down.
    func begin(session: String, note: Bool = false) {
        record.withLock { _ = Self.append(to: &$0, name, session, kind: note ? .note : .reading) }
    }

    /// Gives a command until it is answered, over as many connections as that takes.
    func command(_ name: String, session: String, argument: String? = nil) async -> Bool {
        let results = record.withLock { $0.commandResults.count }
        for _ in 0..<20 {
            let connections = record.withLock { $0.connections }
            try? await record.withLock { $0.chat }?.command(name, sessionID: session, argument: argument)
            await pulse.wait(atMost: .seconds(5)) {
                self.record.withLock { $0.commandResults.count > results || $0.connections > connections }
            }
            if record.withLock({ $0.commandResults.count > results }) { return true }
        }
        return false
    }

    // MARK: Blows

    /// Its connections are gone from one moment to the next.
    func dropConnections() { record.withLock { $0.pool }?.close() }

    /// The program dies and is started again.
    func die() { record.withLock { $0.death }?.yield() }

    // MARK: Life

    /// Lives, dies and lives again until the task is cancelled.
    func run() async {
        var random = SeededRandom(seed)
        while !Task.isCancelled {
            do {
                try await device.withPool { pool in try await live(pool, &random) }
            } catch is CancellationError {
                continue
            } catch {
                report("it ended: \(error)")
                return
            }
        }
    }

    private func live(_ pool: GatewayPool, _ random: inout SeededRandom) async throws {
        let (deaths, death) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (last, unanswered) = record.withLock { record in
            record.pool = pool
            record.death = death
            return (record.lastSequence, record.unanswered)
        }
        let chat = JoinedDevice.chat(over: pool)
        record.withLock { $0.chat = chat }
        for session in sessions { await chat.openSession(session, afterSequence: last[session] ?? 0) }
        for message in unanswered {
            try await chat.send(message.text, sessionID: message.session, messageID: message.id)
        }
        let writing = SeededRandom(random.next())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await chat.run() }
            group.addTask { for await event in chat.events { self.note(event) } }
            group.addTask { try await self.write(to: chat, writing) }
            group.addTask { for await _ in deaths { break } }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func write(to chat: ChatClient, _ random: SeededRandom) async throws {
        var random = random
        while true {
            try await Task.sleep(for: .milliseconds(Int.random(in: 5...250, using: &random)))
            guard let message = nextMessage(&random) else { continue }
            try await chat.send(message.text, sessionID: message.session, messageID: message.id)
            if Int.random(in: 0..<25, using: &random) == 0 { try? await chat.interrupt(sessionID: message.session) }
        }
    }

    private func nextMessage(_ random: inout SeededRandom) -> Message? {
        let session = sessions.randomElement(using: &random) ?? ""
        let kinds: [Kind] = [.note, .note, .note] + Array(repeating: .story, count: 7)
        let kind = Bool.random(using: &random) ? kinds.randomElement(using: &random) ?? .note : .question
        return record.withLock { record in
            guard record.isSending, record.unanswered.count < Self.maximumUnanswered else { return nil }
            return Self.append(to: &record, name, session, kind: kind)
        }
    }

    private enum Kind { case note, story, question, reading }

    private static func append(to record: inout Record, _ name: String, _ session: String, kind: Kind) -> Message {
        let number = record.messages.count + 1
        let token = name + "n" + String(repeating: "0", count: 6 - "\(number)".count) + "\(number)"
        let text =
            switch kind {
            case .note: "remember that \(token) is kept"
            case .story: "tell me the story of \(token)"
            case .reading: "read story"
            case .question: "where is \(token)?"
            }
        let message = Message(
            number: number, id: token, session: session, text: text, fact: kind == .note ? "\(token) is kept" : nil)
        record.messages.append(message)
        record.unanswered.append(message)
        return message
    }

    // MARK: What it sees

    private func note(_ event: ChatEvent) {
        defer { pulse.beat() }
        if case .connected = event { record.withLock { $0.connections += 1 } }
        guard case .message(let message) = event else { return }
        record.withLock { record in
            if let session = message.sessionID, let sequence = message.sequence {
                let last = record.lastSequence[session] ?? 0
                if sequence <= last { record.problems.append("\(name): \(session)#\(sequence) after #\(last)") }
                record.lastSequence[session] = max(sequence, last)
                let seen = Seen(type: message.type, turnID: message.turnID, messageID: message.messageID)
                record.seen[session, default: [:]][sequence] = seen
            }
            switch message.body {
            case .turnComplete: record.unanswered.removeAll { $0.id == message.messageID }
            case .error(.shuttingDown, _): break
            case .error(let code, let text): record.problems.append("\(name): \(code.rawValue): \(text)")
            case .sessionState: record.problems.append("\(name): \(message.sessionID ?? "") could not be replayed")
            case .commandResult(let text): record.commandResults.append(text)
            default: break
            }
        }
    }

    private func report(_ problem: String) {
        record.withLock { $0.problems.append("\(name): \(problem)") }
    }
}

extension ServerMessage {
    /// The name under which the kind of message is counted.
    fileprivate var type: String {
        switch body {
        case .queued: "queued"
        case .status: "status"
        case .delta: "delta"
        case .response: "response"
        case .turnComplete: "turn_complete"
        case .error: "error"
        default: "other"
        }
    }
}
