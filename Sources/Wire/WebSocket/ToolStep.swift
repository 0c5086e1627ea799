internal import Foundation
public import JSON

// What does a `status` say of a tool call? Its text is then a JSON object (reference: websocket.md §3); other texts are words.

/// A step of a turn, for people to look at.
public struct ToolStep: Sendable, Equatable {
    public enum Phase: Sendable, Equatable {
        case running
        case done(result: String)
        case failed(reason: String)
    }

    /// The tool's full name.
    public let tool: String
    /// The same for both ends of a call; nil where the agent names none.
    public let call: String?
    /// What it was called with, shortened and without what looks like a secret.
    public let arguments: [String: JSONValue]
    public let phase: Phase

    private struct Body: Decodable {
        var tool: String
        var call: String?
        var arguments: JSONValue?
        var isError: Bool?
        var result: JSONValue?

        enum CodingKeys: String, CodingKey {
            case result
            case tool = "tool_name"
            case call = "tool_call_id"
            case arguments = "tool_args"
            case isError = "tool_call_error"
        }
    }

    /// - Parameter status: the text of a ``ServerMessage/Body/status(_:)``.
    /// - Returns: nil for words.
    public init?(status: String) {
        guard status.hasPrefix("{"), let body = try? JSONDecoder().decode(Body.self, from: Data(status.utf8)) else {
            return nil
        }
        tool = body.tool
        call = body.call
        if case .object(let fields)? = body.arguments { arguments = fields } else { arguments = [:] }
        let result = body.result.map { $0.string ?? "" }
        phase =
            if body.isError == true { .failed(reason: result ?? "") } else if let result {
                .done(result: result)
            } else { .running }
    }
}
