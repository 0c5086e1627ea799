internal import Agent
internal import JSON

// What does the agent offer to other programs in all? Tools of the gateway's own, which are requests to its routes, and those of the agent's
// tools that whoever runs it grants to other programs (`tools.outside`) and that are meant for them. A name belongs to one of them.

/// A tool that another program may call.
enum OutsideOffer: Sendable, Equatable {
    case own(OutsideTool)
    /// Called through the agent's toolbox.
    case granted(OfferedTool)

    /// Of two with the same name the gateway's own counts.
    static func all(isAdmin: Bool, granted: [OfferedTool]) -> [OutsideOffer] {
        // Also those of administrators keep their names: a name means the same to everybody.
        let taken = Set(OutsideTool.all.map(\.name))
        return OutsideTool.all(isAdmin: isAdmin).map(OutsideOffer.own)
            + granted.filter { !taken.contains($0.fullName) }.map(OutsideOffer.granted)
    }

    var name: String {
        switch self {
        case .own(let tool): tool.name
        case .granted(let tool): tool.fullName
        }
    }

    /// As `tools/list` shows it.
    var json: JSONValue {
        switch self {
        case .own(let tool): tool.json
        case .granted(let tool):
            [
                "name": .string(tool.fullName), "description": .string(tool.definition.description),
                "inputSchema": tool.definition.parameters,
                "annotations": ["readOnlyHint": .bool(tool.definition.effect == .query)],
            ]
        }
    }

    /// How the policy and the account speak of it as one of other programs' tools.
    var outside: OfferedTool {
        switch self {
        case .own(let tool):
            OfferedTool(
                fullName: "\(Self.server)_\(tool.name)", server: Self.server,
                definition: ToolDefinition(
                    name: tool.name, description: tool.summary, parameters: tool.schema,
                    effect: tool.isReadOnly ? .query : .action, needsAdmin: tool.needsAdmin))
        case .granted(let tool):
            OfferedTool(
                fullName: "\(Self.server)_\(tool.fullName)", server: Self.server, definition: tool.definition)
        }
    }

    /// How policy lines about all of them begin, before `_`.
    static let server = "outside"
}
