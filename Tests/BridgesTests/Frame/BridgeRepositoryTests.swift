import Foundation
import Testing

@testable import Bridges
@testable import Store

// What is on disk: together or not at all, and for nobody else's eyes.

@Suite struct BridgeRepositoryTests {
    private let folder: TestFolder
    private let store: BridgeRepository

    init() throws {
        folder = try TestFolder()
        store = try BridgeRepository(path: folder.path + "/bridge.db")
    }

    private func turn(_ id: String) -> BridgeTurn {
        BridgeTurn(
            messageID: id, session: "s", place: "p", anchor: nil, text: "hello", source: "user_typed", attachments: "[]"
        )
    }

    private func message(_ key: String, lane: String = "p", chat: String = "c") -> BridgeMessage {
        BridgeMessage(lane: lane, chat: chat, place: lane, act: "{}", key: key)
    }

    @Test func theFileIsItsOwnersAlone() throws {
        let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/bridge.db")[.posixPermissions]
        #expect(mode as? Int == 0o600)
    }

    @Test func anUpdateIsAcceptedOnce() async throws {
        #expect(try await store.accept("in:1", turn: turn("1"), messages: [message("a")], at: 1))
        #expect(try await !store.accept("in:1", turn: turn("1"), messages: [message("b")], at: 1))
        #expect(try await store.openTurns(after: 0, limit: 10).map(\.messageID) == ["1"])
        #expect(try await store.waitingCount() == 1)
        // One of two that cannot be written leaves nothing of the other.
        await #expect(throws: (any Error).self) { try await store.accept("in:2", turn: turn("1"), at: 1) }
        #expect(try await !store.hasSeen("in:2"))
    }

    @Test func aTurnEndsOnce() async throws {
        _ = try await store.accept("in:1", turn: turn("1"), at: 1)
        let ending = BridgeEnding(messageIDs: ["1"], session: "s", afterSequence: 7, messages: [message("1:0")])
        #expect(try await store.finish(ending, at: 2))
        #expect(try await store.afterSequence(of: "s") == 7)
        let sent = try #require(try await store.next(in: "p"))
        try await store.settle(sent.id)
        #expect(try await !store.finish(ending, at: 3))
        #expect(try await store.waitingCount() == 0)
    }

    @Test func lanesAreInTheirOrderAndParkedChatsAreLeftOut() async throws {
        _ = try await store.accept(
            "in:1", messages: [message("1"), message("2", lane: "q", chat: "d"), message("3")], at: 1)
        #expect(try await store.lanes().map(\.lane) == ["p", "q"])
        #expect(try await store.next(in: "p")?.key == "1")
        try await store.park("c", reason: "gone", since: 5)
        #expect(try await store.lanes().map(\.lane) == ["q"])
        #expect(try await store.parked() == [ParkedChat(chat: "c", reason: "gone", since: 5)])
        try await store.unpark("c")
        #expect(try await store.lanes(of: "c").map(\.lane) == ["p"])
    }

    @Test func whatIsOldIsForgottenAndWhatIsOpenIsNot() async throws {
        _ = try await store.accept("in:1", turn: turn("1"), messages: [message("1")], at: 1)
        _ = try await store.accept("in:2", messages: [message("2", chat: "d")], at: 1)
        try await store.setDraft(of: "1", "m1", at: 1)
        try await store.setDraft(of: "0", "m0", at: 1)
        try await store.park("d", reason: "gone", since: 1)
        try await store.forget(before: 2)
        #expect(try await !store.hasSeen("in:1"))
        #expect(try await store.openTurns(after: 0, limit: 10).count == 1)
        #expect(try await store.next(in: "p")?.key == "1")
        #expect(try await store.waitingCount() == 1)
        #expect(try await store.draft(of: "1") == "m1")
        #expect(try await store.draft(of: "0") == nil)
    }

    @Test func whatIsToBeSentComesBackAsItWas() throws {
        let acts: [StoredAct] = [
            .plain(.send(OutboundText("a", replyTo: "1", buttons: [OutboundButton(label: "b", data: "c")]))),
            .plain(.answer(to: "t", OutboundText("a"))), .reply(turn: "1", OutboundText("a")), .close(turn: "1", "b"),
            .speech(text: "a", replyTo: nil),
            .file(StoredAttachment(id: "1", kind: .image, name: "a.png", mimeType: nil, size: 3, replyTo: "1")),
        ]
        for act in acts { #expect(try JSONText.decode(StoredAct.self, JSONText.encode(act)) == act) }
        let places = [ChatPlace(chat: "1"), ChatPlace(chat: "1", thread: "2"), ChatPlace(chat: #"1","thread":"2"#)]
        #expect(Set(try places.map { try $0.text() }).count == 3)
        for place in places { #expect(try ChatPlace(text: place.text()) == place) }
    }
}
