internal import Foundation
public import JSON

// Whom does the bridge to WhatsApp reach in a test? An instance of Green API: a queue that gives its head until that is deleted, and
// methods with the token in their address. It refuses what Green API refuses, in its words, token and all.

/// A fake instance of Green API.
public final class FakeWhatsApp: Sendable {
    /// What the instance was told to send.
    public struct Sent: Sendable, Equatable {
        public var id: String
        public var chat: String
        public var text: String
        public var quoted: String?
        public var file: File?
    }

    public struct File: Sendable, Equatable {
        public var name: String
        public var type: String?
        public var bytes: [UInt8]

        public init(name: String, type: String?, bytes: [UInt8]) {
            self.name = name
            self.type = type
            self.bytes = bytes
        }
    }

    /// A notification that waits.
    public struct Notification: Sendable, Equatable {
        public var receipt: Int64
        /// The whole answer, so that a test can make it anything.
        public var answer: String
    }

    public struct State: Sendable {
        public var sent: [Sent] = []
        /// Chats in which somebody was shown that we write, and for how many milliseconds.
        public var typing: [(chat: String, time: Int64)] = []
        /// Oldest first.
        public var queue: [Notification] = []
        /// Receipts, in order.
        public var deleted: [Int64] = []
        /// How often the head was given.
        public var given: [Int64] = []
        public var stateInstance = "authorized"
        public var webhookURL = ""
        public var incomingWebhook = "yes"
        /// With a number only so many chats are served (466).
        public var chatQuota: Int?
        /// By the last component of their address.
        public var files: [String: File] = [:]
        fileprivate var messages: Set<String> = []
        fileprivate var lastReceipt: Int64 = 0
        fileprivate var lastID = 0
        fileprivate var bodies: [String: JSONValue] = [:]
    }

    public static let id = "1101000001"
    public static let token = "d75b3a66374942c5b3c019c698abc2067e151558acbd451234"
    /// Of the account, e.g. as it stands in `instanceData`.
    public static let ownID = "79990000001@c.us"

    public let state = Watched(State())
    public let server: FakeServer
    /// How long a second of `receiveTimeout` is.
    private let second: Duration

    private init(_ server: FakeServer, second: Duration) {
        self.server = server
        self.second = second
    }

    /// Runs the fake while `body` does.
    public static func run<T: Sendable>(
        second: Duration = .seconds(1), _ body: @escaping @Sendable (FakeWhatsApp) async throws -> T
    ) async throws -> T {
        let made = Watched<FakeWhatsApp?>(nil)
        return try await FakeServer.run(bodyLimit: 110 << 20) { request in
            try await made.until { $0 }.answer(request)
        } _: { server in
            let fake = FakeWhatsApp(server, second: second)
            made.change { $0 = fake }
            return try await body(fake)
        }
    }

    public var apiBase: String { server.url }

    public var sent: [Sent] { state.now.sent }

    /// What the server was asked last, by the method's name.
    public static func method(_ request: FakeRequest) -> String {
        let parts = request.path.split(separator: "/")
        return parts.count > 1 && parts[0].hasPrefix("waInstance") ? String(parts[1]) : ""
    }

    // MARK: What people do

    /// Somebody writes.
    ///
    /// - Parameters:
    ///   - chat: nil: to us alone.
    ///   - quoting: whose message it replies to.
    /// - Returns: the message's id.
    @discardableResult
    public func say(
        _ text: String, from user: String = "79001234567@c.us", in chat: String? = nil, quoting: String? = nil
    ) -> String {
        if let quoting {
            return tell(
                [
                    "typeMessage": "quotedMessage",
                    "extendedTextMessageData": ["text": .string(text), "participant": .string(quoting)],
                    "quotedMessage": [
                        "stanzaId": "3EB0", "participant": .string(quoting), "typeMessage": "textMessage",
                    ],
                ], from: user, in: chat)
        }
        return tell(
            ["typeMessage": "textMessage", "textMessageData": ["textMessage": .string(text)]], from: user, in: chat)
    }

    /// Somebody sends a file.
    @discardableResult
    public func send(
        _ file: File, as type: String, caption: String = "", from user: String = "79001234567@c.us",
        in chat: String? = nil
    ) -> String {
        let path = "\(UUID().uuidString).bin"
        state.change { $0.files[path] = file }
        return tell(
            [
                "typeMessage": .string(type),
                "fileMessageData": [
                    "downloadUrl": .string("\(server.url)/files/\(path)"), "caption": .string(caption),
                    "fileName": .string(file.name), "mimeType": file.type.map { .string($0) } ?? .null,
                    "jpegThumbnail": "", "isForwarded": false, "forwardingScore": 0,
                ],
            ], from: user, in: chat)
    }

    /// A message of any kind.
    ///
    /// - Parameter data: `messageData`.
    @discardableResult
    public func tell(_ data: JSONValue, from user: String? = "79001234567@c.us", in chat: String? = nil) -> String {
        let id = state.change { state in
            state.lastID += 1
            let id = "3A\(String(0x7000_0000 + state.lastID, radix: 16, uppercase: true))"
            state.messages.insert(id)
            return id
        }
        let body: JSONValue = [
            "typeWebhook": "incomingMessageReceived",
            "instanceData": [
                "idInstance": .integer(Int64(Self.id) ?? 0), "wid": .string(Self.ownID), "typeInstance": "whatsapp",
            ],
            "timestamp": 1_790_000_000, "idMessage": .string(id),
            "senderData": [
                "chatId": .string(chat ?? user ?? ""), "sender": user.map { .string($0) } ?? .null,
                "chatName": "A chat", "senderName": "Mary",
                "senderContactName": "",
            ],
            "messageData": data,
        ]
        state.change { $0.bodies[id] = body }
        notify(body)
        return id
    }

    /// A notification of any kind.
    public func notify(_ body: JSONValue) {
        state.change { state in
            state.lastReceipt += 1
            let answer: JSONValue = ["receiptId": .integer(state.lastReceipt), "body": body]
            state.queue.append(Notification(receipt: state.lastReceipt, answer: Self.text(answer)))
        }
    }

    /// An answer that is none, for the next receipt.
    public func notify(raw: @escaping @Sendable (_ receipt: Int64) -> String) {
        state.change { state in
            state.lastReceipt += 1
            state.queue.append(Notification(receipt: state.lastReceipt, answer: raw(state.lastReceipt)))
        }
    }

    /// Every message comes once more, in the order in which they came first.
    public func againAll() {
        for id in state.now.bodies.keys.sorted() { again(id) }
    }

    /// The same message comes once more, under another receipt.
    public func again(_ id: String) {
        if let body = state.now.bodies[id] { notify(body) }
    }

    /// What waits comes in the other order.
    public func reverse() { state.change { $0.queue.reverse() } }

    /// The next so many calls are too many, or too many of those of one method.
    public func storm(_ times: Int, retryAfter: String? = nil, of method: String? = nil) {
        let headers = retryAfter.map { [("Retry-After", $0)] } ?? []
        server.fail(
            FakeFault(.answer(.text("Too Many Requests", status: 429, headers: headers)), times: times) {
                method == nil || Self.method($0) == method
            })
    }

    // MARK: Answers

    private static func text(_ value: JSONValue) -> String {
        let encoder = JSONEncoder()
        // As Green API does: the receipt first.
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let receipt = value["receiptId"], let body = value["body"], case .integer(let number) = receipt,
            let text = try? encoder.encode(body)
        else { return "null" }
        return "{\"receiptId\":\(number),\"body\":\(String(decoding: text, as: UTF8.self))}"
    }

    private func answer(_ request: FakeRequest) async throws -> FakeResponse {
        let parts = request.path.split(separator: "/").map(String.init)
        if parts.count == 2, parts[0] == "files" {
            guard let file = state.now.files[parts[1]] else { return .text("gone", status: 404) }
            return FakeResponse(headers: [("Content-Type", file.type ?? "")], body: file.bytes)
        }
        guard parts.count >= 3, parts[0].hasPrefix("waInstance") else { return .text("not found", status: 404) }
        guard parts[0] == "waInstance\(Self.id)" else { return .text("", status: 403) }
        guard parts[2] == Self.token else { return .text("", status: 401) }
        switch (request.method, parts[1]) {
        case ("GET", "getSettings"):
            let state = state.now
            return .json([
                "wid": .string(Self.ownID), "webhookUrl": .string(state.webhookURL),
                "incomingWebhook": .string(state.incomingWebhook), "delaySendMessagesMilliseconds": 500,
            ])
        case ("GET", "getStateInstance"): return .json(["stateInstance": .string(state.now.stateInstance)])
        case ("GET", "receiveNotification"): return try await receive(request)
        case ("DELETE", "deleteNotification"): return delete(parts)
        case ("POST", "sendMessage"): return sendMessage(request)
        case ("POST", "sendTyping"): return sendTyping(request)
        case ("POST", "sendFileByUpload"): return sendFile(request)
        default: return .text("", status: 404)
        }
    }

    private func receive(_ request: FakeRequest) async throws -> FakeResponse {
        let seconds = request.field("receiveTimeout").flatMap(Int.init) ?? 5
        guard (5...60).contains(seconds) else { return invalid(request, "'receiveTimeout' must be between 5 and 60") }
        guard state.now.webhookURL.isEmpty else {
            return .json(["message": "custom webhook url is set"], status: 400)
        }
        let head = try await withThrowingTaskGroup(of: Notification?.self) { group in
            group.addTask { [state] in try await state.until { $0.queue.first } }
            group.addTask { [second] in
                try await Task.sleep(for: second * seconds)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let head else { return .json(.null) }
        state.change { $0.given.append(head.receipt) }
        return .text(head.answer, type: "application/json")
    }

    private func delete(_ parts: [String]) -> FakeResponse {
        guard parts.count == 4, let receipt = Int64(parts[3]) else { return .text("", status: 400) }
        let isThere = state.change { state in
            guard let index = state.queue.firstIndex(where: { $0.receipt == receipt }) else { return false }
            state.queue.remove(at: index)
            state.deleted.append(receipt)
            return true
        }
        return .json(["result": .bool(isThere), "reason": isThere ? "" : "notification not found"])
    }

    private func sendMessage(_ request: FakeRequest) -> FakeResponse {
        guard case .string(let text)? = request.fields["message"], !text.isEmpty else {
            return invalid(request, "'message' is not allowed to be empty")
        }
        guard text.unicodeScalars.count <= 20_000 else {
            return invalid(request, "'message' length must be less than or equal to 20000 characters long")
        }
        return keep(request, text: text, file: nil)
    }

    private func sendTyping(_ request: FakeRequest) -> FakeResponse {
        guard let chat = request.field("chatId"), Self.isChat(chat) else {
            return invalid(request, "'chatId' must be a chat")
        }
        guard case .integer(let time)? = request.fields["typingTime"], (1000...20_000).contains(time) else {
            return invalid(request, "'typingTime' must be between 1000 and 20000")
        }
        state.change { $0.typing.append((chat, time)) }
        return FakeResponse()
    }

    private func sendFile(_ request: FakeRequest) -> FakeResponse {
        guard let part = request.parts.first(where: { $0.name == "file" && $0.filename != nil }) else {
            return invalid(request, "'file' is required")
        }
        guard part.bytes.count <= 100 << 20 else { return invalid(request, "file is larger than 100 MB") }
        let name = request.field("fileName") ?? part.filename ?? ""
        return keep(request, text: "", file: File(name: name, type: part.type, bytes: part.bytes))
    }

    private func keep(_ request: FakeRequest, text: String, file: File?) -> FakeResponse {
        guard let chat = request.field("chatId"), Self.isChat(chat) else {
            return invalid(request, "'chatId' must be one of the following formats: phone_number@c.us, group_id@g.us")
        }
        let quoted = request.field("quotedMessageId")
        return state.change { state -> FakeResponse? in
            if let quoted, !state.messages.contains(quoted) { return nil }
            if let quota = state.chatQuota {
                let known = Set(state.sent.map(\.chat))
                guard known.contains(chat) || known.count < quota else { return Self.overQuota(quota, known) }
            }
            state.lastID += 1
            let id = "BAE5\(String(0x7000_0000 + state.lastID, radix: 16, uppercase: true))"
            state.messages.insert(id)
            state.sent.append(Sent(id: id, chat: chat, text: text, quoted: quoted, file: file))
            return .json(["idMessage": .string(id)])
        } ?? invalid(request, "quotedMessageId is not found")
    }

    private static func overQuota(_ quota: Int, _ known: Set<String>) -> FakeResponse {
        let status: JSONValue = [
            "method": "correspondents", "used": .integer(Int64(quota)), "total": .integer(Int64(quota)),
            "status": "CORRESPONDENTS_QUOTE_EXCEEDED",
            "description": .string(
                "Monthly quota has been exceeded. You can only send or receive messages from these numbers: "
                    + known.sorted().joined(separator: ",")),
        ]
        return .json(
            ["invokeStatus": ["method": "sendmessage", "status": "QUOTE_ALLOWED"], "correspondentsStatus": status],
            status: 466)
    }

    private static func isChat(_ chat: String) -> Bool {
        chat.wholeMatch(of: /\d{5,20}(-\d{5,20})?@(c\.us|g\.us|lid)/) != nil
    }

    /// Green API names the address that was asked, in which the token stands.
    private func invalid(_ request: FakeRequest, _ why: String) -> FakeResponse {
        .json(
            [
                "statusCode": 400, "path": .string(request.path),
                "message": .string("Validation failed at \(request.path). Details: \(why)"),
            ], status: 400)
    }
}
