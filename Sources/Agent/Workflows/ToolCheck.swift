internal import JSON

// Is there the tool that a block calls, and does it get what it needs? Of a server that offers nothing at the moment nobody knows: it may
// be down, and then a graph can still be changed; its run says what was missing.

extension GraphCheck {
    /// What is wrong with calls of tools, as far as these say.
    public static func tools(of offered: [OfferedTool]) -> ToolCheck {
        { server, name, arguments in
            // A template says when it runs whom it means.
            guard !server.contains("{{"), !name.contains("{{") else { return nil }
            let plain = server.replacing("-", with: "_")
            guard offered.contains(where: { $0.server.replacing("-", with: "_") == plain }) else { return nil }
            guard let tool = BlockActs.tool(server, name, in: offered) else {
                return "\"\(server.prefix(64))\" offers no tool \"\(name.prefix(64))\""
            }
            guard case .array(let required)? = tool.definition.parameters["required"] else { return nil }
            for case .string(let argument) in required where arguments[argument] == nil {
                return "the tool \"\(tool.fullName)\" needs the argument \"\(argument.prefix(64))\""
            }
            return nil
        }
    }
}
