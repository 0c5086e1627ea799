import TestPlatforms

// What does chaos need of a platform? Six people who write to the bot, and what each of them was answered.

protocol ChaosChat: Sendable {
    static var platform: String { get }
    /// Whether the platform recognises a message that comes again.
    static var recognisesRepeats: Bool { get }
    /// The account's variable and what is in it.
    static var account: (variable: String, token: String) { get }
    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T

    var apiBase: String { get }
    /// The platform's ids of the six.
    var people: [String] { get }
    func say(_ text: String, by person: Int)
    /// Every message that the bot has sent to this person.
    func answers(to person: Int) -> [String]
    /// Returns when `isOver`, which is looked at whenever the bot did something.
    func wait(until isOver: @escaping @Sendable () -> Bool) async throws
}

struct ChaosTelegram: ChaosChat {
    static let platform = "telegram"
    static let recognisesRepeats = false
    static let account = (variable: "TELEGRAM_BOT_TOKEN", token: FakeTelegram.token)

    private let telegram: FakeTelegram
    private let persons = (0..<6).map { number in
        FakeTelegram.Person(id: 2_001 + Int64(number), name: "P\(number)", username: "person_\(number)")
    }

    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T {
        try await FakeTelegram.run { try await body(Self(telegram: $0)) }
    }

    var apiBase: String { telegram.url }
    var people: [String] { persons.map { "\($0.id)" } }
    func say(_ text: String, by person: Int) { telegram.say(text, by: persons[person]) }
    func answers(to person: Int) -> [String] { telegram.now.sent(to: persons[person].id).map(\.text) }

    func wait(until isOver: @escaping @Sendable () -> Bool) async throws {
        try await telegram.waitFor("every answer", within: .seconds(90)) { _ in isOver() ? true : nil }
    }
}

struct ChaosDiscord: ChaosChat {
    static let platform = "discord"
    static let recognisesRepeats = true
    static let account = (variable: "DISCORD_BOT_TOKEN", token: FakeDiscord.token)

    private let discord: FakeDiscord
    private let users: [FakeDiscord.User]
    private let rooms: [String]

    static func run<T: Sendable>(_ body: @escaping @Sendable (Self) async throws -> T) async throws -> T {
        try await FakeDiscord.run { discord in
            let users = (0..<6).map { discord.user("P\($0)") }
            return try await body(Self(discord: discord, users: users, rooms: users.map(discord.direct)))
        }
    }

    var apiBase: String { discord.apiBase }
    var people: [String] { users.map(\.id) }
    func say(_ text: String, by person: Int) { discord.say(text, by: users[person], in: rooms[person]) }
    func answers(to person: Int) -> [String] { discord.posts(in: rooms[person]).map(\.text) }

    func wait(until isOver: @escaping @Sendable () -> Bool) async throws {
        try await discord.waitFor("every answer", within: .seconds(90)) { _ in isOver() ? true : nil }
    }
}
