internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Wire

// What does a bridge ask the agent besides the conversation? Who was let in, codes, files' bytes, speech. An agent that can't be reached
// is waited for: nothing that a user did is lost because the agent was away.

struct AgentCalls: Sendable {
    let client: GatewayClient
    let platform: Platform
    let seams: BridgeSeams
    let logger: Logger

    /// Whether an admin let this user in. What can't be understood is a no.
    func isApproved(_ sender: String) async throws -> Bool {
        let answer = try await patiently {
            try await client.request(path: "/api/bridges/\(platform.rawValue)/senders/\(Self.escaped(sender))")
        }
        guard answer.status == .ok else { return false }
        return Self.decoded(SenderStanding.self, answer)?.approved ?? false
    }

    /// A code by which an admin can let this user in; nil when there is none to be had.
    func code(for sender: String, name: String) async throws -> PairingCode? {
        let name = String(name.prefix(64))
        let answer = try await patiently {
            try await send(.POST, "pairings", NewPairing(sender: sender, name: name))
        }
        guard [.ok, .created].contains(answer.status) else { return nil }
        return Self.decoded(PairingCode.self, answer)
    }

    /// Tells how the bridge is. Once: what could not be told is told with the next change.
    func report(_ status: BridgeStatus) async throws -> Bool {
        try await send(.PUT, "status", status).status == .ok
    }

    /// Gives a user's word about a call that waits.
    ///
    /// - Returns: false when it waits no longer.
    func decide(_ id: String, _ decision: ClientMessage.ApprovalReply) async throws -> Bool {
        let body = try JSONEncoder().encode(["decision": decision.rawValue])
        let answer = try await patiently {
            try await client.request(
                method: .POST, path: "/api/approvals/\(Self.escaped(id))",
                headers: ["Content-Type": "application/json"], body: ByteBuffer(bytes: body))
        }
        return answer.status == .ok
    }

    /// What was said; nil when it was not understood.
    func text(of audio: ByteBuffer, type: String) async throws -> String? {
        let answer = try await patiently(atMost: 3, waitingForAgent: true) {
            try await client.request(
                method: .POST, path: "/api/stt/transcribe", headers: ["Content-Type": type], body: audio,
                timeout: .seconds(120))
        }
        guard let answer, answer.status == .ok, let text = Self.decoded(RecognisedText.self, answer)?.text,
            !text.allSatisfy(\.isWhitespace)
        else { return nil }
        return text
    }

    /// An answer, spoken; nil when the agent can't.
    func speech(_ text: String) async throws -> (audio: ByteBuffer, type: String)? {
        let body = try JSONEncoder().encode(SpeechRequest(text: text))
        let answer = try await patiently(atMost: 2) {
            try await client.request(
                method: .POST, path: "/api/tts/synthesize", headers: ["Content-Type": "application/json"],
                body: ByteBuffer(bytes: body), maximumBody: 64 << 20, timeout: .seconds(60))
        }
        guard let answer, answer.status == .ok, answer.body.readableBytes > 0 else { return nil }
        return (answer.body, answer.headers.first(name: "content-type") ?? "audio/wav")
    }

    // MARK: Parts

    private func send(_ method: HTTPMethod, _ path: String, _ body: some Encodable & Sendable) async throws
        -> GatewayResponse
    {
        try await client.request(
            method: method, path: "/api/bridges/\(platform.rawValue)/\(path)",
            headers: ["Content-Type": "application/json"], body: ByteBuffer(bytes: try JSONEncoder().encode(body)))
    }

    /// Asks until there is an answer that is one.
    func patiently(_ ask: () async throws -> GatewayResponse) async throws -> GatewayResponse {
        while true {
            if let answer = try await patiently(atMost: .max, ask) { return answer }
        }
    }

    /// - Parameter waitingForAgent: attempts at which it could not be reached don't count.
    /// - Returns: nil when so many attempts came to nothing.
    private func patiently(
        atMost attempts: Int, waitingForAgent: Bool = false, _ ask: () async throws -> GatewayResponse
    ) async throws -> GatewayResponse? {
        var (failures, counted) = (0, 0)
        while true {
            var counts = true
            do {
                let answer = try await ask()
                guard answer.status == .serviceUnavailable else { return answer }
            } catch let error where error is GatewayClientError || error is AgentUnreachable {
                logger.debug("bridge::agent_unreachable", metadata: ["error": "\(error)"])
                if case GatewayClientError.timedOut = error {} else { counts = !waitingForAgent }
            }
            failures += 1
            if counts { counted += 1 }
            guard counted < attempts else { return nil }
            try await seams.pause(after: failures)
        }
    }

    private static func decoded<T: Decodable>(_ type: T.Type, _ answer: GatewayResponse) -> T? {
        try? JSONDecoder().decode(type, from: Data(answer.body.readableBytesView))
    }

    /// As one part of a path.
    static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: pathCharacters) ?? ""
    }

    private static let pathCharacters = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
