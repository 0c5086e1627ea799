internal import Foundation
internal import Gateway
internal import Wire

// A conversation in a terminal: what the user types goes to the agent, what the agent says is shown, and Ctrl-C stops the
// answer before it ends the program. One loop takes every event in turn, so nothing here needs a lock.

/// An interactive chat.
struct ChatTerminal {
    private enum Event: Sendable {
        case typed(Console.Input)
        case signal(ShutdownRequest)
        case chat(ChatEvent)
        case chatEnded(any Error)
        case attached(Result<StoredFile, any Error>)
    }

    /// Where the user is. Ctrl-C means something else in each.
    private enum Mode {
        case connecting
        /// `warned`: Ctrl-C was pressed once.
        case prompting(warned: Bool)
        /// A turn of this chat is under way.
        case answering(messageID: String, interrupted: Bool)
    }

    private let chat: ChatClient
    private let console: Console
    private let sessionID: String
    private let signals: ShutdownSignals
    private var mode = Mode.connecting
    private var printer = AnswerPrinter()
    private var greeted = false
    /// The call that waits for the user's word.
    private var asked: String?
    /// Files that go along with the next message.
    private var attachments: [Attachment] = []
    private let client: GatewayClient
    private let uploads: AsyncStream<String>
    private let upload: AsyncStream<String>.Continuation

    init(
        chat: ChatClient, client: GatewayClient, console: Console, sessionID: String, signals: ShutdownSignals
    ) {
        self.chat = chat
        self.client = client
        (uploads, upload) = AsyncStream.makeStream()
        self.console = console
        self.sessionID = sessionID
        self.signals = signals
    }

    /// Chats until the user leaves.
    ///
    /// - Throws: ``ChatError`` when the agent will have no more of it, ``CommandError`` when it was never reached.
    mutating func run() async throws {
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        let (chat, console, signals, sessionID) = (chat, console, signals, sessionID)
        let (client, uploads) = (client, uploads)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { await console.run() }
            group.addTask { for await input in console.input { sink.yield(.typed(input)) } }
            group.addTask { for await request in signals.requests { sink.yield(.signal(request)) } }
            group.addTask { for await event in chat.events { sink.yield(.chat(event)) } }
            group.addTask {
                for await path in uploads {
                    do {
                        sink.yield(.attached(.success(try await client.upload(FileUpload(path: path)))))
                    } catch { sink.yield(.attached(.failure(error))) }
                }
            }
            group.addTask {
                do { try await chat.run() } catch { sink.yield(.chatEnded(error)) }
            }
            await chat.openSession(sessionID)
            for await event in events where try await handle(event) { return }
        }
    }

    /// - Returns: whether the chat is over.
    private mutating func handle(_ event: Event) async throws -> Bool {
        switch event {
        case .typed(let input): return await typed(input)
        case .signal(.graceful(let signal)), .signal(.immediate(let signal)):
            return signal == SIGTERM ? true : await interrupted()
        case .chat(let event):
            try await said(event)
            return false
        case .chatEnded(let error): throw error
        case .attached(let result):
            attached(result)
            return false
        }
    }

    // MARK: The user

    /// `/attach path`. The prompt comes back when the file is there, so that the next message has it.
    private mutating func attach(_ path: String?) {
        guard let path = path?.trimmingCharacters(in: .whitespaces), !path.isEmpty else {
            show(printer.note("name a file: /attach PATH"))
            return prompt()
        }
        upload.yield((path as NSString).expandingTildeInPath)
    }

    private mutating func attached(_ result: Result<StoredFile, any Error>) {
        switch result {
        case .success(let file):
            attachments.append(file.attachment)
            show(
                printer.note("\(file.filename) (\(Transfer.size(file.size))) goes along with your next message"))
        case .failure(let error): show(printer.note("\(CommandError(sorting: error)?.message ?? "\(error)")"))
        }
        prompt()
    }

    private mutating func typed(_ input: Console.Input) async -> Bool {
        if case .line = input { console.tookLine() }
        switch input {
        case .endOfInput: return true
        case .interrupt: return await interrupted()
        case .line(let line) where asked != nil && !line.hasPrefix("/"):
            await answered(line)
            return false
        case .line(let line):
            switch TypedLine(line) {
            case .nothing: prompt()
            case .leave: return true
            case .command("attach", let argument): attach(argument)
            case .command(let name, let argument):
                do {
                    try await chat.command(name, sessionID: sessionID, argument: argument)
                } catch {
                    show(printer.note("\(error)"))
                    prompt()
                }
            case .message(let text):
                let id = UUID().uuidString.lowercased()
                do {
                    try await chat.send(text, sessionID: sessionID, messageID: id, attachments: attachments)
                    attachments = []
                    mode = .answering(messageID: id, interrupted: false)
                } catch {
                    show(printer.note("\(error)"))
                    prompt()
                }
            }
            return false
        }
    }

    /// A line that was typed while a call waits.
    private mutating func answered(_ line: String) async {
        guard let id = asked else { return }
        if let reply = ClientMessage.ApprovalReply(typed: line) {
            do {
                try await chat.reply(to: id, reply)
                asked = nil
            } catch {
                show(printer.note("\(error)"))
            }
        } else {
            show(printer.note("a call waits: y lets it run, n does not"))
        }
        prompt()
    }

    /// Ctrl-C: first the answer, then the program.
    private mutating func interrupted() async -> Bool {
        switch mode {
        case .connecting, .prompting(warned: true), .answering(_, interrupted: true): return true
        case .prompting(warned: false):
            show(printer.note("Ctrl-C again, or Ctrl-D, leaves"))
            mode = .prompting(warned: true)
            console.prompt()
            return false
        case .answering(let id, interrupted: false):
            mode = .answering(messageID: id, interrupted: true)
            do {
                try await chat.interrupt(sessionID: sessionID)
            } catch {
                show(printer.note("\(error); Ctrl-C again leaves"))
            }
            return false
        }
    }

    private mutating func prompt() {
        if case .answering = mode { return }
        mode = .prompting(warned: false)
        console.prompt()
    }

    // MARK: The agent

    private mutating func said(_ event: ChatEvent) async throws {
        switch event {
        case .connecting: break
        case .connected(let greeting):
            if greeted {
                show(printer.note("connected again"))
            } else {
                greeted = true
                let (agent, handle) = (Screen.plain(greeting.agentName), Screen.plain(greeting.handle))
                show("Connected to \(agent) as \(handle). /help lists what you can do.\n")
                prompt()
            }
        case .disconnected(let reason, _):
            guard greeted else {
                throw CommandError(
                    .unreachable, "the agent cannot be reached: \(reason)",
                    hint: "find out why with: openagent network doctor; on its machine with: openagent status")
            }
            show(printer.note("connection lost (\(reason)); trying again, nothing is lost"))
        case .message(let message):
            show(printer.text(for: message))
            switch message.body {
            case .commandResult: prompt()
            case .approvalRequest(let request): asked = request.id
            case .approvalSettled(let id, _): if asked == id { asked = nil }
            case .turnComplete: ended(message)
            case .error where message.turnID == nil: ended(message)
            default: break
            }
        }
    }

    /// A turn is over, or a message was refused: back to the prompt if it was ours.
    private mutating func ended(_ message: ServerMessage) {
        guard case .answering(let id, _) = mode, message.messageID == id || message.messageID == nil else { return }
        mode = .prompting(warned: false)
        console.prompt()
    }

    private func show(_ text: String) {
        if !text.isEmpty { console.write(text) }
    }
}
