import Foundation
import NIOCore
import Testing

@testable import Gateway
@testable import Store
@testable import Wire

// Uploads as clients send them, over real streams: forms, pieces, and what is refused.

@Suite struct UploadTests {
    static let id = "0123456789abcdef"

    @Test func anUploadIsKeptPrivatelyAndComesBackAsItWas() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.upload("hello\r\nworld", as: "notes.txt")
            #expect(answer.status == 201)
            let file = try JSONDecoder().decode(StoredFile.self, from: Data(answer.body.utf8))
            #expect(file.filename == "notes.txt" && file.size == 12 && file.mimeType == "text/plain")
            #expect(file.path == "\(files.directory.files)/\(file.id)/notes.txt")
            #expect(file.url == "/api/files/\(file.id)" && file.id.utf8.count == 32)
            #expect(file.sha256 == sha256("hello\r\nworld"))
            #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "hello\r\nworld")
            #expect(try files.mode(file.path) == 0o600)
            #expect(try files.mode("\(files.directory.files)/\(file.id)") == 0o700)
            #expect(files.all == ["files/\(file.id)/notes.txt"])
            let back = try #require(try await stream.get(file.url))
            #expect(back.status == 200 && back.body == "hello\r\nworld")
        }
    }

    @Test(arguments: [
        ("../../../../tmp/evil.txt", "evil.txt"), ("..", "file"), ("/etc/cron.d/x", "x"), (".ssh", "ssh"),
        ("a\\..\\b.txt", "b.txt"),
    ])
    func aFileNameLeadsNowhere(_ sent: String, _ kept: String) async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.upload("x", as: sent)
            #expect(answer.status == 201)
            let id = try #require(answer.json["id"] as? String)
            #expect(files.all == ["files/\(id)/\(kept)"])
        }
    }

    @Test func onlyTheFirstFileOfAFormCountsAndFieldsDoNot() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.post(
                "--b\r\nContent-Disposition: form-data; name=\"lang\"\r\n\r\nde\r\n"
                    + "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"1.txt\"\r\n\r\none\r\n"
                    + "--b\r\nContent-Disposition: form-data; name=\"b\"; filename=\"2.txt\"\r\n\r\ntwo\r\n--b--\r\n",
                type: "multipart/form-data; boundary=b")
            #expect(answer.status == 201 && answer.json["filename"] as? String == "1.txt")
            #expect(files.all.count == 1)
            // The stream goes on with the next request behind the rest of the form.
            #expect(try await stream.get("/api/whoami")?.status == 200)
        }
    }

    @Test(
        arguments: [
            ("--b\r\nContent-Disposition: form-data; name=\"lang\"\r\n\r\nde\r\n--b--\r\n", "No file"),
            ("--b--\r\n", "No file"), ("no form at all", nil), ("", nil),
            ("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nhalf", nil),
            ("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nhalf\r\n--b", nil),
        ] as [(String, String?)])
    func aFormWithoutAWholeFileIsRefusedAndLeavesNothing(_ form: String, _ message: String?) async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.post(form, type: "multipart/form-data; boundary=b")
            #expect(answer.status == 400)
            if let message { #expect(answer.body.contains(message)) }
            #expect(files.all.isEmpty)
            #expect(try await stream.get("/api/whoami")?.status == 200)
        }
    }

    @Test func whatIsNoFormIsRefused() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let answer = try await running.stream(gateway.device()).post("{}", type: "application/json")
            #expect(answer.status == 400 && answer.body.contains("No file"))
        }
    }

    @Test func aFileIsRefusedAsSoonAsItIsTooLarge() async throws {
        let files = try TestFiles(largest: 1000)
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            let fits = try await stream.upload(String(repeating: "x", count: 1000), as: "fits")
            #expect(fits.status == 201)
            let answer = try await stream.upload(String(repeating: "x", count: 1001), as: "large")
            #expect(answer.status == 413 && answer.json["limit_bytes"] as? Int == 1000)
            #expect(answer.body.contains("\"too_large\""))
            // Announced: refused before a byte of it is sent.
            let early = try await running.stream(device)
            try await early.send(
                "POST /api/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                    + "Content-Length: 1000000\r\n\r\n")
            #expect(try await early.response()?.status == 413)
            await early.close()
            #expect(try await stream.piece("x", at: 0, of: 1001, id: Self.id).status == 413)
            #expect(files.all.count == 1)
        }
    }

    @Test("P-67: an upload that breaks off leaves no visible file")
    func anUploadThatBreaksOffLeavesNothing() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let device = gateway.device()
            let stream = try await running.stream(device)
            try await stream.send(
                "POST /api/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                    + "Content-Length: 100000\r\n\r\n"
                    + "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n"
                    + String(repeating: "x", count: 5000))
            try await eventually("the upload to begin") { !files.all.isEmpty }
            await stream.close()
            try await eventually("the upload to be cleared away") { files.all.isEmpty }
        }
    }

    // MARK: Pieces

    @Test func piecesBecomeOneFile() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let first = try await stream.piece("hello ", at: 0, of: 11, id: Self.id, filename: "..%2Fw%20x.md")
            #expect(first.status == 202 && first.json["received"] as? Int == 6)
            #expect(first.json["upload_id"] as? String == Self.id)
            #expect(files.all.allSatisfy { $0.hasPrefix(".openagent/uploads/") })
            let state = try #require(try await stream.get("/api/upload/\(Self.id)"))
            #expect(state.status == 200 && state.json["received"] as? Int == 6)
            let wrong = try await stream.piece("orld", at: 7, of: 11, id: Self.id, filename: "w%20x.md")
            #expect(wrong.status == 409 && wrong.json["received"] as? Int == 6)
            let again = try await stream.piece("hello ", at: 0, of: 11, id: Self.id, filename: "w%20x.md")
            #expect(again.status == 409 && again.json["received"] as? Int == 6)
            let other = try await stream.piece("world", at: 6, of: 11, id: Self.id, filename: "other")
            #expect(other.status == 409 && other.json["received"] == nil)
            let last = try await stream.piece("world", at: 6, of: 11, id: Self.id, filename: "w%20x.md")
            #expect(last.status == 201 && last.json["sha256"] as? String == sha256("hello world"))
            #expect(last.json["filename"] as? String == "w x.md")
            let id = try #require(last.json["id"] as? String)
            #expect(files.all == ["files/\(id)/w x.md"])
            // Said once more: the same file, not another one.
            let repeated = try await stream.piece("world", at: 6, of: 11, id: Self.id, filename: "w%20x.md")
            #expect(repeated.status == 201 && repeated.json["id"] as? String == id)
            let done = try #require(try await stream.get("/api/upload/\(Self.id)"))
            #expect((done.json["file"] as? [String: Any])?["id"] as? String == id)
            #expect(try await stream.get("/api/files/\(id)")?.body == "hello world")
        }
    }

    @Test func anUploadGoesOnAfterARestart() async throws {  // P-67
        let files = try TestFiles()
        let before = try TestGateway(files: files)
        let path = before.databasePath
        try await before.run { running in
            let stream = try await running.stream(before.device())
            #expect(try await stream.piece("hello ", at: 0, of: 11, id: Self.id).status == 202)
        }
        let after = try TestGateway(databasePath: path, files: files)
        try await after.run { running in
            let stream = try await running.stream(after.device())
            #expect(try await stream.get("/api/upload/\(Self.id)")?.json["received"] as? Int == 6)
            let last = try await stream.piece(
                "world", at: 6, of: 11, id: Self.id, query: "")
            #expect(last.status == 201 && last.json["sha256"] as? String == sha256("hello world"))
        }
    }

    @Test func whatArrivedOfABrokenPieceIsKept() async throws {  // P-67
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let device = gateway.device()
            let broken = try await running.stream(device)
            try await broken.send(
                "POST /api/upload?filename=a.txt HTTP/1.1\r\nHost: a\r\nUpload-Id: \(Self.id)\r\n"
                    + "Content-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123")
            let stream = try await running.stream(device)
            try await eventually("four bytes to arrive") {
                try await stream.get("/api/upload/\(Self.id)")?.json["received"] as? Int == 4
            }
            // The first connection hangs; a newer request takes the upload over.
            let rest = try await stream.piece("456789", at: 4, of: 10, id: Self.id)
            #expect(rest.status == 201 && rest.json["sha256"] as? String == sha256("0123456789"))
            await broken.close()
            let id = try #require(rest.json["id"] as? String)
            #expect(files.all == ["files/\(id)/a.txt"])
        }
    }

    @Test func aFileThatIsNotWhatWasAnnouncedIsNotKept() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let wrong = try await stream.piece(
                "hello", at: 0, of: 5, id: Self.id, query: "&sha256=\(sha256("other"))")
            #expect(wrong.status == 400 && files.all.isEmpty)
            let right = try await stream.piece(
                "hello", at: 0, of: 5, id: Self.id, query: "&sha256=\(sha256("hello"))")
            #expect(right.status == 201)
        }
    }

    @Test func anEmptyFileIsAFile() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let file = try await stream.piece("", at: 0, of: 0, id: Self.id)
            #expect(file.status == 201 && file.json["size"] as? Int == 0)
            let form = try await stream.upload("", as: "e")
            #expect(form.status == 201 && form.json["size"] as? Int == 0)
            let url = try #require(form.json["url"] as? String)
            let back = try #require(try await stream.get(url))
            #expect(back.status == 200 && back.body.isEmpty)
        }
    }

    @Test(arguments: [
        "Content-Range: bytes 0-4/5\r\n", "Upload-Id: short\r\nContent-Range: bytes 0-4/5\r\n",
        "Upload-Id: ../../../../etc/passwd\r\nContent-Range: bytes 0-4/5\r\n",
        "Upload-Id: 0123456789abcdef\r\nContent-Range: bytes 0-5/5\r\n",
        "Upload-Id: 0123456789abcdef\r\nContent-Range: bytes 0-3/5\r\n",
    ])
    func aPieceThatMakesNoSenseIsRefused(_ headers: String) async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let answer = try await stream.post(
                "hello", to: "/api/upload?filename=a", type: "x/y", headers: headers)
            #expect(answer.status == 400 && files.all.isEmpty)
        }
    }

    @Test func oneUserCannotFillTheDiskWithBeginnings() async throws {
        let files = try TestFiles(largest: 1000)
        let gateway = try TestGateway(files: files)
        try await gateway.run { running in
            let (ana, bob) = (gateway.device(), gateway.device("bob"))
            let stream = try await running.stream(ana)
            for number in 10..<26 {
                #expect(try await stream.piece("x", at: 0, of: 2, id: Self.id + "\(number)").status == 202)
            }
            let refused = try await stream.piece("x", at: 0, of: 2, id: Self.id + "26")
            #expect(refused.status == 429 && refused.body.contains("queue_full"))
            // Nobody else feels it, and one that is finished makes room.
            let others = try await running.stream(bob)
            #expect(try await others.piece("x", at: 0, of: 1000, id: Self.id).status == 202)
            #expect(try await stream.piece("y", at: 1, of: 2, id: Self.id + "10").status == 201)
            #expect(try await stream.piece("x", at: 0, of: 2, id: Self.id + "26").status == 202)
            for number in 0..<3 {
                #expect(try await others.piece("x", at: 0, of: 1000, id: "0123456789abcde\(number)").status == 202)
            }
            #expect(try await others.piece("x", at: 0, of: 1000, id: "0123456789abcde3").status == 429)
        }
    }

    @Test func anUploadIsItsUsersOwn() async throws {
        let gateway = try TestGateway(files: try TestFiles())
        try await gateway.run { running in
            let ana = try await running.stream(gateway.device())
            let bob = try await running.stream(gateway.device("bob"))
            #expect(try await ana.piece("ab", at: 0, of: 4, id: Self.id).status == 202)
            #expect(try await bob.get("/api/upload/\(Self.id)")?.status == 404)
            #expect(try await bob.piece("cd", at: 2, of: 4, id: Self.id).status == 409)
            #expect(try await bob.piece("xxxx", at: 0, of: 4, id: Self.id).status == 201)
            let file = try await ana.piece("cd", at: 2, of: 4, id: Self.id)
            #expect(file.status == 201 && file.json["sha256"] as? String == sha256("abcd"))
        }
    }

    @Test func aFullDiskIsSaidToBeOne() async throws {
        let writer = try FileWriter("/dev/full", resuming: true, limit: 1000)
        await #expect(throws: FileError.noSpace) { try await writer.append(ByteBuffer(string: "x")) }
    }

    // MARK: Starts

    @Test func aStartClearsAwayWhatACrashLeft() async throws {
        let files = try TestFiles()
        let database = try Store.Database(path: files.directory.path + "/openagent.db")
        let known = String(repeating: "b", count: 32)
        let orphan = String(repeating: "a", count: 32)
        let untouched = String(repeating: "c", count: 32)
        try await ArtifactRepository(database).insert(
            ArtifactRecord(
                id: known, owner: "ana", filename: "x", mimeType: "text/plain", size: 1, sha256: "", origin: .upload,
                createdAt: 0))
        for id in [known, orphan, untouched] { try files.write("x", to: "files/\(id)/x") }
        for id in [known, orphan] { try files.write("", to: ".openagent/uploads/\(id).moving") }
        try files.write("x", to: ".openagent/uploads/lonely.part")
        for (name, age) in [("old", 25.0), ("young", 23.0)] {
            for suffix in ["json", "part"] {
                try files.write("{}", to: ".openagent/uploads/\(name).\(suffix)")
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSinceNow: -age * 3600)],
                    ofItemAtPath: files.directory.uploads + "/\(name).\(suffix)")
            }
        }
        _ = ArtifactStore(files.files(database), logger: .init(label: "test")) { Date().timeIntervalSince1970 }
        #expect(
            files.all == [
                ".openagent/uploads/young.json", ".openagent/uploads/young.part", "files/\(known)/x",
                "files/\(untouched)/x",
            ])
    }

    @Test func theFilesOfAUserWhoIsGoneAreNobodys() async throws {
        let files = try TestFiles()
        let gateway = try TestGateway(files: files)
        let record = ArtifactRecord(
            id: String(repeating: "b", count: 32), owner: "ana", filename: "x", mimeType: "text/plain", size: 1,
            sha256: "", origin: .upload, createdAt: 0)
        let repository = ArtifactRepository(gateway.database)
        try await repository.insert(record)
        #expect(try await gateway.sessions.handles() == ["ana"])
        try await gateway.sessions.retire(handle: "ana", now: 0)
        #expect(try await repository.artifact(record.id, of: "ana") == nil)
        #expect(try await gateway.sessions.handles().isEmpty)
    }
}
