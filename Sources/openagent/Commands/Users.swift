internal import ArgumentParser
internal import Wire

// Who is in the network, and what may they do? Admins only; the coordinator keeps the last admin.

struct Users: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and change the users of the network.",
        subcommands: [List.self, Promote.self, Demote.self, Suspend.self, Resume.self, Remove.self])

    fileprivate static let path = "/api/network/users"
    fileprivate static let hint = "see: openagent users list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List every user of the network.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(Users.path, atMost: list.count(or: .max), as: UsersBody.self)
            } show: { body in
                var table = Table("HANDLE", "ROLE", "STATUS", "DEVICES", "LAST LOGIN", "SINCE", texts: ["HANDLE"])
                for user in body.users {
                    table.add(
                        user.handle, user.role, user.status, "\(user.activeDevices) of \(user.devices)",
                        user.lastSeen.map(timeText), timeText(user.createdAt))
                }
                table.show(empty: "Nobody has joined yet. Invite somebody with: openagent network invite")
            }
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a user an admin of the network.")
        @OptionGroup var user: OneUser
        func run() async throws {
            try await user.change(
                UserPatch(role: "admin"), done: "is an admin of the network now", before: "was an admin before")
        }
    }

    struct Demote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make an admin a member.")
        @OptionGroup var user: OneUser
        func run() async throws {
            try await user.change(UserPatch(role: "member"), done: "is a member now", before: "was no admin before")
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep a user out for now: their connections close at once.")
        @OptionGroup var user: OneUser
        func run() async throws {
            try await user.change(
                UserPatch(status: "suspended"),
                done: "is suspended: their connections are closed; openagent users resume lets them in again",
                before: "was suspended before")
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a suspended user in again.")
        @OptionGroup var user: OneUser
        func run() async throws {
            try await user.change(
                UserPatch(status: "active"), done: "may come in again", before: "was not suspended before")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a user and their devices from the network; their connections close at once.")

        @OptionGroup var user: OneUser
        @Flag(help: "Do not ask.")
        var yes = false

        func run() async throws {
            try Confirmation.ask("Remove \(user.handle) and all of their devices from the network?", given: yes)
            try await user.target.run {
                try await $0.delete(
                    Administration.path(Users.path, user.handle), as: Removal.self, hint: Users.hint)
            } show: { removal in
                print("Removed \(Screen.plain(removal.handle)): their devices are revoked, their connections closed.")
            }
        }
    }

    /// The user whom a command is about.
    struct OneUser: ParsableArguments {
        @Argument(help: "The user's handle.")
        var handle: String
        @OptionGroup var target: TargetOptions

        func change(_ patch: UserPatch, done: String, before: String) async throws {
            try await target.run {
                try await $0.patch(
                    Administration.path(Users.path, handle), patch, as: UserChange.self, hint: Users.hint)
            } show: { change in
                print("\(Screen.plain(change.handle)) \(change.updated ? done : before + "; nothing was changed").")
            }
        }
    }
}
