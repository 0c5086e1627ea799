import Foundation
import TestPlatforms
import Testing

// Is the fake what Discord is? A library that many bots use lives in it by its own code: discord.py.

@Suite struct DiscordPeerTests {
    @Test(
        "discord.py takes the fake for Discord: it logs in, hears, answers, changes, goes on after a cut, keeps to limits"
    )
    func library() async throws {
        let seen = try await FakeDiscord.run { discord in
            let (ann, channel) = (discord.user("ann"), discord.channel())
            let direct = discord.direct(ann)
            let seen = try await PeerProgram.run("discord_bot.py", [discord.apiBase, FakeDiscord.token]) {
                try await discord.waitFor("the library", within: .seconds(40)) { $0.identifies == 1 ? true : nil }
                func answers(_ count: Int, in channel: String) async throws -> [String] {
                    try await discord.waitFor("\(count) answers", within: .seconds(15)) { _ in
                        let said = discord.messages(in: channel)
                        return said.count >= count ? said : nil
                    }
                }

                let asked = discord.say("say hello 😀", by: ann, in: channel)
                discord.say("beep", by: discord.user("other", isBot: true), in: channel)
                discord.say("say between us", by: ann, in: direct)
                #expect(try await answers(1, in: channel) == ["hello 😀"])
                #expect(try await answers(1, in: direct) == ["between us"])
                #expect(discord.sent.first { $0.place == channel }?.body["nonce"]?.string == asked)

                discord.say("change better", by: ann, in: channel)
                try await discord.waitFor("the change") { state in
                    state.sent.contains { $0.kind == .edit && $0.text == "better" } ? true : nil
                }

                // A cut, words meanwhile, and it takes its session up.
                discord.cutGateway()
                discord.say("say I am back", by: ann, in: channel)
                #expect(try await answers(3, in: channel) == ["hello 😀", "better", "I am back"])
                discord.askToReconnect()
                try await discord.waitFor("the session again", within: .seconds(20)) {
                    $0.resumes.count >= 2 ? true : nil
                }

                discord.set {
                    $0.storm = .init(times: 1, retryAfter: 0.3)
                    $0.bucket = (limit: 3, seconds: 0.4)
                }
                discord.say("many 8", by: ann, in: channel)
                #expect(try await answers(11, in: channel).suffix(8) == ["0", "1", "2", "3", "4", "5", "6", "7"])
                discord.say("wrong", by: ann, in: channel)
                #expect(try await answers(12, in: channel).last == "too long")
                discord.say("end", by: ann, in: channel)
            }
            #expect(discord.now.identifies == 1 && discord.now.violations == 0)
            return seen
        }
        #expect(seen["user"] == "agent" && seen["ready"] == 1 && seen["refused"] == 50035, "\(seen)")
        #expect(seen["guilds"] == [["A server", ["general"]]] && seen["private"] == ["say between us"])
        #expect(seen["resumed"] == 2 && seen["limited"] == 1, "\(seen)")
        #expect(
            seen["heard"] == [
                "say hello 😀", "beep", "say between us", "change better", "say I am back", "many 8", "wrong", "end",
            ], "\(seen)")
    }
}
