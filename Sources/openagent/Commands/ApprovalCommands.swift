internal import ArgumentParser
internal import Wire

// Which calls of tools wait for somebody's word, and how is it given from a command line?

struct ApprovalCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approvals", abstract: "List and answer the calls of tools that wait for your word.",
        subcommands: [List.self, Approve.self, Deny.self])

    static let path = "/api/approvals"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the calls that wait, with exactly what would run.")

        @Flag(help: "Also those that have had their end.")
        var ended = false
        @Flag(help: "Also what others were asked; for admins.")
        var allUsers = false
        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let query = [("state", ended ? nil : "pending"), ("all", allUsers ? "1" : nil)]
            try await target.run {
                try await $0.pages(
                    ApprovalCommands.path, query: query, atMost: list.count(or: 50), as: ApprovalsBody.self)
            } show: { body in
                var table = Table(
                    "ID", "STATE", "USER", "TOOL", "UNTIL", "ARGUMENTS", ids: ["ID"], texts: ["USER", "TOOL"])
                for row in body.approvals {
                    table.add(
                        row.id, row.state, row.handle, row.tool, timeText(row.expiresAt), Screen.json(row.arguments))
                }
                table.show(empty: ended ? "Nobody was asked anything." : "No call waits.")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a call run, with exactly its arguments.")
        @OptionGroup var one: OneApprovalOption
        func run() async throws { try await one.answer("approve", done: "runs") }
    }

    struct Deny: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Do not let a call run.")
        @OptionGroup var one: OneApprovalOption
        func run() async throws { try await one.answer("deny", done: "does not run") }
    }

    /// The call that a command is about.
    struct OneApprovalOption: ParsableArguments {
        @Argument(help: "The id that 'openagent approvals list' shows.")
        var id: String
        @OptionGroup var target: TargetOptions

        func answer(_ decision: String, done: String) async throws {
            try await target.run {
                try await $0.post(
                    Administration.path(ApprovalCommands.path, id), ApprovalAnswer(decision: decision),
                    as: OneApproval.self, hint: "see: openagent approvals list")
            } show: { body in
                print("\(Screen.plain(body.approval.tool)) \(done).")
            }
        }
    }
}
