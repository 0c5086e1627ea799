internal import ArgumentParser
internal import Wire

// How is a conversation named, bound to a model, put away? Nothing of what was said is lost by any of these.

extension Sessions {
    struct Title: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a conversation a title; without one, take its title away.")

        @OptionGroup var session: OneSession
        @Argument(help: "1 to 200 characters.")
        var title: String?

        func run() async throws {
            try await session.target.run {
                try await $0.patch(
                    session.path, SessionPatch(title: title), as: SessionBody.self, hint: Sessions.hint)
            } show: { session in
                let name = Screen.plain(session.sessionID)
                print(
                    session.title.map { "\(name) is called \(Screen.plain($0)) now." } ?? "\(name) has no title now.")
            }
        }
    }

    struct Pin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let one model answer in a conversation, also after a restart.")

        @OptionGroup var session: OneSession
        @Argument(help: "The model's id.")
        var model: String

        func run() async throws {
            try await session.target.run {
                try await $0.post(
                    session.path + "/pin", SessionPin(model: model), as: PinnedSession.self,
                    hint: "the models are in the answer to: openagent chat -m /model")
            } show: { pinned in
                print("\(Screen.plain(pinned.sessionID)) is answered by \(Screen.plain(pinned.model ?? "")) now.")
            }
        }
    }

    struct Unpin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let the default model answer in a conversation again.")

        @OptionGroup var session: OneSession

        func run() async throws {
            try await session.target.run {
                try await $0.delete(session.path + "/pin", as: PinnedSession.self, hint: Sessions.hint)
            } show: { pinned in
                print("\(Screen.plain(pinned.sessionID)) is answered by the default model now.")
            }
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop what runs and waits in a conversation, and put it into the archive.")

        @OptionGroup var session: OneSession

        func run() async throws {
            try await session.target.run {
                try await $0.post(
                    session.path + "/clear", [String: String](), as: ClearedSession.self, hint: Sessions.hint)
            } show: { cleared in
                let what = "Cleared \(Screen.plain(cleared.sessionID))"
                print(
                    cleared.archived
                        ? what + "; what was said is in the archive: openagent sessions archives"
                        : what + ": nothing was said in it.")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Clear a conversation as 'clear' does, and take it out of the list.")

        @OptionGroup var session: OneSession
        @Flag(help: "Do not ask.")
        var yes = false

        func run() async throws {
            try Confirmation.ask(
                "Remove the conversation \(session.session)? What was said in it goes into the archive.", given: yes)
            try await session.target.run {
                try await $0.delete(session.path, as: RemovedSession.self, hint: Sessions.hint)
            } show: { removed in
                let what = "Removed \(Screen.plain(removed.sessionID))"
                print(
                    removed.archived
                        ? what + "; what was said is in the archive: openagent sessions archives"
                        : what + ": nothing was said in it.")
            }
        }
    }
}
