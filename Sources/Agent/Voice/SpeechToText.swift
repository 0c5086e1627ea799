// What did somebody say? The seam behind which speech becomes text, and the implementation that asks a program. Who spoke and
// what follows from it is not known here.

/// Recorded speech.
public struct Recording: Sendable, Equatable {
    public var bytes: [UInt8]
    /// Which kind of file it is: 1 to 16 small letters and digits.
    public var fileExtension: String
    /// ISO 639-1; nil when nobody said.
    public var language: String?

    public init(bytes: [UInt8], fileExtension: String, language: String? = nil) {
        self.bytes = bytes
        self.fileExtension = fileExtension
        self.language = language
    }
}

/// Recognises speech.
public protocol SpeechToText: Sendable {
    /// - Returns: what was said, without white space at its ends; empty when nothing was understood.
    /// - Throws: ``CommandError`` or what else is in the way; `CancellationError` when the task is cancelled.
    func text(of recording: Recording) async throws -> String
}

/// Recognises speech by a program: `{file}` in its words is the audio file (without it the audio comes on standard
/// input), `{language}` the language. What it prints on standard output is the text.
public struct CommandSpeechToText: SpeechToText {
    private let command: Command
    private let files: VoiceFiles

    /// - Parameters:
    ///   - words: the program and its arguments.
    ///   - timeLimit: for one recording.
    ///   - textLimit: bytes of text.
    public init(_ words: [String], files: VoiceFiles, timeLimit: Duration = .seconds(120), textLimit: Int = 64 << 10) {
        command = Command(words, setting: "stt.command")
            .with(timeLimit: timeLimit, outputLimit: textLimit)
        self.files = files
    }

    public func text(of recording: Recording) async throws -> String {
        var command = command
        command.words = CommandWords.naming(language: recording.language, in: command.words)
        guard CommandWords.wantFile(command.words) else {
            return try await text(command, input: recording.bytes)
        }
        let path = try await files.write(recording.bytes, fileExtension: recording.fileExtension)
        command.words = CommandWords.naming(file: path, in: command.words)
        do {
            let text = try await text(command, input: [])
            await files.remove(path)
            return text
        } catch {
            await files.remove(path)
            throw error
        }
    }

    private func text(_ command: Command, input: [UInt8]) async throws -> String {
        String(decoding: try await command.output(input: input), as: UTF8.self).trimmed
    }
}

/// The words of a voice's command, with what stands for a value replaced. Pure.
enum CommandWords {
    private static let file = "{file}"
    private static let language = "{language}"

    static func wantFile(_ words: [String]) -> Bool { words.dropFirst().contains { $0.contains(file) } }

    static func naming(file path: String, in words: [String]) -> [String] {
        words.prefix(1) + words.dropFirst().map { $0.replacing(file, with: path) }
    }

    /// Without a language the word goes that names it, and with it an option before it of which it is the value.
    static func naming(language: String?, in words: [String]) -> [String] {
        var result: [String] = []
        for word in words {
            guard !result.isEmpty, word.contains(Self.language) else {
                result.append(word)
                continue
            }
            if let language, isPlain(language) {
                result.append(word.replacing(Self.language, with: language))
            } else if word == Self.language, result.count > 1, result.last?.hasPrefix("-") == true {
                result.removeLast()
            }
        }
        return result
    }

    /// It comes from a client and becomes an argument.
    private static func isPlain(_ language: String) -> Bool {
        (2...16).contains(language.utf8.count) && language.first != "-"
            && language.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}

extension Command {
    func with(timeLimit: Duration, outputLimit: Int) -> Command {
        var command = self
        command.timeLimit = timeLimit
        command.outputLimit = outputLimit
        return command
    }
}
