import Foundation
import Testing

@testable import Gateway
@testable import Store
@testable import Wire

// Which files has a user, how do they go, and what is never given as one?

@Suite struct FileListTests {
    @Test func aUserSeesTheirOwnFilesPageByPageTheNewestFirst() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let ana = gateway.device("ana", standing: .active(role: .member))
            let boss = gateway.device("boss", standing: .active(role: .admin))
            var ids: [String] = []
            for number in 1...5 {
                gateway.clock.advance(by: 1)
                ids.append(
                    try await running.stream(ana).upload("\(number)", as: "\(number).txt").decode(StoredFile.self).id)
            }
            var found: [String] = []
            var cursor = ""
            repeat {
                let page: FilesBody = try await running.stream(ana).ask(
                    "GET", "/api/files?limit=2&cursor=\(cursor)"
                ).decode()
                #expect(page.files.count <= 2 && page.files.allSatisfy { $0.origin == "upload" })
                found += page.files.map(\.id)
                cursor = page.nextCursor ?? ""
            } while !cursor.isEmpty
            #expect(found == ids.reversed())
            // Whoever administers the network has no part in that.
            let theirs: FilesBody = try await running.stream(boss).ask("GET", "/api/files").decode()
            #expect(theirs.files.isEmpty)
            #expect(try await running.stream(boss).ask("DELETE", "/api/files/\(ids[0])").status == 404)
            #expect(try await running.stream(ana).ask("GET", "/api/files/\(ids[0])").status == 200)
            let bad = try await running.stream(ana).ask("GET", "/api/files?limit=0")
            #expect(bad.status == 400 && bad.code == "invalid")
        }
    }

    @Test("P-42: what was never there is not deleted; what is known is, also when its bytes are gone")
    func deletingIsHonest() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            let (one, two) = (
                try await running.stream(ana).upload("1", as: "1.txt").decode(StoredFile.self),
                try await running.stream(ana).upload("2", as: "2.txt").decode(StoredFile.self)
            )
            try FileManager.default.removeItem(atPath: one.path)
            for (id, status) in [(one.id, 200), (one.id, 404), (two.id, 200), (String(repeating: "0", count: 32), 404)]
            {
                #expect(try await running.stream(ana).ask("DELETE", "/api/files/\(id)").status == status, "\(id)")
            }
            #expect(files.all.isEmpty)
        }
    }

    @Test func aUserWhoHasEnoughIsToldSo() async throws {
        let files = try TestFiles()
        let database = try Store.Database(path: files.directory.database)
        var settings = files.files(database)
        settings.filesPerUser = 2
        settings.bytesPerUser = 10
        let store = ArtifactStore(settings, logger: .init(label: "test"), now: { 0 })
        func keep(_ text: String, _ owner: String) async throws {
            let draft = try await store.begin(owner: owner)
            try await draft.writer.append(.init(string: text))
            _ = try await store.keep(draft, as: .init(owner: owner, filename: "a", mimeType: "text/plain"))
        }
        try await keep("12345", "ana")
        await #expect(throws: FileError.overQuota) { try await keep("123456", "ana") }
        try await keep("12345", "ana")
        await #expect(throws: FileError.overQuota) { try await keep("", "ana") }
        try await keep("1234567890", "bob")
        #expect(files.all.count == 3)
    }

    @Test("P-38, P-39: whatever is asked for on any route, no file is given that is not a note or the user's own")
    func nothingElseIsEverGiven() async throws {
        let files = try TestFiles()
        let notes = try TestNotes(["House/Note.md": "one"])
        let canary = "canary-\(UUID().uuidString)"
        let outside = files.directory.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        let reserved = [
            "openagent.yaml", "identity.key", "openagent.db.before-1", "coordinator_addr.json", ".openagent/lock",
            ".git/config", ".env", "outside/secret.md", "outside/secret.txt",
        ]
        for path in reserved {
            try files.write(canary, to: path)
            try notes.write(canary, to: path.hasPrefix(".") ? path : ".hidden/" + path)
        }
        try FileManager.default.createSymbolicLink(
            atPath: notes.folder + "/link", withDestinationPath: outside)
        try FileManager.default.createSymbolicLink(
            atPath: notes.folder + "/link.md", withDestinationPath: outside + "/secret.md")
        let long = String(repeating: "a", count: 4_096)
        let climbing = ["..", "%2e%2e", "%2E%2E%2F..", "..%2f..", "a/../..", "./..", "%00", "\\..", long]
        var paths = reserved + reserved.map { ".hidden/" + $0 } + ["link.md", "link/secret.md", "link/secret.txt"]
        for start in climbing { paths += reserved.map { "\(start)/\($0)" } }
        paths +=
            reserved.map { files.directory.path + "/" + $0 } + reserved.map { "%2F\($0)" } + ["%00", "a%00.md", long]
        let asked = paths
        let gateway = try TestGateway(files: files, vault: notes.vault)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            for path in asked {
                let body = #"{"content":"theirs"}"#
                let plain = path.removingPercentEncoding ?? path
                let json = try String(
                    decoding: JSONEncoder().encode(["from": plain, "to": "Other.md"]), as: UTF8.self)
                let target = try String(
                    decoding: JSONEncoder().encode(["from": "House/Note.md", "to": plain]), as: UTF8.self)
                for (method, place, body) in [
                    ("GET", "/api/vault/notes/\(path)", nil as String?), ("PUT", "/api/vault/notes/\(path)", body),
                    ("DELETE", "/api/vault/notes/\(path)", nil), ("POST", "/api/vault/move", json),
                    ("GET", "/api/files/\(path)", nil), ("DELETE", "/api/files/\(path)", nil),
                    ("GET", "/api/upload/\(path)", nil),
                ] {
                    let stream = try await running.stream(ana)
                    guard let answer = try await stream.tryAsk(method, place.replacing("\\", with: "%5C"), body) else {
                        continue
                    }
                    #expect(!answer.body.contains(canary), "\(method) \(place)")
                    // In the vault a file of its own may have any name that is not hidden and leads nowhere.
                    let isOwn = ["PUT", "DELETE"].contains(method) && ![".", "link"].contains { plain.hasPrefix($0) }
                    #expect(
                        (400..<500).contains(answer.status) || (isOwn && answer.status == 200),
                        "\(method) \(place): \(answer.status)")
                    await stream.close()
                }
                // A note may be given any name that is one of a note.
                let stream = try await running.stream(ana)
                let moved = try await stream.ask("POST", "/api/vault/move", target)
                #expect(moved.status < 500, "\(path): \(moved)")
                await stream.close()
            }
            for path in reserved {
                let stored = try await running.stream(ana).upload("mine", as: "../../\(path)").decode(StoredFile.self)
                #expect(stored.path.hasPrefix(files.directory.files + "/\(stored.id)/"), "\(stored.path)")
                #expect(!stored.filename.hasPrefix(".") && !stored.filename.contains("/"))
            }
        }
        for path in reserved {
            #expect(try String(contentsOfFile: files.directory.path + "/" + path, encoding: .utf8) == canary, "\(path)")
        }
    }

    @Test(
        "P-41: no file can run a script where it is shown",
        arguments: [
            ("a.html", "text/html", false), ("a.svg", "image/svg+xml", false),
            ("a.xhtml", "application/xhtml+xml", false),
            ("a.js", "text/javascript", false), ("a.xml", "text/xml", false), ("a.png", "image/png", true),
            ("a.txt", "text/plain; charset=utf-8", true), ("a.pdf", "application/pdf", true),
            ("a.strange", "application/octet-stream", false), ("a", "application/octet-stream", false),
        ])
    func noFileRuns(_ name: String, _ type: String, _ isShown: Bool) async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let ana = gateway.device("ana")
            let file = try await running.stream(ana).upload("<script>", as: name).decode(StoredFile.self)
            let answer = try #require(try await running.stream(ana).get("/api/files/\(file.id)"))
            #expect(answer.headers["content-type"] == type)
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.headers["content-security-policy"] == "default-src 'none'; sandbox")
            #expect(answer.headers["content-disposition"]?.hasPrefix(isShown ? "inline" : "attachment") == true)
        }
    }
}
