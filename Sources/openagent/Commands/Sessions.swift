internal import ArgumentParser
internal import Wire

// Which conversations have I at an agent, and what was said in them? Everybody's own; the operator's are those of local
// shells. What changes a conversation is in SessionChanges.

struct Sessions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, read, name, pin, clear and remove your conversations, also those that were cleared.",
        subcommands: [
            List.self, Show.self, Messages.self, Title.self, Pin.self, Unpin.self, Clear.self, Remove.self,
            Archives.self, Archive.self,
        ])

    static let path = "/api/sessions"
    static let hint = "see: openagent sessions list"
    private static let archives = "/api/sessions/archives"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List your conversations, the most recently active first.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(Sessions.path, atMost: list.count(or: 200), as: SessionsBody.self)
            } show: { body in
                var table = Table(
                    "SESSION", "MESSAGES", "LAST ACTIVITY", "MODEL", "RUNNING", "WAITING", "TITLE",
                    texts: ["SESSION", "MODEL", "TITLE"])
                for session in body.sessions {
                    table.add(
                        session.sessionID, "\(session.messages)", timeText(session.lastActivity), session.model,
                        "\(session.running)", "\(session.waiting)", session.title)
                }
                table.show(empty: "You have no conversation here yet. Begin one with: openagent chat")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one conversation: its title, its model, what it has to do.",
            discussion: "What was said in it: openagent sessions messages.")

        @OptionGroup var session: OneSession

        func run() async throws {
            try await session.target.run {
                try await $0.get(session.path, as: SessionBody.self, hint: Sessions.hint)
            } show: { session in
                var facts = Facts()
                facts.add("Session", session.sessionID)
                facts.add("Title", session.title)
                facts.add("Messages", "\(session.messages)")
                facts.add("Model", session.model ?? "the default")
                facts.add("Compacted", session.folded ? "yes" : "no")
                facts.add("Running", "\(session.running)")
                facts.add("Waiting", "\(session.waiting)")
                facts.add("Since", timeText(session.createdAt))
                facts.add("Last activity", timeText(session.lastActivity))
                facts.show()
            }
        }
    }

    struct Messages: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what was said in a conversation.")

        @OptionGroup var session: OneSession
        @OptionGroup var page: Page

        func run() async throws {
            try await session.target.run {
                try await $0.pages(
                    session.path + "/messages", query: page.query, atMost: page.list.count(or: 100),
                    as: SessionMessagesBody.self, hint: Sessions.hint)
            } show: {
                page.show($0.messages, next: $0.next)
            }
        }
    }

    struct Archives: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the conversations that were cleared, newest first.")

        @OptionGroup var page: Page
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(
                    Sessions.archives, query: page.query, atMost: page.list.count(or: 100), as: ArchivesBody.self)
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
            try await target.run {
                try await $0.pages(
                    Administration.path(Sessions.archives, "\(id)"), query: page.query,
                    atMost: page.list.count(or: 100), as: ArchivedMessagesBody.self,
                    hint: "see: openagent sessions archives")
            } show: {
                page.show($0.messages, next: $0.next)
            }
        }
    }

    /// The conversation that a command is about.
    struct OneSession: ParsableArguments {
        @Argument(help: "The session's id, as in: openagent sessions list.")
        var session: String
        @OptionGroup var target: TargetOptions

        var path: String { Administration.path(Sessions.path, session) }
    }

    /// Which part of what is listed newest first is shown.
    struct Page: ParsableArguments {
        @OptionGroup var list: ListOptions
        @Option(help: ArgumentHelp("Only what came before this one.", valueName: "id"))
        var before: Int64?

        var query: [(name: String, value: String?)] { [("before", before.map(String.init))] }

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
