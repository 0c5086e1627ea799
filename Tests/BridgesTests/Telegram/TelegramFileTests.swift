import Foundation
import JSON
import TestPlatforms
import Testing
import Wire

@testable import Bridges

// Files from and to Telegram.

@Suite struct TelegramFileTests {
    private static let picture: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 1, 2, 3]

    /// Writes a file for the duration of `body`.
    private static func withFile<T>(_ bytes: [UInt8], _ body: (String) async throws -> T) async throws -> T {
        let url = FileManager.default.temporaryDirectory.appending(path: "telegram-test-\(UUID().uuidString)")
        try Data(bytes).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        return try await body(url.path)
    }

    private static func file(
        _ kind: Wire.Attachment.Kind, _ name: String, _ path: String, size: Int, replyTo: String? = nil
    ) -> OutboundFile {
        OutboundFile(
            kind: kind, name: name, mimeType: MediaType.of(name), size: Int64(size), path: path, replyTo: replyTo)
    }

    @Test("a file goes out by the method of its kind, with its name, as a reply")
    func kinds() async throws {
        let cases: [(Wire.Attachment.Kind, String, String)] = [
            (.image, "chart.png", "sendPhoto"), (.image, "drawing.svg", "sendDocument"),
            (.image, "scan.tiff", "sendDocument"),
            (.voice, "answer.ogg", "sendVoice"), (.voice, "answer.mp3", "sendAudio"),
            (.voice, "answer.wav", "sendDocument"),
            (.video, "clip.mp4", "sendVideo"), (.video, "clip.mkv", "sendDocument"),
            (.file, "report.pdf", "sendDocument"),
            (.file, "naïve \"name\".txt", "sendDocument"),
        ]
        try await TelegramRoom.run { room in
            let place = room.ann()
            try await Self.withFile(Self.picture) { path in
                for (kind, name, method) in cases {
                    let file = Self.file(kind, name, path, size: Self.picture.count, replyTo: "1")
                    let id = try await room.bridge.perform(.file(file), at: place, key: "k")
                    let message = try #require(room.telegram.now.sent.last)
                    #expect(message.method == method && message.file?.filename == name, "\(message)")
                    #expect(message.file?.bytes == Self.picture && message.replyTo == 1 && id == "\(message.id)")
                }
            }
        }
    }

    @Test("what can't be shown as a photo goes out as a document, in its topic")
    func fallback() async throws {
        try await TelegramRoom.run { room in
            room.telegram.open(-600, .supergroup, topics: [77])
            let place = ChatPlace(chat: "-600", thread: "77")
            try await Self.withFile(Array("no picture".utf8)) { path in
                _ = try await room.bridge.perform(
                    .file(Self.file(.image, "x.png", path, size: 10)), at: place, key: "k")
                #expect(room.telegram.now.sent.map(\.method) == ["sendDocument"])
                #expect(room.telegram.now.sent.map(\.thread) == [77])
                // A pause that is asked for, and a chat that is shut, are no matter of the photo.
                room.telegram.flood("sendPhoto", retryAfter: 3)
                let act = OutboundAct.file(Self.file(.image, "x.png", path, size: 10))
                #expect(await room.failure(act, at: place) == .wait(.seconds(3), .chat))
                room.telegram.shut(-600, "Forbidden: bot was kicked from the supergroup chat")
                guard case .chatGone? = await room.failure(act, at: place) else {
                    Issue.record("not gone")
                    return
                }
                #expect(room.telegram.now.sent.count == 1)
            }
        }
    }

    @Test("a file above the limit is refused in words, before anything is sent; one that is gone as well")
    func tooLarge() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            let large = Self.file(.file, "film.bin", "/nonexistent", size: 50 << 20 + 1)
            guard case .refused(let words)? = await room.failure(.file(large), at: place) else {
                Issue.record("taken")
                return
            }
            #expect(words.contains("film.bin") && words.contains("50 MB"))
            guard case .refused? = await room.failure(.file(Self.file(.file, "x", "/nonexistent", size: 1)), at: place)
            else {
                Issue.record("no file")
                return
            }
            #expect(room.telegram.server.requests.isEmpty)
        }
    }

    @Test("an upload that is cut is told as such, and nothing of it stands in the chat")
    func cut() async throws {
        try await TelegramRoom.run { room in
            let place = room.ann()
            try await Self.withFile([UInt8](repeating: 7, count: 300_000)) { path in
                let act = OutboundAct.file(Self.file(.file, "x.bin", path, size: 300_000))
                room.telegram.fail("sendDocument", .cut)
                guard case .unavailable? = await room.failure(act, at: place) else {
                    Issue.record("not cut")
                    return
                }
                #expect(room.telegram.now.sent.isEmpty)
                _ = try await room.bridge.perform(act, at: place, key: "k")
                #expect(room.telegram.now.sent.first?.file?.bytes.count == 300_000)
            }
        }
    }

    @Test("a file is fetched when somebody wants it, in pieces, and not before")
    func fetch() async throws {
        let bytes = (0..<500_000).map { UInt8(truncatingIfNeeded: $0) }
        try await TelegramRoom.run { room in
            room.telegram.send(
                "document", bytes, name: "späte dateien/ä b%2F?.bin", type: "application/x-thing", caption: "Look")
            let file = try await room.listening { try await room.inbox.waitForGiven(1)[0].message?.files.first }
            #expect(!room.telegram.server.requests.contains { $0.lastComponent == "getFile" })
            let found = try #require(file)
            #expect(found.size == 500_000 && found.mimeType == "application/x-thing" && !found.isVoice)
            #expect(try await TelegramPollTests.bytes(of: found) == bytes)
        }
    }

    @Test(
        "a file above twenty megabytes is refused, whatever its size was said to be; faults are told as what they are")
    func fetchFaults() async throws {
        try await TelegramRoom.run { room in
            let telegram = room.telegram
            telegram.send("document", [1], name: "large", size: 21 << 20)
            telegram.send("document", [UInt8](repeating: 0, count: (20 << 20) + 1), name: "larger", size: 5)
            telegram.send("voice", [1, 2, 3])
            let given = try await room.listening { try await room.inbox.waitForGiven(3) }
            let files = given.compactMap { $0.message?.files.first }
            func failure(_ file: InboundFile) async -> PlatformFailure? {
                do {
                    _ = try await TelegramPollTests.bytes(of: file)
                    return nil
                } catch { return error as? PlatformFailure }
            }
            for file in files.prefix(2) {
                guard case .refused? = await failure(file) else {
                    Issue.record("\(file.name) is taken")
                    continue
                }
            }
            let voice = files[2]
            #expect(voice.isVoice)
            telegram.flood("getFile", retryAfter: 5)
            #expect(await failure(voice) == .wait(.seconds(5), .everything))
            telegram.fail("getFile", .answer(.text("", status: 502)))
            guard case .unavailable? = await failure(voice) else {
                Issue.record("not unavailable")
                return
            }
            telegram.server.fail(FakeFault(.cutAnswer(after: 1)) { $0.path.hasPrefix("/file/") })
            guard case .unavailable(let words)? = await failure(voice) else {
                Issue.record("not cut")
                return
            }
            #expect(!words.contains("AAF-fake"))
            // A server that keeps its files on its own disk names a path of it.
            for path in ["/etc/passwd", "../../etc/passwd", "a/../b", "", "a//b", "."] {
                telegram.fail("getFile", .answer(.json(["ok": true, "result": ["file_path": .string(path)]])))
                guard case .refused? = await failure(voice) else {
                    Issue.record("'\(path)' is fetched")
                    continue
                }
            }
            #expect(try await TelegramPollTests.bytes(of: voice) == [1, 2, 3])
        }
    }

    @Test("names of an album's files do not meet")
    func names() {
        #expect(TelegramFiles.unused("a.jpg", beside: []) == "a.jpg")
        #expect(TelegramFiles.unused("a.jpg", beside: ["a.jpg", "a-2.jpg"]) == "a-3.jpg")
        #expect(TelegramFiles.unused(".hidden", beside: [".hidden"]) == ".hidden-2")
        #expect(TelegramFiles.unused("plain", beside: ["plain"]) == "plain-2")
    }
}
