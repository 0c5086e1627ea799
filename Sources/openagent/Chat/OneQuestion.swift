internal import Foundation
internal import Gateway
internal import Wire

// One message, one answer: for scripts. It ends when the turn ends, whatever happens to the connection in between.

/// Asks once.
struct OneQuestion {
    private enum Event: Sendable {
        case signal
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
            var state = State(messageID: messageID)
            for await event in events where try await handle(event, line, &state) { return }
        }
    }

    private struct State {
        let messageID: String
        var printer = AnswerPrinter()
        var connected = false
        var interrupted = false
    }

    /// - Returns: whether everything was said.
    private func handle(_ event: Event, _ line: TypedLine, _ state: inout State) async throws -> Bool {
        switch event {
        case .signal:
            if state.interrupted { _exit(130) }
            state.interrupted = true
            try await chat.interrupt(sessionID: sessionID)
        case .chatEnded(let error): throw error
        case .chat(.connecting): break
        case .chat(.connected):
            if case .command(let name, let argument) = line, !state.connected {
                try await chat.command(name, sessionID: sessionID, argument: argument)
            }
            state.connected = true
        case .chat(.disconnected(let reason, _)):
            if !state.connected || line.isCommand {
                throw CommandError(
                    .unreachable, "the agent cannot be reached: \(reason)",
                    hint: "find out why with: openagent network doctor; on its machine with: openagent status")
            }
        case .chat(.message(let message)):
            return try show(message, line, &state)
        }
        return false
    }

    private func show(_ message: ServerMessage, _ line: TypedLine, _ state: inout State) throws -> Bool {
        let isOurs =
            switch message.body {
            case .commandResult: line.isCommand
            case .error where message.turnID == nil: true
            default: message.messageID == state.messageID || message.messageIDs.contains(state.messageID)
            }
        guard isOurs else { return false }
        if asJSON {
            write(try message.json() + "\n")
        } else if streams || message.body.isFinalWord {
            write(state.printer.text(for: message))
        }
        switch message.body {
        case .commandResult: return true
        case .error(let code, let text) where message.turnID == nil:
            throw CommandError(code.kind, text)
        case .turnComplete(let end):
            switch end.reason {
            case .completed, .empty: return true
            case .cancelled: throw CommandError(.failed, "the answer was interrupted")
            case .error: throw CommandError(.failed, "the agent could not answer")
            }
        default: return false
        }
    }

    private func write(_ text: String) {
        Output.write(text)
    }
}

extension TypedLine {
    fileprivate var isCommand: Bool { if case .command = self { true } else { false } }
}

extension ErrorCode {
    /// Of a message or command that was not accepted.
    fileprivate var kind: CommandError.Kind {
        switch self {
        case .queueFull, .budgetExceeded: .state
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
