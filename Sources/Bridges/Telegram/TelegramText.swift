// What did somebody write to the bot? Text with marks beside it (entities), counted in UTF-16: a mention of the bot is taken out, a
// command recognised. Pure.

/// The text of a message as far as the bot is concerned.
struct TelegramText: Sendable, Equatable {
    enum Command: Sendable, Equatable {
        case none
        /// It names another bot.
        case ofAnotherBot
        /// - `isNamed`: it names us.
        case ours(name: String, argument: String, isNamed: Bool)
    }

    /// Without mentions of the bot.
    let plain: String
    let isMentioned: Bool

    /// - Parameters:
    ///   - text: a message's or a caption.
    ///   - entities: its `entities` or `caption_entities`.
    init(_ text: String, _ entities: [TelegramObject], bot: TelegramIdentity) {
        let units = Array(text.utf16)
        var mentions: [Range<Int>] = []
        for entity in entities {
            guard let range = Self.range(of: entity, in: units.count) else { continue }
            switch entity.text("type") {
            case "mention":
                let name = String(decoding: units[range], as: UTF16.self)
                if name.lowercased() == "@\(bot.username)".lowercased() { mentions.append(range) }
            case "text_mention": if entity["user"]?.number("id") == bot.id { mentions.append(range) }
            default: break
            }
        }
        isMentioned = !mentions.isEmpty
        plain = Self.without(mentions, units)
    }

    private static func range(of entity: TelegramObject, in count: Int) -> Range<Int>? {
        guard let offset = entity.number("offset"), let length = entity.number("length"), offset >= 0, length > 0,
            offset <= count, length <= Int64(count) - offset
        else { return nil }
        return Int(offset)..<Int(offset + length)
    }

    private static func without(_ ranges: [Range<Int>], _ units: [UInt16]) -> String {
        let blank = UInt16(UInt8(ascii: " "))
        var kept: [UInt16] = []
        var index = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.lowerBound >= index {
            kept += units[index..<range.lowerBound]
            index = range.upperBound
            // "hey @bot what" has two blanks around what goes.
            if kept.last ?? blank == blank, index < units.count, units[index] == blank { index += 1 }
        }
        kept += units[index...]
        return trimmed(String(decoding: kept, as: UTF16.self))
    }

    private static func trimmed(_ text: String) -> String {
        let start = text.drop(while: \.isWhitespace)
        guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...end])
    }

    // MARK: Commands

    /// Reads `/name`, `/name argument` and `/name@bot argument`. A slash alone and a path like `/usr/bin` are no commands.
    func command(bot: TelegramIdentity) -> Command {
        guard plain.utf8.first == UInt8(ascii: "/") else { return .none }
        let head = plain.prefix { !$0.isWhitespace }
        let argument = Self.trimmed(String(plain[head.endIndex...]))
        let parts = head.dropFirst().split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, Self.isWord(name), parts.count == 1 || Self.isWord(parts[1]) else { return .none }
        let isNamed = parts.count > 1
        if isNamed, parts[1].lowercased() != bot.username.lowercased() { return .ofAnotherBot }
        return .ours(name: name.lowercased(), argument: argument, isNamed: isNamed)
    }

    private static func isWord(_ text: Substring) -> Bool {
        !text.isEmpty
            && text.utf8.count <= 64
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}

/// Who the bot is.
struct TelegramIdentity: Sendable, Equatable {
    var id: Int64
    /// Without `@`.
    var username: String
}
