internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import JSON
internal import NIOHTTP1
internal import Wire

// How is the agent set? Its `openagent.yaml` from the command line: read and changed by the same requests whether the agent
// runs here, is stopped, or is somewhere else. Editing all of it is in ConfigEdit.

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read and change the agent's settings (openagent.yaml).",
        discussion: "Secrets are shown as [redacted]; written back like that, they stay as they are. Admins only.",
        subcommands: [Get.self, Set.self, Unset.self, Edit.self, Validate.self, Path.self])

    static let path = "/api/config"
    static let hint = "see: openagent config get"

    /// A key in a section, e.g. `limits.file_size`.
    struct KeyPath: ExpressibleByArgument {
        let text: String
        let parts: [String]
        /// The outermost key.
        var section: String { parts[0] }

        init?(argument: String) {
            text = argument
            parts = argument.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            if parts.contains("") { return nil }
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print all settings that are made, or one.",
            discussion: "References such as ${NAME} are printed as they stand in the file.")

        @Argument(help: ArgumentHelp("Which, e.g. limits.file_size; without it, all.", valueName: "key.path"))
        var key: KeyPath?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                let all = try await agent.get(Config.path, as: JSONValue.self, hint: Config.hint)
                guard let key else { return all }
                var value = all.value
                for part in key.parts {
                    guard let inner = value[part] else {
                        throw CommandError(
                            .usage, "'\(key.text)' is not set",
                            hint: "if it is a setting, its default holds; what is set shows: openagent config get")
                    }
                    value = inner
                }
                return try Administration.answer(value)
            } show: { value in
                Output.write(Screen.lines(ConfigurationText.yaml(value)))
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set one key; everything else in the file stays as it is.",
            discussion:
                "The value is JSON (5, true, [1, 2]) or else a text. What nobody else should see in a list of processes "
                + "comes from standard input with --stdin, or stays out of the file: ${NAME}, {env:NAME}, {file:path}.")

        @Argument(help: ArgumentHelp("Which, e.g. limits.file_size.", valueName: "key.path"))
        var key: KeyPath
        @Argument(help: "Its value; left out with --stdin.")
        var value: String?
        @Flag(help: "Read the value from standard input, to its first line break.")
        var stdin = false
        @Flag(help: "The value is a text, whatever it looks like.")
        var text = false
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if stdin == (value != nil) { throw ValidationError("give a value, or --stdin") }
        }

        func run() async throws {
            let typed = try value ?? Self.typed()
            let value = text ? .string(typed) : Config.value(typed)
            if value == .null {
                throw CommandError(
                    .usage, "null is no value",
                    hint: "openagent config unset \(key.text); or --text, if that is the word")
            }
            try await target.run {
                try await Config.change(key, to: value, through: $0)
            } show: { changed in
                Config.say("Set \(key.text).", changed)
            }
        }

        private static func typed() throws -> String {
            guard isatty(STDIN_FILENO) == 0 else {
                return try PasswordPrompt.ask("Value: ")
            }
            let data = try FileHandle.standardInput.read(upToCount: 1 << 20) ?? Data()
            guard let text = String(validating: data, as: UTF8.self) else {
                throw CommandError(.usage, "standard input is not UTF-8 text")
            }
            return text.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init) ?? ""
        }
    }

    struct Unset: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove one key, so that its default holds.")

        @Argument(help: ArgumentHelp("Which, e.g. limits.file_size, or a whole section.", valueName: "key.path"))
        var key: KeyPath
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await Config.change(key, to: nil, through: $0)
            } show: { changed in
                Config.say("Removed \(key.text).", changed)
            }
        }
    }

    struct Path: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print where the file is on the agent's machine.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                let about = try await agent.get("/api/agent-info", as: AgentInformation.self)
                return try Administration.answer(["path": about.value.agentDirectory + "/openagent.yaml"])
            } show: { body in
                Output.write(Screen.plain(body["path"] ?? "") + "\n")
            }
        }
    }

    // MARK: Parts

    /// JSON, or else a text.
    static func value(_ text: String) -> JSONValue {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else { return .string(text) }
        return value
    }

    /// Puts one value at its place. What somebody else changes meanwhile is not lost: then it is tried again.
    ///
    /// - Parameter value: nil: the key goes.
    static func change(
        _ key: KeyPath, to value: JSONValue?, through agent: Administration
    ) async throws -> Administration.Answer<ConfigurationChanged> {
        for attempt in 1... {
            let reply = try await agent.raw(.GET, path, hint: hint)
            let all = try JSONDecoder().decode(JSONValue.self, from: Data(reply.body))
            let section = try changed(all[key.section], key.parts.dropFirst(), to: value, key)
            let answer = try await agent.send(
                AdministrationRequest(
                    method: .PATCH, path: Administration.path(path, key.section),
                    body: Array(try JSONEncoder().encode(section ?? .null)),
                    headers: reply.etag.map { [("If-Match", $0)] } ?? []),
                accepting: attempt < 5 ? 412 : nil, as: ConfigurationChanged.self, hint: hint)
            if let answer { return answer }
        }
        throw CommandError(.failed, "the configuration could not be changed")
    }

    /// A section with one value in it changed; nil when nothing of it is left.
    private static func changed(
        _ old: JSONValue?, _ parts: ArraySlice<String>, to value: JSONValue?, _ key: KeyPath
    ) throws -> JSONValue? {
        guard let part = parts.first else {
            if value == nil, old == nil {
                throw CommandError(.usage, "'\(key.text)' is not set", hint: hint)
            }
            return value
        }
        var fields: [String: JSONValue] = [:]
        switch old {
        case .object(let inner)?: fields = inner
        case nil, .null?: break
        default:
            throw CommandError(
                .usage, "'\(key.text)' can't be set: what stands above it has no keys", hint: hint)
        }
        fields[part] = try changed(fields[part], parts.dropFirst(), to: value, key)
        if fields.isEmpty { return .none }
        return .some(.object(fields))
    }

    static func say(_ done: String, _ changed: ConfigurationChanged) {
        var lines = [done]
        lines += changed.warnings.map { "Note: \($0)." }
        if changed.restartRequired {
            lines.append("After a restart: \(changed.restartKeys.joined(separator: ", ")) (openagent restart).")
        }
        for line in lines { Output.write(Screen.plain(line) + "\n") }
    }
}
