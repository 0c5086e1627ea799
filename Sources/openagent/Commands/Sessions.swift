internal import ArgumentParser
internal import Wire

// Which conversations have I at an agent, and what was said in them? Everybody's own; the operator's are those of local
// shells.

struct Sessions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, read and clear your conversations, also those that were cleared.",
        subcommands: [List.self, Show.self, Clear.self, Archives.self, Archive.self])

    fileprivate static let path = "/api/sessions"
    fileprivate static let archives = "/api/sessions/archives"
    fileprivate static let hint = "see: openagent sessions list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List your conversations, the most recently active first.")

        @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
        var limit = 200
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get(
                    Administration.path(Sessions.path, query: [("limit", "\(limit)")]), as: SessionsBody.self)
            } show: { body in
                var table = Table(
                    "SESSION", "MESSAGES", "LAST ACTIVITY", "MODEL", "RUNNING", "WAITING", texts: ["SESSION", "MODEL"])
                for session in body.sessions {
                    table.add(
                        session.sessionID, "\(session.messages)", timeText(session.lastActivity), session.model,
                        "\(session.running)", "\(session.waiting)")
                }
                table.show(empty: "You have no conversation here yet. Begin one with: openagent chat")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what was said in a conversation.")

        @Argument(help: "The session's id, as in: openagent sessions list.")
        var session: String
        @OptionGroup var page: Page
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let path = page.path(Administration.path(Sessions.path, session) + "/messages")
            try await target.run {
                try await $0.get(path, as: SessionMessagesBody.self, hint: Sessions.hint)
            } show: {
                page.show($0.messages, next: $0.next)
            }
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop what runs and waits in a conversation, and put it into the archive.")

        @Argument(help: "The session's id, as in: openagent sessions list.")
        var session: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.post(
                    Administration.path(Sessions.path, session) + "/clear", [String: String](), as: ClearedSession.self,
                    hint: Sessions.hint)
            } show: { cleared in
                let what = "Cleared \(Screen.plain(cleared.sessionID))"
                print(
                    cleared.archived
                        ? what + "; what was said is in the archive: openagent sessions archives"
                        : what + ": nothing was said in it.")
            }
        }
    }

    struct Archives: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the conversations that were cleared, newest first.")

        @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
        var limit = 100
        @Option(help: ArgumentHelp("Only those before this one.", valueName: "id"))
        var before: Int64?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let path = Administration.path(
                Sessions.archives, query: [("limit", "\(limit)"), ("before", before.map(String.init))])
            try await target.run {
                try await $0.get(path, as: ArchivesBody.self)
            } show: { body in
                var table = Table("ID", "CLEARED", "SESSION", "MESSAGES", "BEGINS", texts: ["SESSION", "BEGINS"])
                for archive in body.archives {
                    table.add(
                        "\(archive.id)", timeText(archive.archivedAt), archive.sessionID, "\(archive.messages)",
                        archive.opening)
                }
                table.show(empty: "No conversation of yours was cleared.")
                if let next = body.next, Screen.isTerminal { Output.write("Older ones: --before \(next)\n") }
            }
        }
    }

    struct Archive: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what was said in a conversation that was cleared.")

        @Argument(help: "The archive's id, as in: openagent sessions archives.")
        var id: Int64
        @OptionGroup var page: Page
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let path = page.path(Administration.path(Sessions.archives, "\(id)"))
            try await target.run {
                try await $0.get(path, as: ArchivedMessagesBody.self, hint: "see: openagent sessions archives")
            } show: {
                page.show($0.messages, next: $0.next)
            }
        }
    }

    /// Which part of a transcript is shown.
    struct Page: ParsableArguments {
        @Option(help: ArgumentHelp("The last so many messages.", valueName: "n"))
        var limit = 100
        @Option(help: ArgumentHelp("Only what was said before this message.", valueName: "id"))
        var before: Int64?

        func path(_ path: String) -> String {
            Administration.path(path, query: [("limit", "\(limit)"), ("before", before.map(String.init))])
        }

        func show(_ messages: [TranscriptMessageBody], next: Int64?) {
            if let next { Output.writeError("Earlier messages: --before \(next)\n") }
            for message in messages {
                let mark = message.interrupted ? " (stopped)" : ""
                Output.write("\(timeText(message.at)) \(Screen.plain(message.role))\(mark)\n")
                Output.write(Screen.lines(message.text) + "\n\n")
            }
            if messages.isEmpty, Screen.isTerminal { Output.write("Nothing was said in it.\n") }
        }
    }
}
