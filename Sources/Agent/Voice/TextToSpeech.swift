// How does a text sound? The seam behind which text becomes audio, and the implementation that asks a program. Which texts are
// spoken, and to whom, is not known here.

/// Speaks.
public protocol TextToSpeech: Sendable {
    /// - Parameter language: ISO 639-1; nil when nobody said.
    /// - Throws: ``CommandError``, ``SpeechError`` or what else is in the way; `CancellationError` when the task is
    ///   cancelled.
    func speech(for text: String, language: String?) async throws -> SpokenAudio
}

/// Speech that is none.
public enum SpeechError: Error, Sendable, Equatable, CustomStringConvertible {
    case silent(program: String)
    case unknownForm(program: String)

    public var description: String {
        switch self {
        case .silent(let program): "'\(program)' made no audio: see tts.command"
        case .unknownForm(let program): "'\(program)' made neither WAV, MP3 nor Ogg: see tts.command"
        }
    }
}

/// Speaks by a program, which reads the text on standard input: text never is an argument. It prints the audio, or writes it
/// to the file that `{file}` in its words stands for; `{language}` is the language.
public struct CommandTextToSpeech: TextToSpeech {
    private let command: Command
    private let files: VoiceFiles

    /// - Parameters:
    ///   - words: the program and its arguments.
    ///   - timeLimit: for one text.
    ///   - audioLimit: bytes of audio for one text.
    public init(_ words: [String], files: VoiceFiles, timeLimit: Duration = .seconds(60), audioLimit: Int = 32 << 20) {
        command = Command(words, setting: "tts.command").with(timeLimit: timeLimit, outputLimit: audioLimit)
        self.files = files
    }

    public func speech(for text: String, language: String?) async throws -> SpokenAudio {
        var command = command
        command.words = CommandWords.naming(language: language, in: command.words)
        let input = Array(text.utf8) + [UInt8(ascii: "\n")]
        let bytes =
            CommandWords.wantFile(command.words)
            ? try await throughFile(command, input: input) : try await command.output(input: input)
        let program = command.words.first ?? ""
        guard !bytes.isEmpty else { throw SpeechError.silent(program: program) }
        guard let format = AudioFormat(bytes) else { throw SpeechError.unknownForm(program: program) }
        guard format == .wav else { return SpokenAudio(format: format, bytes: bytes) }
        // Programs that print to a pipe cannot know the length that stands in the header.
        guard let wave = WaveFile(bytes) else { throw SpeechError.unknownForm(program: program) }
        return SpokenAudio(format: .wav, bytes: wave.bytes)
    }

    private func throughFile(_ command: Command, input: [UInt8]) async throws -> [UInt8] {
        var command = command
        let path = try await files.newPath(fileExtension: "wav")
        command.words = CommandWords.naming(file: path, in: command.words)
        do {
            _ = try await command.output(input: input)
            let bytes = try await files.read(path, limit: command.outputLimit) ?? []
            await files.remove(path)
            return bytes
        } catch {
            await files.remove(path)
            throw error
        }
    }
}
