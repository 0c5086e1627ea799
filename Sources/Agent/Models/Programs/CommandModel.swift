internal import Glibc
internal import Synchronization

// How does a program answer a turn? It is started for it, reads the conversation on its standard input and writes the answer. It uses
// tools of its own, within what its own settings allow, and gets none of ours; it inherits no variable and no descriptor of
// the agent's.

/// A program that answers.
struct CommandModel: LanguageModel {
    private let program: AgentProgram
    private let folder: String

    /// - Parameter folder: where it runs.
    init(_ program: AgentProgram, folder: String) {
        self.program = program
        self.folder = folder
    }

    func reply(to request: ModelRequest, emit: @Sendable (String) async -> Void) async throws -> ModelReply {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw ModelError.unavailable("the folder for programs can't be made")
        }
        var command = Command(program.words, setting: "the provider's metadata.command")
        command.environment = program.environment
        command.folder = folder
        command.timeLimit = program.timeLimit
        command.outputLimit = AgentProgram.outputLimit
        let reader = Reader(program.output)
        do {
            return try await withoutActuallyEscaping(emit) { [command] emit in
                try await command.run(input: Array(Self.prompt(request).utf8)) { piece in
                    for text in try await reader.consume(piece) { await emit(text) }
                }
                let (reply, rest) = try await reader.finish()
                if let rest { await emit(rest) }
                return reply
            }
        } catch let error as ModelError {
            throw ProviderFailure.clean(error, secret: program.key)
        } catch let error as CommandError {
            // A program that fails may have said why in its answer.
            if let said = await reader.failure { throw ProviderFailure.clean(said, secret: program.key) }
            throw ProviderFailure.clean(Self.put(error), secret: program.key)
        }
    }

    private static func put(_ error: CommandError) -> ModelError {
        switch error {
        case .missing, .notStarted: .rejected(error.description)
        case .failed(let program, let how, let errors):
            .unavailable(
                "'\(program)' ended with \(how)"
                    + (errors.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""))
        case .tookTooLong, .tooMuchOutput: .unavailable(error.description)
        }
    }

    // MARK: What it reads

    /// The conversation as one text. One question alone stands as it is.
    static func prompt(_ request: ModelRequest) -> String {
        var parts: [String] = []
        if !request.system.isEmpty { parts.append("<instructions>\n\(request.system)\n</instructions>") }
        if request.messages.count == 1, case .user(let text)? = request.messages.first {
            return (parts + [text]).joined(separator: "\n\n")
        }
        for message in request.messages.dropLast() {
            switch message {
            case .user(let text): parts.append("<user>\n\(text)\n</user>")
            case .assistant(let text, let calls):
                let used = calls.map { "\n(used \($0.name))" }.joined()
                parts.append("<assistant>\n\(text)\(used)\n</assistant>")
            case .tool(_, let name, let result): parts.append("<result of=\"\(name)\">\n\(result.text)\n</result>")
            }
        }
        switch request.messages.last {
        case .user(let text)?: parts.append(text)
        case .assistant(let text, _)?: parts.append("<assistant>\n\(text)\n</assistant>\n\nGo on.")
        case .tool(_, let name, let result)?:
            parts.append("<result of=\"\(name)\">\n\(result.text)\n</result>\n\nGo on.")
        case nil: break
        }
        return parts.joined(separator: "\n\n")
    }

    // MARK: What it writes

    private actor Reader {
        private var stream: any ModelStream
        private var emitted = 0
        private(set) var failure: ModelError?

        init(_ output: AgentProgram.Output) {
            stream = output == .text ? PlainTextStream() : ProgramStream()
        }

        func consume(_ bytes: [UInt8]) throws -> [String] {
            do {
                let texts = try stream.consume(bytes)
                for text in texts { emitted += text.utf8.count }
                return texts
            } catch let error as ModelError {
                failure = error
                throw error
            }
        }

        func finish() throws -> (ModelReply, rest: String?) {
            let reply = try stream.finish()
            guard reply.text.utf8.count > emitted else { return (reply, nil) }
            return (reply, String(decoding: Array(reply.text.utf8.dropFirst(emitted)), as: UTF8.self))
        }
    }
}

/// Reads text, whose characters may be cut anywhere.
struct PlainTextStream: ModelStream {
    private var draft = ReplyDraft()
    private var left: [UInt8] = []

    mutating func consume(_ bytes: [UInt8]) throws -> [String] {
        left += bytes
        // A character has at most four bytes: what begins near the end waits for the rest.
        var end = left.count
        for back in 1...4 where left.count >= back {
            let byte = left[left.count - back]
            guard byte & 0xC0 != 0x80 else { continue }
            let length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            if length > back { end = left.count - back }
            break
        }
        let text = String(decoding: left[..<end], as: UTF8.self)
        left.removeFirst(end)
        return try draft.add(text).map { [$0] } ?? []
    }

    mutating func finish() throws -> ModelReply {
        _ = try draft.add(String(decoding: left, as: UTF8.self))
        draft.end()
        return try draft.reply()
    }
}
