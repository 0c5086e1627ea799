internal import Wire

// Who may talk (P-36)? Decided here and nowhere else, from ids alone: names are what anybody calls themselves. What is not allowed is
// not heard. Pure; whether an admin let somebody in by a code is for the caller to find out.

enum AccessRule {
    enum Answer: Sendable, Equatable {
        case allow
        case silence
        /// Allowed if an admin let this user in.
        ///
        /// - `mayPair`: otherwise they are told a code by which one can.
        case ask(mayPair: Bool)
    }

    /// - Parameters:
    ///   - chat: where it was said.
    ///   - isAddressed: it is meant for the bot.
    static func decide(
        _ sender: InboundUpdate.Sender, chat: String, isAddressed: Bool, _ access: ChannelAccess
    ) -> Answer {
        guard let user = sender.id, !user.isEmpty else { return .silence }
        if sender.isPrivateChat {
            if access.users.contains(user) { return .allow }
            return access.pairing ? .ask(mayPair: true) : .silence
        }
        guard !access.directOnly, isAddressed || access.listen.contains(chat) else { return .silence }
        if !access.guilds.isEmpty {
            guard let guild = sender.guild, access.guilds.contains(guild) else { return .silence }
        }
        if access.chats.contains(chat) || access.users.contains(user) { return .allow }
        return access.pairing ? .ask(mayPair: false) : .silence
    }
}
