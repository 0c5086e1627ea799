internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import JSON
internal import NIOHTTP1
internal import Wire

// How is all of the configuration changed at once, and how is it known whether a file is good? The editor shows YAML without
// comments and secrets; what is sent back changes only what differs, so the file keeps both.

extension Config {
    struct Edit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change the settings in $VISUAL or $EDITOR.",
            discussion:
                "Shows them without comments; those in the file stay. A mistake is shown at the top, and the editor opens "
                + "again; an empty text, or one that was not changed, ends it.")

        private static let mark = "#! "

        @OptionGroup var target: TargetOptions

        func run() async throws {
            let reply = try await target.ask { try await $0.raw(.GET, Config.path, hint: Config.hint) }
            let fields = try JSONDecoder().decode(JSONValue.self, from: Data(reply.body))
            let folder = FileManager.default.temporaryDirectory.appending(path: "openagent-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let file = folder.appending(path: "openagent.yaml")
            var text = fields == [:] ? "" : ConfigurationText.yaml(fields)
            do {
                while true {
                    try Data(text.utf8).write(to: file)
                    try Editor.open(file.path)
                    let edited = String(decoding: try Data(contentsOf: file), as: UTF8.self)
                    let isEmpty = edited.split(whereSeparator: \.isNewline).allSatisfy {
                        $0.hasPrefix(Self.mark) || $0.allSatisfy(\.isWhitespace)
                    }
                    guard edited != text, !isEmpty else {
                        try? FileManager.default.removeItem(at: folder)
                        return Output.write("Nothing was changed.\n")
                    }
                    do {
                        try await put(edited, reply.etag, file: file.path)
                        break
                    } catch let error as CommandError where error.kind == .usage {
                        text = reopened(edited, with: error.message)
                    } catch let error as ConfigurationError {
                        // The mistake takes a line of its own.
                        let line = (error.line ?? 1) + (edited.hasPrefix(Self.mark) ? 0 : 1)
                        text = reopened(edited, with: "line \(line): \(error.problem)")
                    }
                }
            } catch let error as CommandError {
                throw CommandError(
                    error.kind, error.message,
                    hint: "your text is kept in \(file.path); \(error.hint ?? Config.hint)")
            }
            try? FileManager.default.removeItem(at: folder)
        }

        private func put(_ text: String, _ etag: String?, file: String) async throws {
            let fields = try ConfigurationText.fields(text, file: file)
            try await target.run { agent in
                try await agent.put(
                    Config.path, bytes: Array(try JSONEncoder().encode(fields)), type: "application/json",
                    headers: etag.map { [("If-Match", $0)] } ?? [], as: ConfigurationChanged.self, hint: Config.hint)
            } show: { changed in
                Config.say("Changed the configuration.", changed)
            }
        }

        /// The text with what is wrong with it on its first line.
        private func reopened(_ text: String, with problem: String) -> String {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let own = lines.drop { $0.hasPrefix(Self.mark) }
            return Self.mark + Screen.plain(problem) + "\n" + own.joined(separator: "\n")
        }
    }

    struct Validate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say everything that is wrong with a file, or whether the agent's own is good.",
            discussion: "Exits with 0 when nothing is wrong, with 64 otherwise. A file is looked at here, with this "
                + "shell's environment.")

        @Argument(help: "A file; without it, the agent is asked how its own is.", completion: .file())
        var file: String?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            if let file { return try examine(file) }
            let health = try await target.ask { try await $0.get("/api/health", as: HealthBody.self).value.config }
            let line = health?.line.map { "line \($0): " } ?? ""
            try show(
                problems: health?.problem.map { ["openagent.yaml: \(line)\($0)"] } ?? [], warnings: [],
                good: "openagent.yaml is good.")
        }

        private func examine(_ file: String) throws {
            guard FileManager.default.fileExists(atPath: file) else {
                throw CommandError(.usage, "there is no file \(file)", hint: "name another one")
            }
            let folder = URL(filePath: file).deletingLastPathComponent().path
            let examination = AgentConfiguration.examine(
                AgentDirectory(folder), file: file, environment: AgentOptions.environment)
            try show(
                problems: examination.errors.map(\.description), warnings: examination.warnings,
                good: "\(file) is good.")
        }

        private func show(problems: [String], warnings: [String], good: String) throws {
            if target.json {
                struct Found: Encodable {
                    var ok: Bool
                    var problems: [String]
                    var warnings: [String]
                }
                let found = Found(ok: problems.isEmpty, problems: problems, warnings: warnings)
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                Output.write(Screen.json(String(decoding: try encoder.encode(found), as: UTF8.self)) + "\n")
            } else {
                for problem in problems { Output.write(Screen.plain(problem) + "\n") }
                for warning in warnings { Output.write("Note: \(Screen.plain(warning))\n") }
                if problems.isEmpty { Output.write(Screen.plain(good) + "\n") }
            }
            guard problems.isEmpty else { throw ExitCode(CommandError.Kind.usage.rawValue) }
        }
    }
}
