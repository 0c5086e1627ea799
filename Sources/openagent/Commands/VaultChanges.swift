internal import ArgumentParser
internal import Foundation
internal import NIOHTTP1
internal import Wire

// How are notes changed from the command line? Written from a file or standard input, edited in the user's editor, moved with
// their links, deleted. What somebody else changed meanwhile is never overwritten unasked.

extension Vault {
    /// The largest file that is sent, in bytes. The agent has its own, lower bounds.
    private static let largest = 64 << 20

    struct Write: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a note, or any other file, from a file or standard input.", aliases: ["put"])

        @Argument(help: "The note's path, e.g. House/Router.md. Folders are made.")
        var path: String
        @Argument(help: "What to write; without it, standard input.", completion: .file())
        var file: String?
        @Flag(help: "Only if there is no such note yet.")
        var new = false
        @Option(help: ArgumentHelp("Only if the note is still the one with this etag.", valueName: "etag"))
        var ifMatch: String?
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if new, ifMatch != nil { throw ValidationError("--new and --if-match exclude each other") }
        }

        func run() async throws {
            let content = try content()
            var headers: [(String, String)] = new ? [("If-None-Match", "*")] : []
            if let ifMatch { headers.append(("If-Match", Vault.quoted(ifMatch))) }
            try await target.run {
                try await Vault.put(content, to: path, headers, through: $0)
            } show: { body in
                print("\(body.created ? "Made" : "Changed") \(Screen.plain(body.path)).")
            }
        }

        private func content() throws -> [UInt8] {
            let handle: FileHandle
            let unreadable = CommandError(
                .usage, "\(file ?? "standard input") cannot be read",
                hint: "name a file, or leave it out for standard input")
            if let file {
                guard let opened = FileHandle(forReadingAtPath: file) else { throw unreadable }
                handle = opened
            } else {
                if isatty(STDIN_FILENO) == 1 { Output.writeError("Write the note; end with Ctrl-D.\n") }
                handle = .standardInput
            }
            let data: Data
            do { data = try handle.read(upToCount: Vault.largest + 1) ?? Data() } catch { throw unreadable }
            guard data.count <= Vault.largest else {
                throw CommandError(.usage, "that is more than \(Vault.largest >> 20) MiB", hint: "write a smaller file")
            }
            return Array(data)
        }
    }

    struct Edit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Edit a note in $VISUAL or $EDITOR; a note that is not there is made.")

        @Argument(help: "The note's path.")
        var path: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let (text, etag) = try await current()
            let folder = FileManager.default.temporaryDirectory.appending(path: "openagent-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let name = path.split(separator: "/").last.map(String.init) ?? "note.md"
            let file = folder.appending(path: name)
            try Data(text.utf8).write(to: file)
            try Editor.open(file.path)
            let edited = Array(try Data(contentsOf: file))
            guard edited != Array(text.utf8) else {
                try? FileManager.default.removeItem(at: folder)
                return Output.write("Nothing was changed.\n")
            }
            do {
                try await target.run {
                    try await Vault.put(
                        edited, to: path, [etag.map { ("If-Match", $0) } ?? ("If-None-Match", "*")], through: $0)
                } show: {
                    print("\($0.created ? "Made" : "Changed") \(Screen.plain($0.path)).")
                }
            } catch let error as CommandError {
                throw CommandError(
                    error.kind, error.message,
                    hint: "your text is kept in \(file.path); \(error.hint ?? "write it with: openagent vault write")")
            }
            try? FileManager.default.removeItem(at: folder)
        }

        private func current() async throws -> (text: String, etag: String?) {
            try await target.ask { agent in
                let reply = try await agent.exchange(.GET, Vault.note(path))
                if reply.status == 404 { return ("", nil) }
                guard reply.status == 200 else { throw CommandError(refusal: reply, hint: Vault.hint) }
                let note = try JSONDecoder().decode(NoteContentBody.self, from: Data(reply.body))
                return (note.content, note.etag)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a note for good.", aliases: ["rm"])

        @Argument(help: "The note's path.")
        var path: String
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try Confirmation.ask("Delete \(path) for good?", given: yes)
            try await target.run {
                try await $0.delete(Vault.note(path), as: NoteDeleted.self, hint: Vault.hint)
            } show: {
                print("Deleted \(Screen.plain($0.path)).")
            }
        }
    }

    struct Move: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a note another path; links to it in other notes follow.", aliases: ["mv"])

        @Argument(help: "The note's path.")
        var from: String
        @Argument(help: "Its new path, or a folder with a / at its end. Folders are made.")
        var to: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.post(
                    "/api/vault/move", NoteMove(from: from, to: destination), as: NoteMoved.self, hint: Vault.hint)
            } show: { body in
                print("Moved to \(Screen.plain(body.to)).")
                for path in body.rewritten { print("Rewrote its links in \(Screen.plain(path)).") }
            }
        }

        private var destination: String {
            guard to.hasSuffix("/"), let name = from.split(separator: "/").last else { return to }
            return to + name
        }
    }

    fileprivate static func put(
        _ content: [UInt8], to path: String, _ headers: [(String, String)], through agent: Administration
    ) async throws -> Administration.Answer<NoteWritten> {
        try await agent.put(
            note(path), bytes: content, type: "application/octet-stream", headers: headers, as: NoteWritten.self,
            hint: "see what is there now with: openagent vault read \(path)")
    }

    /// An etag as the protocol writes it, however somebody copied it.
    private static func quoted(_ tag: String) -> String { tag == "*" || tag.hasPrefix("\"") ? tag : "\"\(tag)\"" }
}
