public import JSON
public import Store

// How does a call wait for its user? As a row: it is written before anybody is asked, says exactly what would run and until when, and
// takes one answer. A process that dies in between leaves the row, and the turn that goes on afterwards waits for the same row. What it
// does not know: how users are reached (events of the turn tell them), and what the tool does.
//
//     policy ── allow ──▶ runs
//       ├────── deny ───▶ does not run
//       └────── ask ────▶ pending ── approve ──▶ runs
//                            ├── deny, or nobody in time ──▶ does not run
//                            └── the turn is stopped ──▶ withdrawn

/// What its user may say about a call.
public enum ApprovalDecision: String, Sendable, Codable, CaseIterable { case approve, deny }

/// Why an answer doesn't count.
public enum ApprovalError: Error, Equatable, CustomStringConvertible {
    /// There is no such question for whoever answers.
    case unknown
    /// It has had its end already.
    case settled(ApprovalState)

    public var description: String {
        switch self {
        case .unknown: "You were asked no such question."
        case .settled(.approved): "It was approved already."
        case .settled(.denied): "It was denied already."
        case .settled(.expired): "It is too late: it has expired, which means no."
        case .settled: "Its turn was stopped: nothing waits for an answer."
        }
    }
}

/// Decides about calls of tools, and asks their users where the policy says so. Run ``run()`` for as long as the agent is served.
public actor Approvals: ToolGate {
    /// Who answers.
    public struct Answerer: Sendable {
        var actor: Registry.Actor
        var handle: String
        /// May answer what others were asked, too: they could as well change the policy.
        var isAdmin: Bool

        public init(_ actor: Registry.Actor, handle: String, isAdmin: Bool) {
            self.actor = actor
            self.handle = handle
            self.isAdmin = isAdmin
        }
    }

    /// UTF-8 bytes of arguments that people can be asked about: what nobody can read nobody can allow.
    static let longestArguments = 64 << 10
    /// How long questions are kept that have ended, in seconds.
    private static let memory: Double = 30 * 24 * 3600
    /// How often is looked for questions whose turns are gone.
    private static let rounds = Duration.seconds(60)

    public nonisolated let policies: ToolPolicies
    public nonisolated let repository: ApprovalRepository
    private let lifetime: @Sendable () -> Duration
    private let time: TimeSource
    private let makeID: @Sendable () -> String
    private let housekeeping: @Sendable (_ now: Double) async throws -> Void
    private var waiting: [String: [Int: AsyncStream<ApprovalState>.Continuation]] = [:]
    private var nextWaiter = 0

    /// - Parameters:
    ///   - lifetime: how long a question waits; asked for each one.
    ///   - makeID: names questions; what it makes can't be guessed.
    ///   - housekeeping: what else is to be done now and then, given Unix seconds.
    public init(
        _ repository: ApprovalRepository, policies: ToolPolicies, lifetime: @escaping @Sendable () -> Duration,
        time: TimeSource, makeID: @escaping @Sendable () -> String,
        housekeeping: @escaping @Sendable (_ now: Double) async throws -> Void = { _ in }
    ) {
        self.repository = repository
        self.policies = policies
        self.lifetime = lifetime
        self.time = time
        self.makeID = makeID
        self.housekeeping = housekeeping
    }

    // MARK: The gate

    public func admit(
        _ tool: OfferedTool, _ arguments: [String: JSONValue], for context: ToolContext,
        emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> ToolVerdict {
        do {
            switch try await policies.rule(for: tool) {
            case .allow: return .allowed
            case .deny: return .denied("The policy of this agent forbids \(tool.fullName).")
            case .ask:
                let shown = try CallArguments(tool.definition.withoutSecrets(arguments)).text
                return try await ask(tool, CallArguments(arguments), shown: shown, context, emit)
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            return .denied("\(tool.fullName) could not be asked about: the agent's storage failed.")
        }
    }

    private func ask(
        _ tool: OfferedTool, _ arguments: CallArguments, shown: String, _ context: ToolContext,
        _ emit: @Sendable (TurnEvent) async -> Void
    ) async throws -> ToolVerdict {
        guard arguments.text.utf8.count <= Self.longestArguments else {
            return .denied("\(tool.fullName) needs approval, and its arguments are too long to be shown.")
        }
        let now = time.now()
        var question = try await repository.ask(
            ApprovalRecord(
                id: makeID(), turn: context.turnID, call: context.callID, sessionID: context.sessionID,
                handle: context.handle, tool: tool.fullName, arguments: shown, hash: arguments.hash,
                createdAt: now, expiresAt: now + lifetime() / .seconds(1)))
        guard arguments.isAnsweredBy(question.hash), question.tool == tool.fullName, question.handle == context.handle
        else { return .denied("The user was asked about another call under the same name: this one does not run.") }
        if question.state == .pending {
            let (changes, waiter) = wait(for: question.id)
            defer { leave(question.id, waiter) }
            // An answer may have come before anybody waited.
            question = (try? await repository.question(question.id)) ?? question
            if question.state == .pending {
                await emit(.approvalRequested(Self.request(question)))
                question = try await end(of: question, changes)
            }
        }
        if let settlement = question.state.settlement { await emit(.approvalSettled(id: question.id, settlement)) }
        if Task.isCancelled { throw CancellationError() }
        return Self.verdict(on: question, tool)
    }

    /// Waits for the answer, for the question's end, or until the turn is stopped.
    private func end(
        of question: ApprovalRecord, _ changes: AsyncStream<ApprovalState>
    ) async throws -> ApprovalRecord {
        let left = Duration.seconds(max(0, question.expiresAt - time.now()))
        let sleep = time.sleep
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in changes { return } }
            group.addTask { try? await sleep(left) }
            await group.next()
            group.cancelAll()
        }
        // If it was answered this changes nothing.
        return try await settle(question.id, as: Task.isCancelled ? .withdrawn : .expired) ?? question
    }

    private static func verdict(on question: ApprovalRecord, _ tool: OfferedTool) -> ToolVerdict {
        switch question.state {
        case .approved: .allowed
        case .denied: .denied("The user does not allow this call of \(tool.fullName).")
        case .expired, .pending: .denied("Nobody allowed this call of \(tool.fullName) in time.")
        case .withdrawn: .denied("The turn was stopped before anybody allowed this call of \(tool.fullName).")
        }
    }

    private static func request(_ question: ApprovalRecord) -> ApprovalRequest {
        ApprovalRequest(
            id: question.id, tool: question.tool, arguments: question.arguments, expiresAt: question.expiresAt)
    }

    // MARK: Answers

    /// Takes an answer. The first one counts.
    ///
    /// - Throws: ``ApprovalError``, or why it could not be stored.
    @discardableResult
    public func decide(
        _ id: String, _ decision: ApprovalDecision, by answerer: Answerer
    ) async throws -> ApprovalRecord {
        guard let question = try await repository.question(id),
            answerer.isAdmin || question.handle == answerer.handle
        else { throw ApprovalError.unknown }
        guard question.state == .pending else { throw ApprovalError.settled(question.state) }
        let state: ApprovalState = decision == .approve ? .approved : .denied
        let result = try await repository.settle(id, as: state, by: answerer.actor.name, at: time.now()) {
            Self.audit($0, by: answerer.actor)
        }
        guard let result else { throw ApprovalError.unknown }
        guard result.isFirst else {
            let ended = result.question.state == .pending ? try await settle(id, as: .expired) : result.question
            throw ApprovalError.settled(ended?.state ?? .expired)
        }
        tell(result.question)
        return result.question
    }

    /// Ends a question that nobody has answered.
    ///
    /// - Returns: what has become of it.
    private func settle(_ id: String, as state: ApprovalState) async throws -> ApprovalRecord? {
        let result = try await repository.settle(id, as: state, by: nil, at: time.now()) {
            Self.audit($0, by: Registry.Actor(name: "system"))
        }
        if let result, result.isFirst { tell(result.question) }
        return result?.question
    }

    private static func audit(_ question: ApprovalRecord, by actor: Registry.Actor) -> AuditRecord {
        let action =
            switch question.state {
            case .approved: "approval.approve"
            case .denied: "approval.deny"
            case .expired, .pending: "approval.expire"
            case .withdrawn: "approval.withdraw"
            }
        var record = AuditRecord(
            at: question.decidedAt ?? question.createdAt, actor: actor.name, actorDevice: actor.device, action: action,
            subject: question.tool)
        record.details = AuditDetails.text([
            "approval": .string(question.id), "call": .string(question.call), "of": .string(question.handle),
            "session": .string(question.sessionID), "sha256": .string(CallArguments.digits(question.hash)),
            "turn": .string(question.turn),
        ])
        return record
    }

    // MARK: Waiting

    private func wait(for id: String) -> (AsyncStream<ApprovalState>, Int) {
        let (changes, continuation) = AsyncStream.makeStream(
            of: ApprovalState.self, bufferingPolicy: .bufferingNewest(1))
        nextWaiter += 1
        waiting[id, default: [:]][nextWaiter] = continuation
        return (changes, nextWaiter)
    }

    private func leave(_ id: String, _ waiter: Int) {
        waiting[id]?[waiter] = nil
        if waiting[id]?.isEmpty == true { waiting[id] = nil }
    }

    private func tell(_ question: ApprovalRecord) {
        for waiter in (waiting[question.id] ?? [:]).values { waiter.yield(question.state) }
    }

    // MARK: Housekeeping

    /// Ends questions whose turns are gone and forgets those that ended long ago, until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            // What fails now is tried again in the next round.
            try? await keepHouse()
            do { try await time.sleep(Self.rounds) } catch { return }
        }
    }

    func keepHouse() async throws {
        let now = time.now()
        for question in try await repository.questions(of: nil, state: .pending, before: nil, limit: 1_000)
        where question.expiresAt <= now {
            _ = try await settle(question.id, as: .expired)
        }
        try await repository.forget(endedBefore: now - Self.memory)
        try await housekeeping(now)
    }
}

extension ApprovalState {
    /// How a wait ended; nil while it goes on.
    public var settlement: ApprovalSettlement? {
        switch self {
        case .pending: nil
        case .approved: .approved
        case .denied: .denied
        case .expired: .expired
        case .withdrawn: .withdrawn
        }
    }
}
