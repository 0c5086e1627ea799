public import Store

// May a tool run, does somebody have to be asked, or never? The lines that admins wrote decide, the most specific first; where there is
// none, what is usual for such a tool. Pure: lines in, a rule out.

/// The rules of the policy.
public enum ToolPolicy {
    /// UTF-8 bytes of a pattern.
    static let longestPattern = 256

    /// What holds for a tool.
    public static func rule(for tool: OfferedTool, in lines: [ToolPolicyRecord]) -> ToolRule {
        line(for: tool, in: lines)?.rule ?? usual(for: tool)
    }

    /// The line that decides about a tool: its own, else that of the longest beginning, else `*`.
    public static func line(for tool: OfferedTool, in lines: [ToolPolicyRecord]) -> ToolPolicyRecord? {
        let server = tool.server.replacing("-", with: "_") + "_"
        return lines.filter { matches($0.pattern, tool.fullName, of: server) }
            .max { rank($0.pattern) < rank($1.pattern) }
    }

    /// What holds where no line says anything. Reading is allowed, and so is keeping notes and the agent's own schedule, which
    /// is what it is there for. The shell is asked about whatever it does, and so is every other tool that may change
    /// something: the agent's configuration, and the world of servers that somebody added.
    public static func usual(for tool: OfferedTool) -> ToolRule {
        if tool.server == "shell" { return .ask }
        if tool.definition.effect == .query { return .allow }
        return ["vault", "scheduler"].contains(tool.server) ? .allow : .ask
    }

    /// `pattern` if it can be one.
    ///
    /// - Throws: ``ToolPolicyError/badPattern``.
    public static func checked(_ pattern: String) throws(ToolPolicyError) -> String {
        let isBeginning = pattern.utf8.last == UInt8(ascii: "*")
        let name = isBeginning ? pattern.utf8.dropLast() : pattern.utf8[...]
        guard !isBeginning || name.isEmpty || name.contains(UInt8(ascii: "_")) else { throw .badPattern }
        let isPlain = name.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isPlain, (1...longestPattern).contains(pattern.utf8.count) else { throw .badPattern }
        return pattern
    }

    /// A beginning names tools of one server: `git_*` says nothing about those of a server `git-hub`, which somebody may add
    /// later.
    private static func matches(_ pattern: String, _ name: String, of server: String) -> Bool {
        guard pattern.utf8.last == UInt8(ascii: "*") else { return pattern.utf8.elementsEqual(name.utf8) }
        let beginning = pattern.utf8.dropLast()
        return beginning.isEmpty || beginning.starts(with: server.utf8) && name.utf8.starts(with: beginning)
    }

    /// A whole name stands above each beginning.
    private static func rank(_ pattern: String) -> Int {
        pattern.utf8.last == UInt8(ascii: "*") ? pattern.utf8.count : .max
    }
}
