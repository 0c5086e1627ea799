@testable import Bridges
@testable import Wire

// What do the tests that every platform has to pass need of it? A fake of the platform on which people talk, which repeats and fails when
// it is told to, and the bridge to it. What a platform has not, it says by a nil or a false.

/// A fake platform and the bridge to it.
protocol ConformingPlatform: Sendable {
    /// Runs a fake while `body` does.
    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T

    /// Leads to the fake.
    var account: PlatformAccount { get }
    /// The bridge, with pauses for tests: milliseconds where the platform itself doesn't tell them.
    func makeBridge(_ settings: ChannelSettings) -> any Bridge

    /// Ids of two users who have a private chat with the bot, and of a third.
    var ana: String { get }
    var bob: String { get }
    var stranger: String { get }
    /// Id of a group in which they all are; nil where there are none.
    var group: String? { get }

    /// Somebody writes.
    ///
    /// - Parameters:
    ///   - group: where; nil: in the private chat.
    ///   - isMentioning: the bot is named in it.
    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws
    /// Somebody sends a file with a few words; false where this fake can't.
    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool
    /// The next update names nobody as its sender; false where an update without one can't be.
    func sayAnonymously(_ text: String) async throws -> Bool
    /// The last updates come once more, as they were.
    func repeatUpdates() async throws

    /// What the bot has there, in the order in which it was sent, as people see it: without markup, edited as it was last.
    ///
    /// - Parameter chat: a user for their private chat, or the group.
    func messages(in chat: String) async throws -> [ConformingMessage]
    /// Somebody presses a button of ours; false where there are none.
    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool

    /// The connection on which updates come breaks, and can be made again.
    func cut() async throws
    /// So many calls that send or edit are answered with 429 and a short pause.
    func storm(_ count: Int) async throws
    /// So many calls that send or edit are answered with a fault of the platform's own.
    func fail(_ count: Int) async throws
    /// The user has blocked the bot, or has it back.
    func setBlocked(_ isBlocked: Bool, by user: String) async throws
    /// The next message's markup is refused, as often as it comes; false where markup is never refused.
    func refuseMarkup() async throws -> Bool
}

/// A message of the bot's.
struct ConformingMessage: Sendable, Equatable {
    var id: String
    var text: String
    /// Of a file.
    var file: (name: String, bytes: [UInt8])?
    /// What its buttons say when they are pressed.
    var buttons: [String] = []

    init(id: String, text: String, file: (name: String, bytes: [UInt8])? = nil, buttons: [String] = []) {
        self.id = id
        self.text = text
        self.file = file
        self.buttons = buttons
    }

    static func == (left: ConformingMessage, right: ConformingMessage) -> Bool {
        left.id == right.id && left.text == right.text && left.file?.name == right.file?.name
            && left.file?.bytes == right.file?.bytes && left.buttons == right.buttons
    }
}

extension ConformingPlatform {
    func say(_ text: String, by user: String) async throws {
        try await say(text, by: user, in: nil, isMentioning: false)
    }

    func texts(in chat: String) async throws -> [String] { try await messages(in: chat).map(\.text) }

    /// Waits until the chat is as `condition` wants it.
    @discardableResult
    func waitFor(
        _ what: String, in chat: String, _ condition: @escaping @Sendable ([ConformingMessage]) -> Bool
    ) async throws -> [ConformingMessage] {
        try await within(30, what) {
            while true {
                let messages = try await self.messages(in: chat)
                if condition(messages) { return messages }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}
