import Foundation
import Glibc
import JSON
import Testing

@testable import Agent
@testable import Store

// A program that answers a turn: what it gets, what it does not get, and how it ends. Small shell scripts play the part.

@Suite struct CommandModelTests {
    /// A folder with a program in it.
    struct Stage: Sendable {
        let scratch: Scratch
        var folder: String { scratch.path }

        init() throws { scratch = try Scratch() }

        func script(_ text: String, name: String = "agent") throws -> String {
            let path = folder + "/" + name
            try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
            chmod(path, 0o755)
            return path
        }

        func text(_ name: String) throws -> String {
            try String(contentsOfFile: folder + "/" + name, encoding: .utf8)
        }

        func model(_ script: String, _ settings: [String: JSONValue] = [:], key: String? = nil) throws
            -> any LanguageModel
        {
            var metadata = settings
            if metadata["command"] == nil { metadata["command"] = [.string(try self.script(script)), "{model}"] }
            return try TestRow.factory(folder: folder + "/work").model(
                for: TestRow.model(
                    "house", nil, key: key, model: "opus", framework: "command",
                    metadata: String(decoding: JSONValue.object(metadata).bytes, as: UTF8.self)))
        }
    }

    let request = ModelRequest(model: "opus", system: "Be brief.", messages: [.user("The secret question?")])

    @Test(
        "the conversation comes on standard input and nowhere else, in a folder of its own, with no variable of the agent's"
    )
    func whatItGets() async throws {
        setenv("OPENAGENT_TEST_API_KEY", "sk-of-the-agent", 1)
        let stage = try Stage()
        let told = Told()
        let model = try stage.model(
            #"cat > ../stdin; printf '%s ' "$@" > ../argv; env > ../env; pwd > ../pwd; printf 'Grüße '; printf 'yes'"#,
            ["key_variable": "HOUSE_KEY", "environment": ["MODE": "quiet"]], key: "sk-house-0123456789")
        let reply = try await model.reply(to: request, emit: told.tell)
        #expect(reply == ModelReply(text: "Grüße yes") && told.text == "Grüße yes")
        #expect(try stage.text("stdin") == "<instructions>\nBe brief.\n</instructions>\n\nThe secret question?")
        #expect(try stage.text("argv") == "opus ")
        let variables = try stage.text("env").split(separator: "\n").map { String($0.prefix { $0 != "=" }) }
        let known: Set = ["HOUSE_KEY", "MODE", "PATH", "HOME", "LANG", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"]
        #expect(Set(variables).isSubset(of: known) && variables.contains("HOUSE_KEY"), "\(variables)")
        #expect(try stage.text("env").contains("HOUSE_KEY=sk-house-0123456789\n"))
        #expect(try stage.text("pwd").hasSuffix("/work\n"))
        var status = stat()
        #expect(stat(stage.folder + "/work", &status) == 0 && status.st_mode & 0o777 == 0o700)
    }

    @Test("what was said before is told, too")
    func prompt() {
        let request = ModelRequest(
            model: "m",
            messages: [
                .user("A"), .assistant("B", calls: [ToolCall(id: "1", name: "t", arguments: "{}")]),
                .tool(callID: "1", name: "t", ToolResult("C")), .user("D"),
            ])
        #expect(
            CommandModel.prompt(request)
                == "<user>\nA\n</user>\n\n<assistant>\nB\n(used t)\n</assistant>\n\n<result of=\"t\">\nC\n</result>\n\nD"
        )
    }

    @Test("lines of JSON are understood when the row says so")
    func json() async throws {
        let stage = try Stage()
        let told = Told()
        let line = #"{"type":"result","is_error":false,"result":"Hi","usage":{"input_tokens":3,"output_tokens":2}}"#
        let model = try stage.model("cat >/dev/null; echo '\(line)'", ["output": "stream-json"])
        #expect(
            try await model.reply(to: request, emit: told.tell)
                == ModelReply(text: "Hi", inputTokens: 3, outputTokens: 2))
        #expect(told.all == ["Hi"])
    }

    @Test("a program that fails is an error with the last line of its complaints, without its key")
    func failure() async throws {
        let stage = try Stage()
        let model = try stage.model(
            "cat >/dev/null; echo first >&2; echo \"last $HOUSE_KEY\" >&2; exit 3", ["key_variable": "HOUSE_KEY"],
            key: "sk-house-0123456789")
        let error = await #expect(throws: ModelError.self) { try await model.reply(to: request) { _ in } }
        guard case .unavailable(let text)? = error else { return #expect(Bool(false), "\(error as Any)") }
        #expect(text.hasSuffix("ended with status 3: last [redacted]"), "\(text)")
        let missing = try stage.model("", ["command": ["no-such-program-here"]])
        guard
            case .rejected(let reason)? = await #expect(
                throws: ModelError.self, performing: { try await missing.reply(to: request) { _ in } })
        else { return #expect(Bool(false)) }
        #expect(reason.contains("no-such-program-here") && reason.contains("metadata.command"))
    }

    @Test("whoever stops it ends the program with its children, and so does its time limit")
    func ending() async throws {
        let stage = try Stage()
        let script = "sleep 600 & echo $! > ../child; echo started; wait"
        let model = try stage.model(script)
        let (first, came) = AsyncStream.makeStream(of: Void.self)
        let asking = Task { [request] in try await model.reply(to: request) { _ in came.yield() } }
        for await _ in first { break }
        asking.cancel()
        await #expect(throws: CancellationError.self) { try await asking.value }
        #expect(try await stage.scratch.isGone("child"))
        let short = try stage.model(script, ["timeout_seconds": 1])
        let error = await #expect(throws: ModelError.self) { try await short.reply(to: request) { _ in } }
        guard case .unavailable? = error else { return #expect(Bool(false), "\(error as Any)") }
        #expect(try await stage.scratch.isGone("child"))
    }

    @Test(
        "a row that says no program is refused",
        arguments: [
            "{}", #"{"command":[]}"#, #"{"command":[""]}"#, #"{"command":[1]}"#, #"{"command":"a 'b"}"#,
            #"{"command":3}"#,
            #"{"command":["a"],"output":"xml"}"#, #"{"command":["a"],"environment":{"A B":"x"}}"#,
            #"{"command":["a"],"environment":["x"]}"#, #"{"command":["a"],"key_variable":"a b"}"#,
            #"{"command":["a"],"timeout_seconds":0}"#, #"{"command":["a"],"timeout_seconds":"x"}"#,
        ])
    func refused(_ metadata: String) {
        let row = TestRow.model("house", nil, framework: "command", metadata: metadata)
        #expect(throws: RegistryError.self) { try AgentProgram.Settings(row.provider) }
        #expect(throws: ModelError.self) { try TestRow.factory().model(for: row) }
    }

    @Test("programs that are known by name need no command line")
    func known() throws {
        let claude = try AgentProgram(
            TestRow.model("claude", nil, framework: "command").provider, model: "opus", key: nil)
        #expect(claude.words.starts(with: ["claude", "-p"]) && claude.words.last == "opus" && claude.output == .json)
        let line = try AgentProgram(
            TestRow.model("x", nil, framework: "command", metadata: #"{"command":"codex exec '-'"}"#).provider,
            model: "m",
            key: nil)
        #expect(line.words == ["codex", "exec", "-"] && line.output == .text)
    }
}
