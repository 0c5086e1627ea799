import Foundation
import Glibc
import JSON
import TestProviders
import Testing

@testable import Agent

// Does a command of a model stay inside its walls? With the real bubblewrap.

@Suite struct ShellToolsTests {
    let place: TestPlace
    var folder: String { place.path + "/workspace" }

    init() throws { place = try TestPlace() }

    private func tools(_ jobs: ShellJobs = ShellJobs(), memory: Int = 1 << 30, program: String = "bwrap")
        -> BuiltinServer
    {
        ShellTools(
            sandbox: ShellSandbox(folder: folder, memory: memory, program: program), jobs: jobs, now: { 1_000 }
        ).server
    }

    private func execute(_ command: String, _ more: [String: JSONValue] = [:]) async throws -> JSONValue {
        try await tools().answer("shell_exec", more.merging(["command": .string(command)]) { $1 })
    }

    @Test("a command runs in the work folder and gives what it printed, and how it ended")
    func foreground() async throws {
        let done = try await execute("echo hello; pwd; echo oops >&2; echo 1 > made; exit 3")
        #expect(done["stdout"] == "hello\n/workspace\n" && done["stderr"] == "oops\n" && done["exit_code"] == 3)
        #expect(try String(contentsOfFile: folder + "/made", encoding: .utf8) == "1\n")
        let read = try await execute("mkdir -p in && cat; echo $WORD", ["stdin": "given\n", "env": ["WORD": "a b"]])
        #expect(read["stdout"] == "given\na b\n" && read["exit_code"] == 0)
        #expect(try await execute("pwd", ["cwd": "in"])["stdout"] == "/workspace/in\n")
        #expect(await tools().refusal("shell_exec", ["command": "pwd", "cwd": "../x"]).contains("no path of the work"))
    }

    @Test("P-32: a command reads no keys, writes nothing outside, and has no network")
    func walls() async throws {
        // What it would look for, where it would look.
        let key = place.path + "/identity.key"
        try Data("agent-key-text".utf8).write(to: URL(fileURLWithPath: key))
        let home = NSHomeDirectory()
        let environment = ProcessInfo.processInfo.environment
        try await TestSite.run({ _ in TestSite.Page("text/plain", "reached") }) { site in
            let tries = """
                cat \(key) ; cat ../identity.key ; cat \(home)/.ssh/* ; ls \(home) ; cat /etc/passwd /etc/shadow
                ls -d \(place.path) ; ls /root /home /var /run /sys
                touch /x /usr/x /etc/x /dev/x \(place.path)/x ; mkdir /new
                exec 3<>/dev/tcp/127.0.0.1/\(site.port) && echo connected
                exec 3<>/dev/tcp/1.1.1.1/80 && echo connected
                echo $$ ; ls -d /proc/[0-9]* | wc -l ; env
                kill -9 \(getpid()) && echo killed
                mount -t tmpfs none /mnt && echo mounted ; unshare -r true && echo unshared
                chmod 4755 /bin/sh && echo changed
                grep CapEff /proc/self/status ; grep NoNewPrivs /proc/self/status
                """
            let done = try await execute(tries)
            let output = try #require(done["stdout"]?.string)
            for word in [
                "agent-key-text", "root:", "connected", "reached", "killed", "mounted", "unshared", "changed",
                place.path, home + "/",
            ] {
                #expect(!output.contains(word), "\(word): \(output)")
            }
            #expect(output.contains("CapEff:\t0000000000000000") && output.contains("NoNewPrivs:\t1"), "\(output)")
            // Of our own environment nothing is known inside.
            let names = output.split(separator: "\n").compactMap { $0.split(separator: "=").first.map(String.init) }
            let ours = Set(environment.keys).subtracting([
                "PATH", "HOME", "LANG", "TMPDIR", "TERM", "PWD", "SHLVL", "_",
            ])
            #expect(ours.isDisjoint(with: names))
            #expect(site.questions.isEmpty)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).allSatisfy { $0 != "x" })
        #expect(access("/usr/x", F_OK) != 0 && access("/etc/x", F_OK) != 0)
    }

    @Test("P-32: a link in the work folder leads nowhere")
    func links() async throws {
        try Data("agent-key-text".utf8).write(to: URL(fileURLWithPath: place.path + "/identity.key"))
        _ = try await execute("ln -s ../identity.key a; ln -s / b; ln -s \(place.path)/identity.key c")
        let done = try await execute("cat a c b\(place.path)/identity.key; pwd", ["cwd": "."])
        #expect(done["stdout"] == "/workspace\n")
        let started = await tools().result("shell_exec", ["command": "pwd; ls", "cwd": "b"])
        #expect(!started.text.contains("identity.key"))
    }

    @Test("time, output and memory are bounded, and nothing is left of a command")
    func bounds() async throws {
        let start = ContinuousClock.now
        let late = try await execute("echo begun; sleep 1000 & sleep 1000", ["timeout": 500])
        #expect(late["timed_out"] == true && late["stdout"] == "begun\n")
        #expect(ContinuousClock.now - start < .seconds(10))
        let flood = try await execute("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end")
        let output = try #require(flood["stdout"]?.string)
        #expect(output.utf8.count == 1_000_000 && output.hasSuffix("x\nend\n"))
        #expect(flood["truncated_stdout"] == true && flood["truncated_stderr"] == false)
        let greedy = try await execute("ulimit -v unlimited; head -c 2000000000 /dev/zero | tail -c 1900000000 | wc -c")
        #expect(greedy["stdout"]?.string?.hasPrefix("1900000000") != true, "\(greedy)")
        let full = try await execute("head -c 400000000 /dev/zero > /tmp/x; stat -c %s /tmp/x")
        #expect((Int(full["stdout"]?.string?.dropLast() ?? "") ?? .max) <= 256 << 20)
    }

    @Test("stopping the call ends the command")
    func cancelled() async throws {
        let server = tools()
        // The command says that it runs by making a file.
        let task = Task { await server.result("shell_exec", ["command": "touch begun; sleep 1000; touch survived"]) }
        #expect(try await isThere(folder + "/begun"))
        let start = ContinuousClock.now
        task.cancel()
        let result = await task.value
        #expect(result.isError && ContinuousClock.now - start < .seconds(5))
    }

    @Test("a background command is read, written to, listed and ended by its own session only")
    func background() async throws {
        let jobs = ShellJobs()
        let server = tools(jobs)
        #expect(
            await server.refusal("shell_exec", ["command": "true", "run_in_background": true]).contains(
                "does not serve"))
        let service = Task { await jobs.run() }
        while await !jobs.isServing { await Task.yield() }
        let started = try await server.answer(
            "shell_exec", ["command": "while read x; do echo got $x; done", "run_in_background": true])
        let id = try #require(started["shell_id"])
        #expect(id.string?.hasPrefix("sh_") == true && id.string?.count == 9)
        _ = try await server.answer("shell_input", ["shell_id": id, "text": "one"])
        var seen = ""
        let deadline = ContinuousClock.now + .seconds(10)
        while !seen.contains("got one\n"), ContinuousClock.now < deadline {
            seen += try await server.answer("shell_output", ["shell_id": id])["stdout"]?.string ?? ""
            await Task.yield()
        }
        #expect(seen == "got one\n")
        #expect(try await server.answer("shell_output", ["shell_id": id])["stdout"] == "")
        let all = try await server.answer("shell_output", ["shell_id": id, "since_last": false, "filter": "one"])
        #expect(all["stdout"] == "got one" && all["status"] == "running")
        for tool in ["shell_output", "shell_kill"] {
            #expect(await server.refusal(tool, ["shell_id": id], session: "other").contains("runs no command"))
        }
        #expect(try await server.answer("shell_list", session: "other")["shells"] == [])
        #expect(try await server.answer("shell_list")["shells"]?.list.count == 1)
        let ended = try await server.answer("shell_kill", ["shell_id": id])
        #expect(ended["status"] == "killed")
        #expect(try await server.answer("shell_kill", ["shell_id": id])["status"] == "killed")
        _ = try await server.answer(
            "shell_exec", ["command": "touch begun; sleep 1000", "run_in_background": true])
        #expect(try await isThere(folder + "/begun"))
        service.cancel()
        await service.value
        let left = try await server.answer("shell_list")["shells"]?.list ?? []
        #expect(left.count == 2 && left.allSatisfy { $0["status"] == "killed" })
    }

    @Test("without walls nothing runs: bubblewrap is required", arguments: ["no-such-bwrap", "/bin/false"])
    func required(_ program: String) async throws {
        let words = await tools(program: program).refusal("shell_exec", ["command": "touch ran"])
        #expect(words.contains("no command runs here: bubblewrap"), "\(words)")
        #expect(access(folder + "/ran", F_OK) != 0)
        #expect(await ShellSandbox(folder: folder, program: program).problem() != nil)
        #expect(await ShellSandbox(folder: folder).problem() == nil)
    }

    @Test("only administrators' turns run commands")
    func admins() async throws {
        #expect(await tools().tools().allSatisfy(\.needsAdmin))
        #expect(
            await tools().refusal("shell_exec", ["command": "true"], isAdmin: false).contains("only administrators"))
    }

    private func isThere(_ path: String) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            if access(path, F_OK) == 0 { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }
}
