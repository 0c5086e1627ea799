internal import Foundation
internal import JSON

// How does one tool call of a turn run, so that no crash and no stop makes it run twice? It is in the journal before it begins and its
// result is there before anybody hears of it. Whoever asked for it, a model or a user through the librarian, comes through here.

/// Runs the calls of one turn.
struct ToolRun: Sendable {
    /// The longest arguments that are read, in bytes.
    private static let longestArguments = 1 << 20

    let turn: TurnRequest
    let toolbox: any Toolbox
    let journal: any TurnJournal
    let emit: @Sendable (TurnEvent) async -> Void

    /// Runs a call that was not begun.
    ///
    /// - Parameters:
    ///   - id: unique within the turn and the same after a restart.
    ///   - arguments: JSON as the model wrote it.
    /// - Returns: what was recorded as its result.
    /// - Throws: `CancellationError`, after the call was recorded as far as it came; what the journal throws.
    func run(id: String, name: String, arguments: String) async throws -> JournalEntry {
        let fields: [String: JSONValue]
        do {
            fields = try Self.parse(arguments)
        } catch {
            return try await settle(id, name, [:], ToolResult(error.description, isError: true))
        }
        let shown = await toolbox.shown(name, fields)
        let context = ToolContext(
            turnID: turn.turnID, callID: id, sessionID: turn.sessionID, handle: turn.handle, isAdmin: turn.isAdmin,
            isUnattended: turn.isUnattended)
        let result = try await toolbox.call(name, fields, for: context, emit: emit) {
            // A call that nobody waits for any more is not begun.
            try Task.checkCancellation()
            try await journal.append(.toolCall(id: id, name: name, arguments: arguments))
            await emit(.status(ToolStatus.running(name, id: id, shown)))
        }
        return try await settle(id, name, shown, result)
    }

    /// Records that nobody knows what came of a call.
    func settleUnknown(id: String, name: String, arguments: String) async throws -> JournalEntry {
        let fields = (try? Self.parse(arguments)) ?? [:]
        let shown = await toolbox.shown(name, fields)
        return try await settle(id, name, shown, ToolResult(TurnLoop.outcomeUnknown, isError: true))
    }

    private func settle(
        _ id: String, _ name: String, _ shown: [String: JSONValue], _ result: ToolResult
    ) async throws -> JournalEntry {
        let entry =
            result.isError
            ? JournalEntry.toolFailed(id: id, output: result.text) : .toolResult(id: id, output: result.text)
        try await journal.append(entry)
        await emit(.status(ToolStatus.ended(name, id: id, shown, result)))
        return entry
    }

    struct BadArguments: Error, CustomStringConvertible {
        let description: String
    }

    /// The fields of a JSON object; no text at all is an object without fields.
    static func parse(_ text: String) throws(BadArguments) -> [String: JSONValue] {
        guard text.utf8.count <= longestArguments else {
            throw BadArguments(
                description: "The arguments are longer than \(longestArguments) bytes. The tool was not run.")
        }
        if text.allSatisfy(\.isWhitespace) { return [:] }
        guard case .object(let fields)? = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else {
            throw BadArguments(description: "The arguments are no JSON object. The tool was not run.")
        }
        return fields
    }
}
