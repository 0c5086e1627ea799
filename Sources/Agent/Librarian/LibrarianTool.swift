internal import Foundation
internal import JSON

// How does a user run a tool without a language model? By its full name and its arguments as JSON, or, where a tool needs just one text,
// by that text. It goes through the same door as a model's call and is as durable.

/// A tool that the user asked for.
struct LibrarianTool {
    let name: String
    /// What stands behind the name.
    let rest: String

    /// - Returns: the answer.
    /// - Throws: `CancellationError`; what the journal throws.
    func run(_ tools: ToolRun) async throws -> String {
        let offered = await tools.toolbox.tools(isAdmin: tools.turn.isAdmin).first { $0.fullName == name }
        // What is not there says so itself, whatever was said behind its name.
        let arguments = offered == nil ? "" : arguments(offered?.definition.parameters)
        if let offered, !arguments.allSatisfy(\.isWhitespace), !arguments.hasPrefix("{") {
            return LibrarianAnswers.howToCall(offered)
        }
        let entry = try await tools.run(id: LibrarianRecovery.toolCallID, name: name, arguments: arguments)
        return switch entry {
        case .toolResult(_, let output): LibrarianAnswers.tool(ToolResult(output))
        case .toolFailed(_, let output): LibrarianAnswers.tool(ToolResult(output, isError: true))
        default: ""
        }
    }

    /// JSON as it is; other words are the only text that the tool needs.
    private func arguments(_ schema: JSONValue?) -> String {
        guard !rest.isEmpty, !rest.hasPrefix("{"), case .array(let required)? = schema?["required"],
            required.count == 1,
            let key = required[0].string, schema?["properties"]?[key]?["type"] == "string",
            let text = try? JSONEncoder().encode([key: rest])
        else { return rest }
        return String(decoding: text, as: UTF8.self)
    }
}

extension LibrarianAnswers {
    private static let toolsListed = 200

    static func tools(_ tools: [OfferedTool]) -> String {
        guard !tools.isEmpty else { return "There are no tools that you could use." }
        let lines = tools.prefix(toolsListed).map { tool in
            let line = tool.definition.description.split(whereSeparator: \.isNewline).first.map { $0.prefix(120) } ?? ""
            return "- `\(tool.fullName)`" + (line.isEmpty ? "" : ": \(line)")
        }
        let rest = tools.count - lines.count
        return
            (["You can run these tools:", ""] + lines + (rest > 0 ? ["", "… and \(rest) more."] : []) + [
                "", "Say “/tool NAME {\"argument\": \"value\"}”.",
            ]).joined(separator: "\n")
    }

    /// Words were given to a tool that needs more, or nothing, than one text.
    static func howToCall(_ tool: OfferedTool) -> String {
        var needed: [String] = []
        if case .array(let required)? = tool.definition.parameters["required"] {
            needed = required.prefix(toolsListed).compactMap(\.string)
        }
        let example = needed.map { "\"\($0)\": …" }.joined(separator: ", ")
        return "The tool `\(tool.fullName)` was not run: it takes its arguments as JSON. "
            + "Say “/tool \(tool.fullName) {\(example)}”."
    }

    /// What a tool says is quoted: it is nobody's instruction, and names no file to be sent along.
    static func tool(_ result: ToolResult) -> String {
        var text = result.text
        for kind in ["IMAGE", "FILE", "VOICE", "VIDEO"] { text = text.replacing("[\(kind):", with: "[\(kind) :") }
        if result.isError { return "The tool failed: \(text)" }
        return text.contains { !$0.isWhitespace } ? text : "The tool has run and said nothing."
    }
}
