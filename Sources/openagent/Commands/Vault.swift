internal import ArgumentParser
internal import Foundation
internal import Wire

// What does the agent remember? Its notes from the command line: the same requests whether the agent runs here, is stopped, or
// is somewhere else. Changing commands are in VaultChanges.

struct Vault: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read, search and change the agent's notes.",
        subcommands: [
            List.self, Read.self, Write.self, Edit.self, Delete.self, Move.self, Search.self, Graph.self,
            Backlinks.self, Tags.self, Reindex.self,
        ])

    static let hint = "see: openagent vault list"

    /// Where a file of the vault is asked for. The path's own slashes stay.
    static func note(_ path: String, query: [(name: String, value: String?)] = []) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return Administration.path(
            parts.reduce("/api/vault/notes") { Administration.path($0, String($1)) }, query: query)
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the notes in the order of their paths.", aliases: ["ls"])

        @Argument(help: "Only notes whose path begins so, e.g. House/")
        var prefix: String?
        @Option(help: ArgumentHelp("Only notes with this tag, or one below it.", valueName: "tag"))
        var tag: String?
        @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
        var limit = Int.max
        @OptionGroup var target: TargetOptions

        func validate() throws {
            if limit < 1 { throw ValidationError("--limit is at least 1") }
        }

        func run() async throws {
            try await target.run { agent in
                var notes: [NoteBody] = []
                var cursor: String?
                repeat {
                    let page = try await patiently {
                        try await agent.get(
                            Administration.path(
                                "/api/vault/notes",
                                query: [
                                    ("limit", "\(min(1000, limit - notes.count))"), ("cursor", cursor),
                                    ("prefix", prefix), ("tag", tag),
                                ]), as: NotesBody.self, hint: Vault.hint)
                    }
                    notes += page.value.notes
                    cursor = page.value.nextCursor
                } while cursor != nil && notes.count < limit
                return try Administration.answer(NotesBody(notes: notes, nextCursor: cursor))
            } show: { body in
                Vault.table(body.notes).show(empty: "There is no such note. Write one with: openagent vault write")
            }
        }
    }

    struct Read: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a note as it is, or any other file.", aliases: ["cat"])

        @Argument(help: "The note's path, e.g. House/Router.md")
        var path: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            if target.json {
                return try await target.run {
                    try await $0.get(Vault.note(path), as: NoteContentBody.self, hint: Vault.hint)
                } show: { _ in
                }
            }
            let reply = try await target.ask {
                try await $0.raw(.GET, Vault.note(path, query: [("raw", "true")]), hint: Vault.hint)
            }
            guard Screen.isTerminal else { return Output.write(reply.body, to: .standardOutput) }
            guard let text = String(validating: reply.body, as: UTF8.self) else {
                throw CommandError(
                    .usage, "\(path) is no text", hint: "write it to a file with: openagent vault read … > FILE")
            }
            Output.write(Screen.lines(text))
            if text.last?.isNewline == false { Output.write("\n") }
        }
    }

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find notes by their words, best first.",
            discussion:
                "Notes with all of the words are found, else those with some. Other forms of a word count as well.")

        @Argument(help: "What to look for.")
        var words: [String]
        @Option(help: ArgumentHelp("Only notes with this tag, or one below it.", valueName: "tag"))
        var tag: String?
        @Option(help: ArgumentHelp("Only notes whose path begins so.", valueName: "prefix"))
        var path: String?
        @Option(help: ArgumentHelp("At most so many, up to 100.", valueName: "n"))
        var limit = 20
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let request = Administration.path(
                "/api/vault/search",
                query: [("q", words.joined(separator: " ")), ("tag", tag), ("path", path), ("limit", "\(limit)")])
            try await target.run { agent in
                try await patiently { try await agent.get(request, as: NoteSearchBody.self, hint: Vault.hint) }
            } show: { body in
                if body.results.isEmpty, Screen.isTerminal { Output.write("No note speaks of that.\n") }
                for result in body.results {
                    Output.write(Screen.plain(result.path) + "\n")
                    let snippet = result.snippet.split(whereSeparator: \.isNewline).joined(separator: " ")
                    Output.write("    " + Screen.plain(snippet) + "\n")
                }
            }
        }
    }

    struct Graph: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which note links to which, one link a line.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                try await patiently { try await agent.get("/api/vault/graph", as: NoteGraphBody.self) }
            } show: { body in
                var table = Table("NOTE", "LINKS TO", texts: ["NOTE", "LINKS TO"])
                for edge in body.edges { table.add(edge.source, edge.target) }
                table.show(empty: "No note links to another one.")
            }
        }
    }

    struct Backlinks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the notes that link to one.")

        @Argument(help: "The note's path.")
        var path: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                try await patiently {
                    try await agent.pages(
                        "/api/vault/backlinks", query: [("path", path)], atMost: .max, as: BacklinksBody.self,
                        hint: Vault.hint)
                }
            } show: { body in
                Vault.table(body.backlinks).show(empty: "No note links to it.")
            }
        }
    }

    struct Tags: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tags, the most used first.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                try await patiently { try await agent.pages("/api/vault/tags", atMost: .max, as: NoteTagsBody.self) }
            } show: { body in
                var table = Table("TAG", "NOTES", texts: ["TAG"])
                for tag in body.tags { table.add(tag.tag, "\(tag.count)") }
                table.show(empty: "No note has a tag.")
            }
        }
    }

    struct Reindex: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read all notes anew into the index that is searched.",
            discussion: "The agent does so by itself when the index is lost or damaged; no note is changed by it.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { agent in
                let begun = try await agent.post(
                    "/api/vault/reindex", [String: String](), as: NotesReindexed.self)
                // It is done when a list can be had.
                _ = try await patiently {
                    try await agent.get(
                        Administration.path("/api/vault/notes", query: [("limit", "1")]), as: NotesBody.self)
                }
                return begun
            } show: { body in
                print("Read \(body.notes) note\(body.notes == 1 ? "" : "s") anew.")
            }
        }
    }

    private static func table(_ notes: [NoteBody]) -> Table {
        var table = Table("PATH", "TITLE", "TAGS", "MODIFIED", "BYTES", texts: ["TITLE", "TAGS"])
        for note in notes {
            table.add(
                note.path, note.title, note.tags.joined(separator: ", "), timeText(note.modified), "\(note.size)")
        }
        return table
    }

    /// Asks again as long as the agent says that it still reads its notes, and shows how far it is.
    private static func patiently<R: Sendable>(_ work: () async throws -> R) async throws -> R {
        for _ in 0..<120 {
            do { return try await work() } catch let error as CommandError {
                guard error.kind == .unreachable, error.message.hasPrefix("the notes are still being read") else {
                    throw error
                }
                Output.writeError(Screen.plain(error.message.prefix { $0 != ":" } + "") + "\n")
            }
            try await Task.sleep(for: .seconds(1))
        }
        return try await work()
    }
}
