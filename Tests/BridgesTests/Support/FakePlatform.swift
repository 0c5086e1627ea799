import Foundation
import Synchronization
import Testing

@testable import Bridges
@testable import Wire

// A chat platform in memory. Users say things there, it repeats what was not confirmed, and it fails as the test says.

final class FakePlatform: Bridge {
    /// A message of the bot as people see it.
    struct Message: Sendable, Equatable {
        var id: String
        var place: ChatPlace
        var text: String
        var file: String?
        var bytes: [UInt8] = []
        var kind: Wire.Attachment.Kind?
        var replyTo: String?
        var buttons: [OutboundButton] = []
        var edits = 0
        var key: String
        /// The answer to an interaction.
        var answerTo: String?
    }

    private struct State {
        /// Not confirmed yet, in order.
        var updates: [InboundUpdate] = []
        var confirmed: [String] = []
        var messages: [Message] = []
        var typing = 0
        var lastID = 0
        var calls = 0
        var connections = 0
        var gone: Set<String> = []
        var faults: [PlatformFailure] = []
        var listening: PlatformFailure?
        var isFrozen = false
    }

    let platform = Platform.telegram
    let limits: PlatformLimits
    private let state = Mutex(State())
    private let news = Bell()
    private let cuts = Bell()
    /// Looked at before each act; what it returns is thrown.
    let fault = Mutex<(@Sendable (OutboundAct, ChatPlace) -> PlatformFailure?)?>(nil)
    /// Waited for before each act.
    let delay = Mutex<(@Sendable (OutboundAct, ChatPlace) async throws -> Void)?>(nil)

    init(_ limits: PlatformLimits = .quick) { self.limits = limits }

    // MARK: The test's side

    var messages: [Message] { state.withLock { $0.messages } }
    func messages(in chat: String) -> [Message] { messages.filter { $0.place.chat == chat } }
    func texts(in chat: String) -> [String] { messages(in: chat).map(\.text) }
    var confirmed: [String] { state.withLock { $0.confirmed } }
    var waiting: Int { state.withLock { $0.updates.count } }
    var typing: Int { state.withLock { $0.typing } }
    var calls: Int { state.withLock { $0.calls } }
    var connections: Int { state.withLock { $0.connections } }

    func give(_ update: InboundUpdate) {
        state.withLock { $0.updates.append(update) }
        news.ring()
    }

    /// The connection breaks now.
    func cut() { cuts.ring() }

    /// The next attempts to listen end like this; nil: they don't.
    func refuseToListen(_ failure: PlatformFailure?) {
        state.withLock { $0.listening = failure }
        cuts.ring()
    }

    /// So many acts in a row fail.
    func fail(_ count: Int, _ failure: PlatformFailure) {
        state.withLock { $0.faults += Array(repeating: failure, count: count) }
    }

    /// Nothing that the bridge does from now on gets here, and it isn't told so.
    func set(isFrozen: Bool) { state.withLock { $0.isFrozen = isFrozen } }

    func close(_ chat: String) { state.withLock { _ = $0.gone.insert(chat) } }
    func open(_ chat: String) { state.withLock { _ = $0.gone.remove(chat) } }
    func delete(_ message: String) { state.withLock { $0.messages.removeAll { $0.id == message } } }

    func waitFor(_ what: String, _ condition: @escaping @Sendable (FakePlatform) -> Bool) async throws {
        try await within(30, what) {
            while true {
                let rings = self.news.rings
                if condition(self) { return }
                await self.news.wait(after: rings)
                try Task.checkCancellation()
            }
        }
    }

    // MARK: The bridge's side

    func listen(_ inbox: any Inbox) async throws {
        let cut = cuts.rings
        if let failure = state.withLock({ $0.listening }) { throw failure }
        state.withLock { $0.connections += 1 }
        news.ring()
        await inbox.connected(as: "@fake")
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                await self.cuts.wait(after: cut)
                try Task.checkCancellation()
                throw PlatformFailure.unavailable("cut")
            }
            // Those of a chat in their order, chats side by side.
            var started: Set<String> = []
            var busy: Set<String> = []
            group.addTask { true }
            while let look = try await group.next() {
                guard look else { continue }
                let rings = news.rings
                let updates = state.withLock { $0.updates }
                busy = busy.filter { id in updates.contains { $0.id + "@" + $0.place.chat == id } }
                for update in updates where !started.contains(update.id) {
                    guard !busy.contains(where: { $0.hasSuffix("@" + update.place.chat) }) else { continue }
                    started.insert(update.id)
                    busy.insert(update.id + "@" + update.place.chat)
                    group.addTask {
                        try await inbox.receive(update)
                        self.confirm(update.id)
                        return false
                    }
                }
                group.addTask {
                    await self.news.wait(after: rings)
                    return true
                }
            }
        }
    }

    private func confirm(_ id: String) {
        state.withLock { state in
            guard !state.isFrozen else { return }
            state.updates.removeAll { $0.id == id }
            state.confirmed.append(id)
        }
        news.ring()
    }

    func perform(_ act: OutboundAct, at place: ChatPlace, key: String) async throws -> String? {
        if let delay = delay.withLock({ $0 }) { try await delay(act, place) }
        try Task.checkCancellation()
        defer { news.ring() }
        if let failure = fault.withLock({ $0 })?(act, place) { throw failure }
        return try state.withLock { state in
            if state.isFrozen { throw PlatformFailure.unavailable("no answer") }
            state.calls += 1
            if !state.faults.isEmpty { throw state.faults.removeFirst() }
            if state.gone.contains(place.chat) { throw PlatformFailure.chatGone("the bot was blocked") }
            state.lastID += 1
            var message = Message(id: "m\(state.lastID)", place: place, text: "", key: key)
            switch act {
            case .typing:
                state.typing += 1
                return nil
            case .send(let text), .answer(_, let text):
                try check(text)
                (message.text, message.replyTo, message.buttons) = (text.markdown, text.replyTo, text.buttons)
                if case .answer(let to, _) = act { message.answerTo = to }
            case .edit(let id, let text):
                try check(text)
                guard limits.canEdit else { throw PlatformFailure.refused("nothing can be edited here") }
                guard let index = state.messages.firstIndex(where: { $0.id == id }) else {
                    throw PlatformFailure.messageGone
                }
                state.messages[index].text = text.markdown
                state.messages[index].buttons = text.buttons
                state.messages[index].edits += 1
                return id
            case .file(let file):
                guard let data = FileManager.default.contents(atPath: file.path) else {
                    throw PlatformFailure.refused("there is no such file")
                }
                (message.file, message.bytes, message.kind) = (file.name, Array(data), file.kind)
                message.replyTo = file.replyTo
            }
            state.messages.append(message)
            return message.id
        }
    }

    private func check(_ text: OutboundText) throws {
        guard !text.markdown.isEmpty, limits.unit.count(text.markdown) <= limits.textLength else {
            throw PlatformFailure.refused("message is empty or too long")
        }
    }
}

extension PlatformLimits {
    /// As Telegram's, at a pace for tests.
    static var quick: PlatformLimits {
        PlatformLimits(
            prefix: "fk", textLength: 4_096, unit: .utf16, canEdit: true, hasButtons: true,
            largestOutboundFile: 1 << 20, largestInboundFile: 1 << 20, chatPause: .milliseconds(1),
            globalPause: .zero, editPause: .milliseconds(10), typingTime: .milliseconds(200))
    }
}

extension InboundUpdate {
    /// What Ana says in a private chat, unless told otherwise.
    static func say(
        _ text: String, id: String = UUID().uuidString, by user: String? = "ana", in chat: String? = nil,
        isAddressed: Bool = true, files: [InboundFile] = []
    ) -> InboundUpdate {
        make(.message(InboundMessage(text: text, files: files)), id: id, by: user, in: chat, isAddressed: isAddressed)
    }

    static func command(
        _ name: String, _ argument: String = "", id: String = UUID().uuidString, by user: String? = "ana",
        in chat: String? = nil, answerTo: String? = nil
    ) -> InboundUpdate {
        var update = make(.command(name: name, argument: argument), id: id, by: user, in: chat, isAddressed: true)
        update.answerTo = answerTo
        return update
    }

    static func press(
        _ data: String, id: String = UUID().uuidString, by user: String? = "ana", in chat: String? = nil
    ) -> InboundUpdate {
        var update = make(.press(data: data), id: id, by: user, in: chat, isAddressed: true)
        update.answerTo = "press-\(id)"
        return update
    }

    private static func make(
        _ content: Content, id: String, by user: String?, in chat: String?, isAddressed: Bool
    ) -> InboundUpdate {
        let place = chat ?? user ?? "nobody"
        return InboundUpdate(
            id: id, session: "fk:\(place)", place: ChatPlace(chat: place),
            sender: Sender(id: user, name: user ?? "", isPrivateChat: chat == nil), isAddressed: isAddressed,
            content: content, anchor: "u-\(id)")
    }
}
