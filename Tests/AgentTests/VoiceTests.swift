import Foundation
import Testing

@testable import Agent

// Speech becomes text and text speech, by whatever program is configured.

@Suite struct VoiceTests {
    private let scratch: Scratch
    private let files: VoiceFiles

    init() throws {
        scratch = try Scratch()
        files = VoiceFiles(folder: scratch.path + "/voice")
    }

    private func leftFiles() throws -> [String] {
        let folder = scratch.path + "/voice"
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder)
    }

    private func shell(_ script: String, _ words: String...) -> [String] { ["/bin/sh", "-c", script, "sh"] + words }

    @Test("audio reaches the program as a private file with its extension, which is removed; the text is trimmed")
    func audioAsFile() async throws {
        let speech = CommandSpeechToText(
            shell("stat -c %a \"$1\"; basename \"$1\" | sed 's/.*\\.//'; cat \"$1\"; echo '  '", "{file}"), files: files
        )
        let text = try await speech.text(of: Recording(bytes: Array("hello".utf8), fileExtension: "webm"))
        #expect(text == "600\nwebm\nhello")
        #expect(try leftFiles().isEmpty)
    }

    @Test("without {file} the audio comes on standard input")
    func audioOnInput() async throws {
        let speech = CommandSpeechToText(["cat"], files: files)
        #expect(try await speech.text(of: Recording(bytes: Array(" hi \n".utf8), fileExtension: "wav")) == "hi")
    }

    @Test("a program that fails or is cancelled leaves no audio behind")
    func failureRemovesFile() async throws {
        let failing = CommandSpeechToText(shell("exit 1", "{file}"), files: files)
        await #expect(throws: CommandError.self) {
            try await failing.text(of: Recording(bytes: [1], fileExtension: "wav"))
        }
        #expect(try leftFiles().isEmpty)
        let hanging = CommandSpeechToText(shell("sleep 100", "{file}"), files: files)
        let task = Task { try await hanging.text(of: Recording(bytes: [1], fileExtension: "wav")) }
        while try leftFiles().isEmpty { await Task.yield() }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
        #expect(try leftFiles().isEmpty)
    }

    @Test("what an earlier process left behind is removed")
    func leftovers() async throws {
        try FileManager.default.createDirectory(atPath: scratch.path + "/voice", withIntermediateDirectories: true)
        try Data([1]).write(to: URL(fileURLWithPath: scratch.path + "/voice/old.wav"))
        let speech = CommandSpeechToText(shell("echo yes", "{file}"), files: files)
        #expect(try await speech.text(of: Recording(bytes: [1], fileExtension: "wav")) == "yes")
        #expect(try leftFiles().isEmpty)
    }

    @Test("a recognised text of more than 64 KiB is refused")
    func endlessText() async throws {
        let speech = CommandSpeechToText(["yes"], files: files)
        await #expect(throws: CommandError.tooMuchOutput(program: "yes", limit: 65536)) {
            try await speech.text(of: Recording(bytes: [1], fileExtension: "wav"))
        }
    }

    @Test(
        "the language becomes an argument only if it is one, and else goes with the option before it",
        arguments: [
            ("de", ["x", "-l", "de", "-f", "a"]), ("pt-BR", ["x", "-l", "pt-BR", "-f", "a"]),
            (nil, ["x", "-f", "a"]), ("--help", ["x", "-f", "a"]), ("d;e", ["x", "-f", "a"]), ("", ["x", "-f", "a"]),
        ] as [(String?, [String])])
    func language(_ language: String?, _ expected: [String]) {
        #expect(CommandWords.naming(language: language, in: ["x", "-l", "{language}", "-f", "a"]) == expected)
    }

    @Test("words without an option before them go alone")
    func languageWord() {
        #expect(CommandWords.naming(language: nil, in: ["x", "--lang={language}", "y"]) == ["x", "y"])
        #expect(CommandWords.naming(language: nil, in: ["x", "{language}", "y"]) == ["x", "y"])
        #expect(CommandWords.naming(language: "en", in: ["x", "--lang={language}"]) == ["x", "--lang=en"])
    }

    @Test("espeak-ng speaks: a WAV whose header tells its length")
    func espeak() async throws {
        let voice = CommandTextToSpeech(["espeak-ng", "--stdin", "--stdout"], files: files)
        let short = try await voice.speech(for: "Hello.", language: nil)
        let long = try await voice.speech(for: "Hello, this is a sentence that takes longer.", language: nil)
        #expect(short.format == .wav)
        let wave = try #require(WaveFile(short.bytes))
        #expect(wave.bytes == short.bytes)
        #expect(Array(short.bytes[4..<8]) == little(short.bytes.count - 8))
        #expect(Array(short.bytes[40..<44]) == little(short.bytes.count - 44))
        #expect(wave.samples.count > 5_000 && long.bytes.count > short.bytes.count * 2)
    }

    @Test("a program that writes a file speaks as well, in the language that was asked for")
    func espeakToFile() async throws {
        let voice = CommandTextToSpeech(["espeak-ng", "--stdin", "-v", "{language}", "-w", "{file}"], files: files)
        let german = try await voice.speech(for: "Guten Tag, ich heiße Ada.", language: "de")
        let english = try await voice.speech(for: "Guten Tag, ich heiße Ada.", language: nil)
        #expect(WaveFile(german.bytes) != nil && german != english)
        #expect(try leftFiles().isEmpty)
    }

    @Test("a text that looks like an option is spoken, not obeyed")
    func textIsNoOption() async throws {
        let voice = CommandTextToSpeech(["espeak-ng", "--stdin", "--stdout"], files: files)
        #expect(try await voice.speech(for: "--version", language: nil).format == .wav)
    }

    @Test("silence, other output and a missing program are errors that name the setting")
    func noSpeech() async throws {
        for (words, expected) in [
            (shell("true"), SpeechError.silent(program: "/bin/sh")),
            (shell("echo hello"), SpeechError.unknownForm(program: "/bin/sh")),
            (shell("printf 'RIFF....WAVE'"), SpeechError.unknownForm(program: "/bin/sh")),
        ] {
            await #expect(throws: expected) {
                try await CommandTextToSpeech(words, files: files).speech(for: "x", language: nil)
            }
            #expect(expected.description.contains("tts.command"))
        }
    }

    @Test("the form of audio is told by its first bytes")
    func forms() {
        #expect(AudioFormat(Array("RIFF\0\0\0\0WAVEfmt ".utf8)) == .wav)
        #expect(AudioFormat(Array("ID3\u{4}".utf8)) == .mp3)
        #expect(AudioFormat([0xFF, 0xFB, 0x90]) == .mp3)
        #expect(AudioFormat(Array("OggS".utf8)) == .ogg)
        for other in [[], [0xFF], [0xFF, 0xFF], [0xFF, 0xE0], Array("RIFF".utf8), Array("RIFF\0\0\0\0AVI ".utf8)] {
            #expect(AudioFormat(other).map { $0 == .mp3 } ?? true, "\(other)")
        }
        #expect(AudioFormat([0xFF, 0xE1]) == nil)
        #expect(AudioFormat(Array("RIFF\0\0\0\0AVI ".utf8)) == nil)
    }

    @Test("a WAVE file is taken apart and put together; one cut anywhere never crashes")
    func waves() throws {
        let wave = WaveFile(samples: [1, 2, 3, 4], rate: 16_000)
        #expect(WaveFile(wave.bytes) == wave)
        #expect(wave.bytes.count == 48)
        // A list of words between the layout and the samples, of an odd length.
        let withList =
            Array(wave.bytes[..<36]) + Array("LIST".utf8) + little(3) + [7, 7, 7, 0] + Array(wave.bytes[36...])
        #expect(WaveFile(withList) == wave)
        let endless = wave.endlessHeader + wave.samples
        #expect(WaveFile(endless) == wave)
        for length in 0..<withList.count { _ = WaveFile(Array(withList[..<length])) }
        for position in 0..<withList.count {
            var broken = withList
            broken[position] = 0xFF
            _ = WaveFile(broken)
        }
    }

    private func little(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
}
