internal import Foundation
public import Logging
internal import Store

// Who answers when no language model is there? The librarian: it finds, quotes and writes down, always the same way,
// with no key and no network. This file orders one turn: recover, understand, look up or write, answer. What a text
// means, which passage is best and how it is put are pure files beside it.

/// `builtin:librarian`: answers from the notes of a vault.
public struct Librarian: AgentRuntime {
    /// The name under which its answers are recorded.
    public static let model = "builtin:librarian"

    private static let notesSearched = 5
    private static let notesListed = 100
    private static let passagesQuoted = 5

    private let vault: Vault
    private let toolbox: (any Toolbox)?
    private let pace: @Sendable () -> Double
    private let now: @Sendable () -> Double
    private let logger: Logger

    /// - Parameters:
    ///   - toolbox: what runs on explicit request; nil: nothing.
    ///   - wordsPerSecond: the pace of answers, asked before each; 0 is as fast as the listener takes them.
    ///   - now: Unix time in seconds.
    public init(
        vault: Vault, toolbox: (any Toolbox)? = nil,
        wordsPerSecond: @autoclosure @escaping @Sendable () -> Double = 0, logger: Logger,
        now: @escaping @Sendable () -> Double
    ) {
        self.vault = vault
        self.toolbox = toolbox
        self.now = now
        self.logger = logger
        pace = wordsPerSecond
    }

    public func run(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @escaping @Sendable (TurnEvent) async -> Void
    ) async throws -> TurnOutcome {
        do {
            let text: String
            switch LibrarianRecovery(try await journal.entries()) {
            case .answered(let text):
                return TurnOutcome(text: text, model: Self.model)
            case .noted(let arguments, let output):
                text = answer(toArguments: arguments, output: output)
            case .outcomeUnknown(let arguments):
                logger.warning("turn::outcome_unknown", metadata: ["turn_id": "\(turn.turnID)"])
                text = LibrarianAnswers.outcomeUnknown(AppendNote(json: arguments))
            case .toolUnknown:
                logger.warning("turn::outcome_unknown", metadata: ["turn_id": "\(turn.turnID)"])
                text = LibrarianAnswers.tool(ToolResult(TurnLoop.outcomeUnknown, isError: true))
            case .toolEnded(let result):
                text = LibrarianAnswers.tool(result)
            case .fresh:
                let files = LibrarianAnswers.received(turn.attachments.map(\.filename))
                if let files, turn.text.allSatisfy(\.isWhitespace) {
                    text = files
                } else {
                    let answer = try await answer(turn, journal: journal, emit: emit)
                    text = files.map { "\($0)\n\n\(answer)" } ?? answer
                }
            }
            let sent = await WordStream(wordsPerSecond: pace()).send(text) { await emit(.delta($0)) }
            guard sent == text else { return interrupted(after: sent) }
            try await journal.append(.modelReply(text))
            return TurnOutcome(text: text, model: Self.model)
        } catch is CancellationError {
            return interrupted(after: "")
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError.storage(String(describing: error))
        }
    }

    public func models() async -> [AgentModel] { [AgentModel(id: Self.model, name: "Librarian")] }

    /// The beginnings of what the user said: it is their words that say what a conversation was about.
    public func summarize(_ history: [ChatMessage], model: String?) async throws -> String {
        LibrarianAnswers.summary(of: history)
    }

    private func interrupted(after text: String) -> TurnOutcome {
        TurnOutcome(text: text, model: Self.model, interrupted: true)
    }

    // MARK: Answers

    private func answer(
        _ turn: TurnRequest, journal: any TurnJournal, emit: @escaping @Sendable (TurnEvent) async -> Void
    ) async throws -> String {
        try Task.checkCancellation()
        switch LibrarianRequest(turn.text) {
        case .nothing:
            return LibrarianAnswers.nothingSaid
        case .greeting:
            return LibrarianAnswers.greeting(turn.handle)
        case .introduction:
            return LibrarianAnswers.introduction
        case .listNotes:
            await emit(.status("Searching notes..."))
            let notes = try await vault.notes().map { NoteName(path: $0.path, title: $0.title) }
            return LibrarianAnswers.notes(notes, limit: Self.notesListed)
        case .listTools:
            return LibrarianAnswers.tools(await toolbox?.tools(isAdmin: turn.isAdmin) ?? [])
        case .tool(let name, let rest):
            guard let toolbox else { return LibrarianAnswers.tools([]) }
            return try await LibrarianTool(name: name, rest: rest).run(
                ToolRun(turn: turn, toolbox: toolbox, journal: journal, emit: emit))
        case .remember(let fact):
            guard !fact.isEmpty else { return LibrarianAnswers.nothingToRemember }
            await emit(.status("Writing note..."))
            return try await remember(fact, turn: turn, journal: journal)
        case .read(let name, let words):
            guard !name.isEmpty else { return LibrarianAnswers.nothingToRead }
            await emit(.status("Searching notes..."))
            guard let note = try await vault.find(name) else { return try await search(words) }
            let body = try await vault.body(of: NotePath(note.path))
            return LibrarianAnswers.note(NoteName(path: note.path, title: note.title), body: body)
        case .question(let words):
            await emit(.status("Searching notes..."))
            return try await search(words)
        }
    }

    private func search(_ words: [String]) async throws -> String {
        let (hits, hasAllWords) = try await vault.search(words, limit: Self.notesSearched)
        let passages = Passage.best(of: hits, for: words, limit: Self.passagesQuoted)
        guard !passages.isEmpty else { return LibrarianAnswers.notFound(words) }
        let quoted = Set(passages.map(\.path))
        let others = hits.filter { !quoted.contains($0.path) }.map { NoteName(path: $0.path) }
        return LibrarianAnswers.quotes(passages, seeAlso: others, isComplete: hasAllWords)
    }

    // MARK: Writing

    /// The call is on disk before the note is touched, and the result before anybody hears of it: a crash between the
    /// two leaves a call without a result, which is never repeated.
    private func remember(_ fact: String, turn: TurnRequest, journal: any TurnJournal) async throws -> String {
        let call = AppendNote(fact: fact, handle: turn.handle, now: now())
        let arguments = try call.json
        let id = "\(turn.turnID)/1"
        try await journal.append(.toolCall(id: id, name: AppendNote.toolName, arguments: arguments))
        var output = Self.writtenOutput
        do {
            try await vault.append(call.line, to: NotePath(call.path), heading: call.heading)
        } catch {
            logger.error("note::write_failed", metadata: ["path": "\(call.path)", "error": "\(error)"])
            output = error.description
        }
        try await journal.append(.toolResult(id: id, output: output))
        return answer(toArguments: arguments, output: output)
    }

    /// What the tool returns when the note was written; anything else is the reason why it was not.
    private static let writtenOutput = "written"

    private func answer(toArguments arguments: String, output: String) -> String {
        guard output == Self.writtenOutput, let call = AppendNote(json: arguments) else {
            return LibrarianAnswers.notNoted(output)
        }
        return LibrarianAnswers.noted(call)
    }
}
