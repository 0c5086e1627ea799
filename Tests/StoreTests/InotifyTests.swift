import Foundation
import Glibc
import Store
import Testing

@Suite struct InotifyTests {
    @Test func whatHappensInAWatchedFolderIsTold() throws {
        let folder = NSTemporaryDirectory() + "inotify-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY)
        let inotify = try #require(Inotify())
        let watch = try #require(inotify.watch(folder: descriptor))
        #expect(inotify.watch(folder: descriptor) == watch)
        #expect(inotify.events() == [])
        try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/a.md"))
        mkdir(folder + "/sub", 0o700)
        let events = try #require(inotify.events())
        #expect(events.contains { $0.watch == watch && $0.name == "a.md" && !$0.isFolder })
        #expect(events.contains { $0.name == "sub" && $0.isFolder })
        #expect(inotify.events() == [])
        // An open folder is not gone yet.
        close(descriptor)
        try FileManager.default.removeItem(atPath: folder)
        #expect(try #require(inotify.events()).contains { $0.name == nil && $0.isFolderItselfGone })
    }
}
