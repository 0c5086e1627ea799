import JSON
import Testing
import Wire

@testable import Bridges

@Suite struct TelegramIntakeTests {
    private static let start = ContinuousClock.now

    private static func update(_ id: Int64, chat: String, text: String = "", files: Int = 0) -> InboundUpdate {
        let files = (0..<files).map { _ in InboundFile(name: "photo.jpg") { _ in } }
        return InboundUpdate(
            id: "\(id)", session: "tg:\(chat)", place: ChatPlace(chat: chat),
            sender: .init(id: chat, name: "", isPrivateChat: true), isAddressed: true,
            content: .message(InboundMessage(text: text, files: files)), anchor: "\(id)")
    }

    private static func message(_ id: Int64, _ chat: String = "a", _ text: String = "") -> (
        id: Int64, news: TelegramNews
    ) {
        (id, TelegramNews(.update(update(id, chat: chat, text: text))))
    }

    private static func part(_ id: Int64, _ text: String = "", album: String = "x") -> (id: Int64, news: TelegramNews) {
        (id, TelegramNews(.albumPart(album: album, update(id, chat: "a", text: text, files: 1))))
    }

    @Test("the offset moves past what was accepted, and never past what was not")
    func offsets() {
        var intake = TelegramIntake(from: nil)
        #expect(intake.offset == nil)
        #expect(
            intake.take([Self.message(5, "a"), Self.message(6, "b"), Self.message(7, "a")], asked: nil, at: Self.start)
                .count == 3)
        #expect(intake.offset == 5)
        #expect(intake.start() == ["a", "b"] && intake.start().isEmpty)
        #expect(intake.next(of: "b")?.ids == [6])
        intake.accept(of: "b")
        #expect(intake.next(of: "b") == nil && intake.offset == 5)
        #expect(intake.next(of: "a")?.ids == [5])
        intake.accept(of: "a")
        #expect(intake.offset == 7 && !intake.isEmpty)
        #expect(intake.next(of: "a")?.ids == [7])
        intake.accept(of: "a")
        #expect(intake.offset == 8 && intake.isEmpty)
    }

    @Test("what Telegram gives again while it is in hand is not taken again, and neither is what was accepted after it")
    func repeats() {
        var intake = TelegramIntake(from: 5)
        let batch = [Self.message(5, "a"), Self.message(6, "b"), (id: Int64(7), news: TelegramNews())]
        #expect(intake.take(batch, asked: nil, at: Self.start).count == 3)
        _ = intake.start()
        _ = intake.next(of: "b")
        intake.accept(of: "b")
        #expect(intake.next(of: "b") == nil)
        #expect(intake.take(batch + [Self.message(8, "b")], asked: nil, at: Self.start).count == 1)
        #expect(intake.start() == ["b"] && intake.next(of: "b")?.ids == [8])
        #expect(intake.offset == 5)
    }

    @Test("P-66: what is accepted while a poll goes on that brings it again is not taken again")
    func repeatInFlight() {
        var intake = TelegramIntake(from: nil)
        _ = intake.take([Self.message(5)], asked: nil, at: Self.start)
        let asked = intake.offset
        _ = intake.start()
        _ = intake.next(of: "a")
        intake.accept(of: "a")
        #expect(intake.isEmpty && asked == 5)
        #expect(intake.take([Self.message(5)], asked: asked, at: Self.start).isEmpty && intake.isEmpty)
        #expect(intake.offset == 6)
    }

    @Test("updates of a chat stand in the order of their numbers, however they come")
    func order() {
        var intake = TelegramIntake(from: nil)
        _ = intake.take([Self.message(7), Self.message(5), Self.message(6)], asked: nil, at: Self.start)
        var seen: [Int64] = []
        #expect(intake.start() == ["a"])
        while let item = intake.next(of: "a") {
            seen += item.ids
            intake.accept(of: "a")
        }
        #expect(seen == [5, 6, 7] && intake.start().isEmpty)
    }

    @Test("what is nobody's moves the offset on")
    func nobodys() {
        var intake = TelegramIntake(from: 3)
        _ = intake.take([(id: 3, news: TelegramNews()), (id: 4, news: TelegramNews())], asked: nil, at: Self.start)
        #expect(intake.offset == 5 && intake.isEmpty)
        _ = intake.take([], asked: nil, at: Self.start)
        #expect(intake.offset == 5)
    }

    @Test("numbers that begin anew, lower than before, are followed")
    func restart() {
        var intake = TelegramIntake(from: 1_000_000)
        #expect(intake.take([Self.message(17)], asked: 1_000_000, at: Self.start).count == 1)
        #expect(intake.start() == ["a"] && intake.offset == 17)
        _ = intake.next(of: "a")
        intake.accept(of: "a")
        #expect(intake.offset == 18)
    }

    @Test("an album is one update, complete when a poll a second after its last part brings no other")
    func albums() throws {
        var intake = TelegramIntake(from: nil)
        _ = intake.take([Self.part(1, "first"), Self.part(2, "first")], asked: nil, at: Self.start)
        _ = intake.take([Self.message(3, "a", "after"), Self.message(4, "b")], asked: nil, at: Self.start)
        #expect(intake.start() == ["b"])
        #expect(intake.nextPoll(after: Self.start - .milliseconds(300)) == Self.start + .seconds(1))
        // A part that comes late begins the second anew.
        let late = Self.start + .milliseconds(900)
        _ = intake.take([Self.part(5, "second")], asked: nil, at: late)
        intake.polled(from: Self.start + .seconds(1))
        #expect(intake.start().isEmpty && intake.offset == 1)
        intake.polled(from: late + .seconds(1))
        #expect(intake.start() == ["a"])
        let complete = intake.next(of: "a")
        let album = try #require(complete)
        #expect(album.ids == [1, 2, 5] && album.update.id == "1" && album.update.anchor == "1")
        #expect(album.update.message?.text == "first\nsecond")
        #expect(album.update.message?.files.map(\.name) == ["photo.jpg", "photo-2.jpg", "photo-3.jpg"])
        intake.accept(of: "a")
        #expect(intake.next(of: "a")?.ids == [3])
        intake.accept(of: "a")
        _ = intake.next(of: "b")
        intake.accept(of: "b")
        #expect(intake.isEmpty && intake.offset == 6)
    }

    @Test("two albums of one chat stay two, and a part that comes too late is a message of its own")
    func twoAlbums() {
        var intake = TelegramIntake(from: nil)
        _ = intake.take(
            [Self.part(1, album: "x"), Self.part(2, album: "y"), Self.part(3, album: "x")], asked: nil, at: Self.start)
        intake.polled(from: Self.start + .seconds(1))
        _ = intake.take([Self.part(4, album: "x")], asked: nil, at: Self.start + .seconds(1))
        #expect(intake.start() == ["a"])
        var items: [[Int64]] = []
        while let item = intake.next(of: "a") {
            items.append(item.ids)
            intake.accept(of: "a")
        }
        #expect(items == [[1, 3], [2]] && intake.offset == 4)
    }

    @Test("polls are a second apart while something is in hand")
    func pace() {
        var intake = TelegramIntake(from: nil)
        _ = intake.take([Self.message(1)], asked: nil, at: Self.start)
        #expect(intake.nextPoll(after: Self.start) == Self.start + .seconds(1))
    }
}
