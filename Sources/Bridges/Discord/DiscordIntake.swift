internal import Foundation
internal import Logging
internal import Synchronization

// What happens with an event that came in? It is translated, given to the frame in its channel's order, and counted as accepted when the
// frame has it. After a break that the gateway can't mend, what was said meanwhile is read where the bot talks.

/// Hands events over.
struct DiscordIntake: Sendable {
    let inbox: any Inbox
    let lanes: DiscordLanes
    let progress: DiscordProgress
    let interactions: DiscordInteractions
    let rest: DiscordREST
    let commands: DiscordCommands
    let roles: DiscordRoles
    let memory: DiscordMemory
    let seams: DiscordSeams
    let logger: Logger
    let fetch: @Sendable (String, @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    /// Pages of a hundred messages that are read in one channel after a break.
    private static let pages = 10

    // MARK: Sessions

    /// A session began. Its first event counts as accepted when everything missed before it was.
    func begin(_ session: DiscordSession, _ sequence: Int) {
        let generation = progress.begin(session, sequence: sequence)
        let channels = progress.channels
        logger.info("bridge::discord_session_began", metadata: ["channels": "\(channels.count)"])
        greet(session)
        let left = Countdown(channels.count + 1) { progress.accept(sequence, generation) }
        left.down()
        for channel in channels {
            let isTaken = lanes.add(channel.id) {
                try await readMissed(channel, session)
                left.down()
            }
            // Then this session is not taken up after a break, and the channels are read once more.
            if !isTaken { logger.warning("bridge::discord_missed_not_read", metadata: ["channel": "\(channel.id)"]) }
        }
    }

    /// A session goes on.
    func resumed(_ session: DiscordSession, _ sequence: Int) {
        if let generation = progress.receive(sequence) { progress.accept(sequence, generation) }
        logger.info("bridge::discord_session_resumed")
        greet(session)
    }

    private func greet(_ session: DiscordSession) {
        lanes.aside { await inbox.connected(as: session.name) }
        guard memory.registersCommands() else { return }
        lanes.aside { try await commands.register(session.application) }
    }

    // MARK: Events

    /// - Returns: false when it can't be held.
    func take(_ sequence: Int, _ event: String, _ text: String) -> Bool {
        guard let generation = progress.receive(sequence), let session = progress.session else { return true }
        let done: @Sendable () -> Void = { progress.accept(sequence, generation) }
        let translator = DiscordTranslator(user: session.user, fetch: fetch)
        switch event {
        case "MESSAGE_CREATE", "MESSAGE_UPDATE":
            let isEdit = event == "MESSAGE_UPDATE"
            guard let message: DiscordMessage = DiscordFrame.payload(text) else { return unreadable(event, done) }
            guard let update = translator.update(message, isEdit: isEdit) else {
                done()
                return true
            }
            return lanes.add(message.channelId) {
                if let update = try await withRole(update, of: message, isEdit: isEdit, translator) {
                    try await inbox.receive(update)
                }
                if !isEdit { progress.accept(message: message.id, in: message.channelId, guild: message.guildId) }
                done()
            }
        case "INTERACTION_CREATE":
            guard let interaction: DiscordInteraction = DiscordFrame.payload(text) else {
                return unreadable(event, done)
            }
            return take(interaction, translator, done)
        default:
            done()
            return true
        }
    }

    /// What a message says once the bot's own role is known. Discord is asked only when a role is mentioned.
    ///
    /// - Returns: nil when it mentions that role and says nothing else.
    private func withRole(
        _ update: InboundUpdate, of message: DiscordMessage, isEdit: Bool, _ translator: DiscordTranslator
    ) async throws -> InboundUpdate? {
        guard let guild = message.guildId, message.mentionRoles?.isEmpty == false,
            let role = try await roles.own(of: translator.user, in: guild)
        else { return update }
        var translator = translator
        translator.role = role
        return translator.update(message, isEdit: isEdit)
    }

    private func take(
        _ interaction: DiscordInteraction, _ translator: DiscordTranslator, _ done: @escaping @Sendable () -> Void
    ) -> Bool {
        guard let update = translator.update(interaction), let address = DiscordAnswerAddress(interaction) else {
            done()
            return true
        }
        // Discord hears at once that it was understood, whatever this channel is busy with.
        let (understood, understand) = AsyncStream.makeStream(of: Void.self)
        lanes.aside {
            await interactions.acknowledge(address)
            understand.finish()
        }
        return lanes.add(update.place.chat) {
            for await _ in understood {}
            try await inbox.receive(update)
            progress.accept(message: interaction.id, in: update.place.chat, guild: interaction.guildId)
            done()
            lanes.aside {
                try await seams.sleep(DiscordInteractions.silence)
                try await interactions.takeBack(address)
            }
        }
    }

    private func unreadable(_ event: String, _ done: () -> Void) -> Bool {
        logger.warning("bridge::discord_event_unreadable", metadata: ["type": "\(event)"])
        done()
        return true
    }

    // MARK: After a break

    /// Reads what was said in a channel while no session stood.
    ///
    /// - Throws: ``PlatformFailure/account(_:)``, `CancellationError`, what the inbox throws.
    private func readMissed(_ channel: DiscordChannels.Channel, _ session: DiscordSession) async throws {
        let translator = DiscordTranslator(user: session.user, fetch: fetch)
        var after = channel.after
        var count = 0
        for _ in 0..<Self.pages {
            let page: [Readable]
            do {
                page = try await rest.insist(
                    .channel(
                        "GET", channel.id, "/messages?limit=100&after=\(after)", pattern: "/messages"),
                    as: [Readable].self)
            } catch let refusal as DiscordRefusal {
                if case .chatGone = refusal.failure(of: .send) { progress.remove(channel.id) }
                return
            }
            let messages = page.compactMap(\.message).sorted { Snowflake.number($0.id) < Snowflake.number($1.id) }
            for var message in messages {
                // Read this way, a message doesn't say where it was written.
                message.guildId = channel.guild
                if let update = translator.update(message, isEdit: false),
                    let update = try await withRole(update, of: message, isEdit: false, translator)
                {
                    try await inbox.receive(update)
                    count += 1
                }
                progress.accept(message: message.id, in: channel.id, guild: channel.guild)
                after = message.id
            }
            if page.count < 100 || messages.isEmpty {
                if count > 0 {
                    logger.info(
                        "bridge::discord_missed_read", metadata: ["channel": "\(channel.id)", "count": "\(count)"])
                }
                return
            }
        }
        logger.warning("bridge::discord_missed_cut", metadata: ["channel": "\(channel.id)", "count": "\(count)"])
    }

    /// One that has another shape is passed over, not the whole page.
    private struct Readable: Decodable {
        var message: DiscordMessage?
        init(from decoder: any Decoder) throws { message = try? DiscordMessage(from: decoder) }
    }
}

/// Does something when it was counted down to zero.
private final class Countdown: Sendable {
    private let left: Mutex<Int>
    private let then: @Sendable () -> Void

    init(_ count: Int, _ then: @escaping @Sendable () -> Void) {
        left = Mutex(count)
        self.then = then
    }

    func down() {
        let isOver = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isOver { then() }
    }
}
