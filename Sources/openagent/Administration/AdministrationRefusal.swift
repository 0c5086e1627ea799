internal import Foundation
internal import Wire

// What does a refused request mean to the person who gave the command? Kind, words and what to do next, from the
// answer's status and body. The same for every carrier.

extension CommandError {
    /// - Parameter hint: what to do about this command's own refusals, when the agent says nothing about it.
    init(refusal reply: AdministrationReply, hint: String?) {
        let details = try? JSONDecoder().decode(ErrorBody.self, from: Data(reply.body)).error
        let text = details?.message ?? String(decoding: reply.body.prefix(300), as: UTF8.self)
        let message = Self.sentence(text.isEmpty ? "the agent answered with status \(reply.status)" : text)
        var said = details?.hint.map { Self.sentence($0) }
        // Whoever typed a command is helped by a command, and not by a request.
        if hint != nil, said?.contains("GET /api") == true { said = nil }
        switch reply.status {
        case 404 where text == Self.memberAgent:
            self.init(
                .usage, "this agent is a member of its network, and another one administers it",
                hint: (said ?? "ask the agent that coordinates it")
                    + "; on its machine with --agent DIR, or on an admin's device with --node NETWORK")
        case 400, 404, 405, 413, 415:
            self.init(.usage, message, hint: said ?? hint ?? "see the command's --help")
        case 401 where details?.code == "token_required":
            self.init(
                .refused, message,
                hint: "set OPENAGENT_PROXY_TOKEN to what is in user/proxy.token of whoever started the proxy")
        case 401:
            let (message, hint) = Self.unauthenticated(text)
            self.init(.refused, message, hint: hint)
        case 403 where details?.code == ErrorCode.forbidden.rawValue:
            self.init(
                .refused, message,
                hint: said == nil || said == Self.askAnAdmin
                    ? "ask an admin of the network, or run the command on the agent's machine with --agent DIR"
                    : said)
        case 403: self.init(.refused, message, hint: said ?? "see: openagent whoami")
        case 402: self.init(.state, message, hint: said ?? hint ?? "see: openagent usage")
        case 409, 412: self.init(.state, message, hint: said ?? hint ?? "see: openagent whoami")
        case 408, 429, 502, 503, 504: self.init(.unreachable, message, hint: said ?? "try again in a moment")
        case 507: self.init(.unreachable, message, hint: said ?? "make room where the agent lives, then try again")
        default: self.init(.failed, message, hint: said ?? "the agent's log says more")
        }
    }

    /// What the gateway says to a member who asks for what only admins may.
    private static let askAnAdmin = "ask an admin of the network"
    /// What a gateway says that coordinates nothing (docs/protocol.md).
    private static let memberAgent = "not a coordinator-mode agent"

    /// The gateway's answer to who may not come in is one line of text (docs/protocol.md).
    private static func unauthenticated(_ text: String) -> (message: String, hint: String) {
        switch text {
        case "device revoked":
            (
                "this device was revoked",
                "get a ticket on another device with: openagent devices invite, or from an admin; then here: "
                    + "openagent join oa1… --new-key"
            )
        case "cert rejected: expired":
            ("this device's certificate has expired", "log in again with: openagent connect")
        case "device inactive or removed":
            ("this account is suspended, or was removed", "ask an admin of the network")
        case "missing device cert":
            (
                "the agent does not take its own key for a proof",
                "it runs in an older version: restart it with: openagent stop, openagent serve DIR"
            )
        default:
            (
                "the agent does not know this device: \(sentence(text))",
                "'openagent network doctor' tells why; a new login often helps: openagent connect"
            )
        }
    }

    /// As the rest of a line that begins with `error: ` or `hint: `.
    private static func sentence(_ text: String) -> String {
        var text = Screen.plain(text.trimmingCharacters(in: .whitespacesAndNewlines))
        if text.last == "." { text.removeLast() }
        guard let first = text.first, first.isUppercase, text.dropFirst().first?.isUppercase != true else {
            return text
        }
        return first.lowercased() + text.dropFirst()
    }
}
