internal import Foundation

// What travels over Discord's gateway (API v10)? The frames by their opcodes, read from JSON and written to it. What an event means is in
// DiscordEvents and DiscordTranslator; when a frame is sent is in DiscordGatewayMachine.

/// A frame from Discord.
enum DiscordFrame: Sendable, Equatable {
    case hello(heartbeat: Duration)
    case acknowledged
    /// Discord asks for a heartbeat now.
    case heartbeatWanted
    case reconnect
    case invalidSession(isResumable: Bool)
    case ready(sequence: Int, DiscordSession)
    case resumed(sequence: Int)
    case dispatch(sequence: Int, event: String)
    /// An opcode that says nothing to a bot of this kind, or a frame that is none.
    case other

    init(_ text: String) {
        guard let head = try? Self.decoder.decode(Head.self, from: Data(text.utf8)) else {
            self = .other
            return
        }
        switch (head.op, head.s, head.t) {
        case (0, let sequence?, "READY"):
            guard let ready: Ready = Self.payload(text) else {
                self = .other
                return
            }
            self = .ready(
                sequence: sequence,
                DiscordSession(
                    id: ready.sessionId, resumeURL: ready.resumeGatewayUrl ?? "", user: ready.user.id,
                    application: ready.application?.id ?? ready.user.id, name: ready.user.username ?? ""))
        case (0, let sequence?, "RESUMED"): self = .resumed(sequence: sequence)
        case (0, let sequence?, let event?): self = .dispatch(sequence: sequence, event: event)
        case (1, _, _): self = .heartbeatWanted
        case (7, _, _): self = .reconnect
        case (9, _, _): self = .invalidSession(isResumable: Self.payload(text) ?? false)
        case (10, _, _):
            let hello: Hello? = Self.payload(text)
            // Between what would be a storm and what nobody would notice the end of.
            let milliseconds = min(max(hello?.heartbeatInterval ?? 41_250, 50), 600_000)
            self = .hello(heartbeat: .milliseconds(milliseconds))
        case (11, _, _): self = .acknowledged
        default: self = .other
        }
    }

    /// What an event says; nil for what has another shape.
    static func payload<Payload: Decodable>(_ text: String) -> Payload? {
        (try? decoder.decode(Body<Payload>.self, from: Data(text.utf8)))?.d
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    private struct Head: Decodable {
        var op: Int
        var s: Int?
        var t: String?
    }

    private struct Body<Payload: Decodable>: Decodable { var d: Payload }
    private struct Hello: Decodable { var heartbeatInterval: Int }

    private struct Ready: Decodable {
        struct Application: Decodable { var id: String }

        var sessionId: String
        var resumeGatewayUrl: String?
        var user: DiscordUser
        var application: Application?
    }
}

/// A frame for Discord.
enum DiscordGatewayCommand: Sendable, Equatable {
    /// - sequence: the last one whose update was accepted; nil before the first.
    case heartbeat(sequence: Int?)
    case identify
    case resume(session: String, sequence: Int)

    /// What a bot of this kind wants to hear: servers, their messages, direct messages, and what the messages say.
    static let intents = 1 << 0 | 1 << 9 | 1 << 12 | 1 << 15

    func json(token: String) -> String {
        switch self {
        case .heartbeat(let sequence): #"{"op":1,"d":\#(sequence.map(String.init) ?? "null")}"#
        case .identify:
            #"{"op":2,"d":{"token":\#(Self.quoted(token)),"intents":\#(Self.intents),"compress":false,"#
                + #""properties":{"os":"linux","browser":"openagent","device":"openagent"}}}"#
        case .resume(let session, let sequence):
            #"{"op":6,"d":{"token":\#(Self.quoted(token)),"session_id":\#(Self.quoted(session)),"seq":\#(sequence)}}"#
        }
    }

    private static func quoted(_ text: String) -> String {
        (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? #""""#
    }
}

/// A session of the gateway, by which it can be taken up again.
struct DiscordSession: Sendable, Equatable, Codable {
    var id: String
    /// Where it is taken up.
    var resumeURL: String
    /// The bot.
    var user: String
    var application: String
    var name: String
}
