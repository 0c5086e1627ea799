import Testing
import Wire

@Suite struct ChannelAccessTests {
    @Test("P-36: what nobody filled in lets nobody in")
    func empty() {
        let access = ChannelAccess()
        #expect(access.users.isEmpty && access.chats.isEmpty && !access.pairing)
    }
}
