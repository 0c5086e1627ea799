import Testing

@testable import Bridges
@testable import Wire

// P-36: who may talk, as a table.

@Suite struct AccessRuleTests {
    private func decide(
        _ user: String?, in group: String? = nil, guild: String? = nil, isAddressed: Bool = true,
        _ change: (inout ChannelAccess) -> Void
    ) -> AccessRule.Answer {
        var access = ChannelAccess()
        change(&access)
        // The name says what it likes.
        let sender = InboundUpdate.Sender(id: user, name: "ana", isPrivateChat: group == nil, guild: guild)
        return AccessRule.decide(sender, chat: group ?? user ?? "", isAddressed: isAddressed, access)
    }

    @Test("P-36: in private chats users on the list are heard, by their id alone")
    func direct() {
        #expect(decide("1") { $0.users = ["1"] } == .allow)
        #expect(decide("2") { $0.users = ["1", "ana"] } == .silence)
        #expect(decide("1") { _ in } == .silence)
        #expect(decide(nil) { $0.users = ["1"] } == .silence)
        #expect(decide("") { $0.users = ["", "1"] } == .silence)
        // Lists of chats say nothing about private ones.
        #expect(decide("1") { ($0.chats, $0.listen, $0.guilds) = (["1"], ["1"], ["g"]) } == .silence)
        #expect(decide("2") { $0.pairing = true } == .ask(mayPair: true))
        #expect(decide(nil) { $0.pairing = true } == .silence)
    }

    @Test("P-36: in groups those are heard who are on a list, when they mean the bot or it listens there")
    func groups() {
        #expect(decide("1", in: "g") { $0.users = ["1"] } == .allow)
        #expect(decide("2", in: "g") { $0.chats = ["g"] } == .allow)
        #expect(decide("2", in: "h") { $0.chats = ["g"] } == .silence)
        #expect(decide("1", in: "g", isAddressed: false) { $0.users = ["1"] } == .silence)
        #expect(decide("1", in: "g", isAddressed: false) { ($0.users, $0.listen) = (["1"], ["g"]) } == .allow)
        // Listening is not letting in.
        #expect(decide("2", in: "g", isAddressed: false) { ($0.users, $0.listen) = (["1"], ["g"]) } == .silence)
        #expect(decide("1", in: "g") { ($0.users, $0.directOnly) = (["1"], true) } == .silence)
        #expect(decide(nil, in: "g") { $0.chats = ["g"] } == .silence)
        // Nobody is told a code where others read it.
        #expect(decide("2", in: "g") { $0.pairing = true } == .ask(mayPair: false))
        #expect(decide("2", in: "g", isAddressed: false) { $0.pairing = true } == .silence)
    }

    @Test("P-36: outside of the servers on the list nobody is heard")
    func guilds() {
        #expect(decide("1", in: "c", guild: "s") { ($0.users, $0.guilds) = (["1"], ["s"]) } == .allow)
        #expect(decide("1", in: "c", guild: "t") { ($0.users, $0.guilds) = (["1"], ["s"]) } == .silence)
        #expect(decide("1", in: "c", guild: nil) { ($0.users, $0.guilds) = (["1"], ["s"]) } == .silence)
        #expect(decide("1", guild: nil) { ($0.users, $0.guilds) = (["1"], ["s"]) } == .allow)
    }
}
