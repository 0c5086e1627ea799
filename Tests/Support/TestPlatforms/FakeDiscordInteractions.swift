internal import Foundation
internal import JSON

// How does a fake Discord take the answers to commands and buttons? Understood once, answered by their own token, until their time is over.

struct FakeDiscordInteractions: Sendable {
    private static let isLoading: Int64 = 1 << 7

    let state: Watched<FakeDiscord.State>

    init(_ state: Watched<FakeDiscord.State>) { self.state = state }

    func acknowledge(_ id: String, _ token: String, _ body: JSONValue) -> FakeResponse {
        state.change { state in
            guard let interaction = state.interactions[token], interaction.id == id, !interaction.isOver else {
                return FakeDiscordREST.refusal(404, 10062, "Unknown interaction")
            }
            guard interaction.acknowledged == nil else {
                return FakeDiscordREST.refusal(400, 40060, "Interaction has already been acknowledged.")
            }
            guard case .integer(let type)? = body["type"], [4, 5, 6, 7].contains(type) else {
                return FakeDiscordREST.invalid("type", "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 6, 7}.")
            }
            state.interactions[token]?.acknowledged = Int(type)
            if type == 4 || type == 5 {
                var flags: Int64 = type == 5 ? Self.isLoading : 0
                if case .integer(let more)? = body["data"]?["flags"] { flags |= more }
                var message = state.message(
                    body["data"]?["content"]?.string ?? "", by: FakeDiscord.bot, in: interaction.channel)
                message["id"] = .string(state.snowflake())
                message["flags"] = .integer(flags)
                state.interactions[token]?.original = .object(message)
            }
            state.sent.append(.init(kind: .acknowledged, place: token, body: body))
            return FakeResponse(204)
        }
    }

    func webhook(_ request: FakeRequest, _ path: [String], _ body: JSONValue) -> FakeResponse {
        let token = path[2]
        guard path[1] == FakeDiscord.application, let interaction = state.now.interactions[token],
            interaction.acknowledged != nil
        else { return FakeDiscordREST.refusal(404, 10015, "Unknown Webhook") }
        guard !interaction.isOver else { return FakeDiscordREST.refusal(401, 50027, "Invalid Webhook Token") }
        let isOriginal = path.count == 5 && path[4] == "@original"
        switch (request.method, path.count) {
        case ("POST", 3):
            if let refusal = FakeDiscordMessages.refusal(body, hasFiles: false) { return refusal }
            return state.change { state in
                var message = state.message(body["content"]?.string ?? "", by: FakeDiscord.bot, in: interaction.channel)
                message["id"] = .string(state.snowflake())
                state.interactions[token]?.followUps.append(body)
                state.sent.append(
                    .init(kind: .followUp, place: token, text: body["content"]?.string ?? "", body: body))
                return .json(.object(message))
            }
        case ("GET", 5) where isOriginal:
            guard let original = interaction.original else {
                return FakeDiscordREST.refusal(404, 10008, "Unknown Message")
            }
            return .json(original)
        case ("PATCH", 5) where isOriginal:
            if let refusal = FakeDiscordMessages.refusal(body, hasFiles: false) { return refusal }
            return state.change { state in
                guard case .object(var original)? = state.interactions[token]?.original else {
                    return FakeDiscordREST.refusal(404, 10008, "Unknown Message")
                }
                original["content"] = body["content"] ?? ""
                if case .integer(let flags)? = original["flags"] {
                    original["flags"] = .integer(flags & ~Self.isLoading)
                }
                state.interactions[token]?.original = .object(original)
                state.sent.append(.init(kind: .answer, place: token, text: body["content"]?.string ?? "", body: body))
                return .json(.object(original))
            }
        case ("DELETE", 5) where isOriginal:
            return state.change { state in
                guard state.interactions[token]?.original != nil else {
                    return FakeDiscordREST.refusal(404, 10008, "Unknown Message")
                }
                state.interactions[token]?.original = nil
                state.sent.append(.init(kind: .takenBack, place: token))
                return FakeResponse(204)
            }
        default: return FakeDiscordREST.refusal(404, 0, "404: Not Found")
        }
    }
}
