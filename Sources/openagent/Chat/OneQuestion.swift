internal import Foundation
internal import Gateway
internal import Wire

// One message, one answer: for scripts. It ends when the turn ends, whatever happens to the connection in between.

/// Asks once.
struct OneQuestion {
    private enum Event: Sendable {
        case signal
        /// Nil: the input has ended.
        case typed(String?)
        case chat(ChatEvent)
        case chatEnded(any Error)
    }

    let chat: ChatClient
    let sessionID: String
    /// Go along with the message.
    let attachments: [Attachment]
    let asJSON: Bool
    /// Text is shown as it comes; otherwise only the complete answer is printed.
    let streams: Bool
    /// How long an agent that can't be reached, or is being started again, is tried.
    let patience: Duration

    /// - Throws: ``CommandError`` when there is no answer, ``ChatError`` when the agent refuses.
    func run(_ line: TypedLine, signals: ShutdownSignals) async throws {
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        let messageID = UUID().uuidString.lowercased()
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { for await _ in signals.requests { sink.yield(.signal) } }
            group.addTask { [chat] in for await event in chat.events { sink.yield(.chat(event)) } }
            group.addTask { [chat] in
                do { try await chat.run() } catch { sink.yield(.chatEnded(error)) }
            }
            if case .message(let text) = line {
                await chat.openSession(sessionID)
                try await chat.send(
                    text, sessionID: sessionID, messageID: messageID, attachments: attachments)
            }
            var state = State(messageID: messageID, sink: sink)
            for await event in events where try await handle(event, line, &state) { return }
        }
    }

    private struct State {
        let messageID: String
        let sink: AsyncStream<Event>.Continuation
        /// The call that waits for the user's word.
        var asked: String?
        var printer = AnswerPrinter()
        var connected = false
        var interrupted = false
        /// The command has gone out on the connection that there is, or on one before.
        var isCommandSent = false
        /// The agent was ending and took no message: it has to be sent again.
        var mustRepeat = false
        /// Since when there was no connection.
        var lost: ContinuousClock.Instant? = .now
    }

    /// - Returns: whether everything was said.
    private func handle(_ event: Event, _ line: TypedLine, _ state: inout State) async throws -> Bool {
        switch event {
        case .signal:
            if state.interrupted { _exit(130) }
            state.interrupted = true
            try await chat.interrupt(sessionID: sessionID)
        case .typed(let line): await answered(line, &state)
        case .chatEnded(let error): throw error
        case .chat(.connecting): break
        case .chat(.connected):
            (state.connected, state.lost) = (true, nil)
            try await repeatWhatWasLost(line, &state)
        case .chat(.disconnected(let reason, let pause)):
            let lost = state.lost ?? .now
            state.lost = lost
            // An answer that has begun is waited for, as long as the client tries.
            let isWaiting = state.connected && !line.isCommand && !state.mustRepeat
            // A command that may have been carried out is not given twice, unless that changes nothing.
            let isOver = state.isCommandSent && !line.mayBeRepeated
            if isOver || !isWaiting && ContinuousClock.now + pause > lost + patience {
                throw CommandError(
                    .unreachable, "the agent cannot be reached: \(reason)",
                    hint: "find out why with: openagent network doctor; on its machine with: openagent status")
            }
        case .chat(.message(let message)):
            return try show(message, line, &state)
        }
        return false
    }

    /// There is a connection, maybe not the first one.
    private func repeatWhatWasLost(_ line: TypedLine, _ state: inout State) async throws {
        do {
            switch line {
            case .command(let name, let argument):
                try await chat.command(name, sessionID: sessionID, argument: argument)
                state.isCommandSent = true
            case .message(let text) where state.mustRepeat:
                // The agent knows it by its id, should it have taken it after all.
                try await chat.send(text, sessionID: sessionID, messageID: state.messageID, attachments: attachments)
                state.mustRepeat = false
            default: break
            }
        } catch ChatError.notConnected {
            // Gone again already; the next connection takes it.
        }
    }

    private func show(_ message: ServerMessage, _ line: TypedLine, _ state: inout State) throws -> Bool {
        let isOurs =
            switch message.body {
            case .commandResult: line.isCommand
            case .error where message.turnID == nil: true
            default: message.messageID == state.messageID || message.messageIDs.contains(state.messageID)
            }
        guard isOurs else { return false }
        if case .error(.shuttingDown, _) = message.body, !line.isCommand {
            state.mustRepeat = true
            return false
        }
        if let failure = message.failure, !asJSON, case .commandResult(let text) = message.body {
            throw CommandError(failure.kind, Self.sentence(text))
        }
        askUser(message, &state)
        if asJSON {
            write(try message.json() + "\n")
        } else if streams || message.body.isFinalWord {
            write(state.printer.text(for: message))
        }
        switch message.body {
        case .commandResult(let text):
            if let failure = message.failure { throw CommandError(failure.kind, Self.sentence(text)) }
            return true
        case .error(let code, let text) where message.turnID == nil:
            throw CommandError(
                code.kind, Self.sentence(text), hint: code == .budgetExceeded ? "see: openagent usage" : nil)
        case .turnComplete(let end):
            switch end.reason {
            case .completed, .empty: return true
            case .cancelled: throw CommandError(.failed, "the answer was interrupted")
            case .error: throw CommandError(.failed, "the agent could not answer")
            }
        default: return false
        }
    }

    /// A call waits: whoever sits here says whether it runs; where nobody does, it is said how.
    private func askUser(_ message: ServerMessage, _ state: inout State) {
        switch message.body {
        case .approvalSettled(let id, _): if state.asked == id { state.asked = nil }
        case .approvalRequest(let request):
            state.asked = request.id
            guard Screen.isInteractive, !asJSON else {
                if !asJSON { Output.writeError(AnswerPrinter.question(request)) }
                return
            }
            Self.readLine(into: state.sink)
        default: break
        }
    }

    private func answered(_ line: String?, _ state: inout State) async {
        guard let id = state.asked, let line else { return }
        if let reply = ClientMessage.ApprovalReply(typed: line), (try? await chat.reply(to: id, reply)) != nil {
            state.asked = nil
        } else {
            write("y lets it run, n does not.\n")
            Self.readLine(into: state.sink)
        }
    }

    /// Reads in a thread of its own, which ends with the program: somebody may answer elsewhere, and this goes on.
    private static func readLine(into sink: AsyncStream<Event>.Continuation) {
        Thread.detachNewThread { sink.yield(.typed(Input.line())) }
    }

    /// As the rest of a line that begins with `error: `.
    private static func sentence(_ text: String) -> String {
        let text = text.split(separator: "\n").joined(separator: " ")
        let rest = text.last == "." ? text.dropLast() : text[...]
        return rest.prefix(1).lowercased() + rest.dropFirst()
    }

    private func write(_ text: String) {
        Output.write(text)
    }
}

extension TypedLine {
    fileprivate var isCommand: Bool { if case .command = self { true } else { false } }

    /// Whether it changes nothing that the second time would change again.
    fileprivate var mayBeRepeated: Bool {
        guard case .command(let name, let argument) = self else { return true }
        return switch SessionCommand(rawValue: name) {
        case .status, .queue, .usage, .context, .help, .model: true
        case .new, .clear, .stop, .compact, .restart, .reset: false
        case nil: argument == nil
        }
    }
}

extension ErrorCode {
    /// Of a message or command that was not accepted.
    fileprivate var kind: CommandError.Kind {
        switch self {
        case .queueFull, .budgetExceeded, .conflict: .state
        case .notFound: .usage
        case .forbidden: .refused
        case .unavailable, .shuttingDown: .unreachable
        case .invalid, .badMessage, .tooLarge: .usage
        default: .failed
        }
    }
}

extension ServerMessage.Body {
    fileprivate var isFinalWord: Bool {
        switch self {
        case .response, .commandResult: true
        default: false
        }
    }
}
