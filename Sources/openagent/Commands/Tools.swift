internal import ArgumentParser
internal import Wire

// Which tools has the agent, and what may each do? The policy: lines that admins write, and what is usual where there is none.

struct Tools: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the agent's tools, and say what they may do.", subcommands: [List.self, Policy.self])

    static let path = "/api/tool-policies"
    static let hint = "see: openagent tools policy list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the tools, and what holds for each: allow, ask or deny.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages("/api/tools", atMost: list.count(or: 1_000), as: ToolsBody.self)
            } show: { body in
                var table = Table("NAME", "EFFECT", "RULE", "BECAUSE OF", "WHAT", texts: ["NAME", "WHAT"])
                for tool in body.tools {
                    table.add(
                        tool.name, tool.effect, tool.rule, tool.pattern ?? "usual",
                        tool.description.split(separator: "\n").first.map(String.init))
                }
                table.show(empty: "No tool can be called now.")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Policy: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List and change what tools may do.", subcommands: [Lines.self, Put.self, Remove.self],
            defaultSubcommand: Lines.self)
    }

    struct Lines: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the lines of the policy; the most specific one decides.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(Tools.path, atMost: list.count(or: 1_000), as: ToolPoliciesBody.self)
            } show: { body in
                var table = Table("PATTERN", "RULE", "CHANGED", "BY", texts: ["PATTERN", "BY"])
                for line in body.policies {
                    table.add(line.pattern, line.rule, timeText(line.updatedAt), line.updatedBy)
                }
                table.show(
                    empty: "There is no line: reading, notes and schedule are allowed, everything else is asked about.")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Say what tools may do. Admins only.")

        @Argument(help: "A tool's full name, a beginning such as 'shell_*', or '*'.")
        var pattern: String
        @Argument(help: "allow, ask or deny.")
        var rule: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            guard ["allow", "ask", "deny"].contains(rule) else {
                throw CommandError(.usage, "'\(rule)' is no rule", hint: "say allow, ask or deny")
            }
            try await target.run {
                let body = Array("{\"rule\":\"\(rule)\"}".utf8)
                return try await $0.put(
                    Administration.path(Tools.path, pattern), bytes: body, type: "application/json",
                    as: ToolPolicyChanged.self, hint: Tools.hint)
            } show: { body in
                print("\(Screen.plain(body.policy.pattern)): \(body.policy.rule)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a line away: what is more general holds then. Admins only.")

        @Argument(help: "Its pattern.")
        var pattern: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.delete(
                    Administration.path(Tools.path, pattern), as: ToolPolicyRemoved.self, hint: Tools.hint)
            } show: { _ in
                print("Removed \(Screen.plain(pattern)).")
            }
        }
    }
}
