// What do Discord's events hold? Only the fields that the bridge reads, all but ids optional: an event that lacks one is still an event.

struct DiscordUser: Decodable, Sendable, Equatable {
    var id: String
    var username: String?
    var globalName: String?
    var bot: Bool?

    var name: String { globalName ?? username ?? id }
}

struct DiscordMessage: Decodable, Sendable {
    struct Reference: Decodable, Sendable {
        var type: Int?
    }
    struct Referenced: Decodable, Sendable {
        var author: DiscordUser?
    }
    struct Snapshot: Decodable, Sendable {
        struct Content: Decodable, Sendable {
            var content: String?
            var attachments: [DiscordAttachment]?
        }
        var message: Content?
    }

    var id: String
    var channelId: String
    var guildId: String?
    /// Nil in some updates.
    var author: DiscordUser?
    var content: String?
    var type: Int?
    var flags: Int?
    var editedTimestamp: String?
    var webhookId: String?
    var mentions: [DiscordUser]?
    var mentionRoles: [String]?
    var attachments: [DiscordAttachment]?
    var messageReference: Reference?
    var referencedMessage: Referenced?
    var messageSnapshots: [Snapshot]?
}

struct DiscordAttachment: Decodable, Sendable {
    var filename: String?
    var contentType: String?
    var size: Int64?
    var url: String?
}

struct DiscordInteraction: Decodable, Sendable {
    struct Member: Decodable, Sendable { var user: DiscordUser? }
    struct Option: Decodable, Sendable {
        var name: String
        /// Of the kinds that our commands have, all are texts.
        var value: String?
    }
    struct Content: Decodable, Sendable {
        var name: String?
        var options: [Option]?
        var customId: String?
    }
    struct Message: Decodable, Sendable { var id: String }

    var id: String
    var applicationId: String
    var type: Int
    var token: String
    var channelId: String?
    var guildId: String?
    /// Where it was given: 0 a server, 1 a chat with the bot, 2 a chat of other people.
    var context: Int?
    var user: DiscordUser?
    var member: Member?
    var data: Content?
    var message: Message?
}
