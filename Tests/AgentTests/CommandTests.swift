import Foundation
import Glibc
import Synchronization
import Testing

@testable import Agent

// Other programs run within bounds, inherit nothing and leave nothing behind.

@Suite struct CommandTests {
    @Test("a program gets its words as they are, its input, and gives its output")
    func echo() async throws {
        let words = try await shell(#"printf '%s|' "$@""#, "a b", "$HOME; rm -rf", "*").output()
        #expect(String(decoding: words, as: UTF8.self) == "a b|$HOME; rm -rf|*|")
        let input = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try await Command(["cat"], setting: "x").with(outputLimit: 400_000).output(input: input) == input)
    }

    @Test("output that a program leaves behind when it ends is read to its last byte")
    func wholeOutput() async throws {
        let command = shell("head -c 3000000 /dev/zero").with(outputLimit: 4_000_000)
        #expect(try await command.output().count == 3_000_000)
    }

    @Test("a program that does not want its input may leave it")
    func unreadInput() async throws {
        let output = try await shell("exec <&-; echo done").output(input: [UInt8](repeating: 1, count: 1 << 20))
        #expect(output == Array("done\n".utf8))
    }

    @Test("a missing program is an error that names it and the setting")
    func missing() async throws {
        for words in [["no-such-program-here"], ["/no/such/program"], []] {
            let error = await #expect(throws: CommandError.self) {
                try await Command(words, setting: "tts.command").output()
            }
            let text = try #require(error).description
            #expect(text.contains("tts.command") && text.contains(words.first ?? "''"), "\(text)")
        }
    }

    @Test("a program that fails says how, with the end of what it complained")
    func crash() async throws {
        let failed = await #expect(throws: CommandError.self) {
            try await shell("yes complaint | head -c 100000 >&2; printf '\\033[2Jlast words' >&2; exit 3").output()
        }
        let text = try #require(failed).description
        #expect(text.contains("status 3") && text.hasSuffix("last words") && !text.contains("\u{1B}"))
        #expect(text.utf8.count < 5000)
        let killed = await #expect(throws: CommandError.self) { try await shell("kill -SEGV $$").output() }
        #expect(try #require(killed).description.contains("signal 11"))
    }

    @Test("a flood ends at its bound, and the program with it")
    func flood() async throws {
        let home = try Scratch()
        await #expect(throws: CommandError.tooMuchOutput(program: "/bin/sh", limit: 100_000)) {
            try await shell("echo $$ > \(home.path)/pid; exec yes").with(outputLimit: 100_000).output()
        }
        #expect(try await home.isGone("pid"))
    }

    @Test("a program that hangs ends after its time, with its children, even when it does not listen to SIGTERM")
    func hang() async throws {
        let home = try Scratch()
        var command = shell(
            """
            trap '' TERM; sh -c 'trap "" TERM; echo $$ > \(home.path)/child; while :; do sleep 1; done' &
            echo $$ > \(home.path)/pid; while :; do sleep 1; done
            """)
        command.timeLimit = .milliseconds(500)
        let begin = ContinuousClock.now
        await #expect(throws: CommandError.tookTooLong(program: "/bin/sh", limit: .milliseconds(500))) {
            try await command.output()
        }
        let time = ContinuousClock.now - begin
        #expect(time > .seconds(2.2) && time < .seconds(15), "\(time)")
        #expect(try await home.isGone("pid"))
        #expect(try await home.isGone("child"))
    }

    @Test("cancelling ends the program and its children at once, and leaves no zombie")
    func cancellation() async throws {
        let home = try Scratch()
        let command = shell("sleep 1000 & echo $! > \(home.path)/child; echo $$ > \(home.path)/pid; echo on; wait")
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let task = Task { try await command.run { _ in start.yield() } }
        for await _ in started { break }
        let begin = ContinuousClock.now
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(ContinuousClock.now - begin < .seconds(1.5))
        #expect(try await home.isGone("pid"))
        #expect(try await home.isGone("child"))
    }

    @Test("a child that a program leaves behind does not live on")
    func leftBehind() async throws {
        let home = try Scratch()
        let output = try await shell(
            "sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > \(home.path)/child; echo ready"
        ).output()
        #expect(output == Array("ready\n".utf8))
        #expect(try await home.isGone("child"))
    }

    @Test("a program inherits no descriptor, no blocked signal, and of the environment only what every program needs")
    func inheritance() async throws {
        setenv("OPENAGENT_TEST_SECRET", "do not tell", 1)
        let leak = open("/dev/null", O_RDONLY)
        defer { close(leak) }
        let pair = socketPair()
        defer { for end in pair { close(end) } }
        var command = shell(
            "ls -1 /proc/self/fd | tr '\\n' ' '; echo; grep -E 'SigBlk|SigIgn' /proc/self/status; env; pwd")
        command.environment = ["EXTRA": "configured"]
        command.folder = "/tmp"
        let text = String(decoding: try await command.output(), as: UTF8.self)
        let lines = text.split(separator: "\n").map(String.init)
        // The fourth is the folder that `ls` itself reads.
        #expect(lines[0] == "0 1 2 3 ", "\(text)")
        #expect(lines.contains("SigBlk:\t0000000000000000"), "\(text)")
        // 32 and 33 are the C library's own, which nobody may set.
        let ignored = lines.first { $0.hasPrefix("SigIgn:") }?.split(separator: "\t").last.map(String.init)
        #expect(UInt64(ignored ?? "", radix: 16).map { $0 & ~0x1_8000_0000 } == 0, "\(text)")
        #expect(lines.contains("EXTRA=configured"))
        #expect(lines.last == "/tmp")
        #expect(!text.contains("OPENAGENT_TEST_SECRET"))
        let names = Set(lines.filter { $0.contains("=") }.map { String($0.prefix { $0 != "=" }) })
        // `PWD`, `OLDPWD`, `SHLVL` and `_` are the shell's own.
        #expect(
            names.subtracting(["PATH", "HOME", "LANG", "TMPDIR", "EXTRA", "PWD", "OLDPWD", "SHLVL", "_"]).isEmpty,
            "\(names)")
    }

    @Test("many programs at once and none is mixed up or left")
    func many() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<30 {
                group.addTask {
                    let output = try await Command(["cat"], setting: "x").output(input: Array("\(number)".utf8))
                    #expect(output == Array("\(number)".utf8))
                }
            }
            try await group.waitForAll()
        }
        var status: Int32 = 0
        #expect(waitpid(-1, &status, WNOHANG) <= 0, "a zombie was left")
    }

    private func shell(_ script: String, _ arguments: String...) -> Command {
        Command(["/bin/sh", "-c", script, "sh"] + arguments, setting: "test.command")
    }

    private func socketPair() -> [Int32] {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return ends
    }
}

extension Command {
    fileprivate func with(outputLimit: Int) -> Command {
        var command = self
        command.outputLimit = outputLimit
        return command
    }
}

/// A folder of one test, where programs write down who they are.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/voice-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Whether the process whose number stands in the file is gone, within a second.
    func isGone(_ file: String) async throws -> Bool {
        let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        let deadline = ContinuousClock.now + .seconds(1)
        while ContinuousClock.now < deadline {
            // Whoever was adopted by another process may be a zombie there for a moment.
            let state = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            guard let state, !state.contains(") Z ") else { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }
}
