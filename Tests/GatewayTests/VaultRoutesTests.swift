import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Wire

@Suite struct VaultRoutesTests {
    /// A gateway with these notes, asked by one user on one stream after the other.
    struct Client: Sendable {
        let running: TestGateway.Running
        let device: TestDevice
        let admin: TestDevice

        func asAdmin() -> Client { Client(running: running, device: admin, admin: admin) }

        func ask(
            _ method: String, _ path: String, _ body: String? = nil, headers: String = ""
        ) async throws -> TestResponse {
            let stream = try await running.stream(device)
            let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
            try await stream.send("\(method) \(path) HTTP/1.1\r\nHost: agent\r\n\(headers)\(length)\r\n\(body ?? "")")
            let response = try #require(try await stream.response())
            await stream.close()
            return response
        }

        func decode<Body: Decodable>(_ path: String, as type: Body.Type = Body.self) async throws -> Body {
            let response = try await ask("GET", path)
            #expect(response.status == 200, "\(path): \(response)")
            return try JSONDecoder().decode(Body.self, from: Data(response.body.utf8))
        }
    }

    func with(
        _ notes: [String: String], limits: Vault.Limits = .init(),
        _ body: @escaping @Sendable (Client, TestNotes) async throws -> Void
    ) async throws {
        let vault = try TestNotes(notes, limits: limits)
        let gateway = try TestGateway(vault: vault.vault)
        let device = gateway.device()
        let admin = gateway.device("root", standing: .active(role: .admin))
        try await gateway.run { running in
            try await body(Client(running: running, device: device, admin: admin), vault)
        }
    }

    static func code(_ response: TestResponse) -> String {
        ((response.json["error"] as? [String: Any])?["code"] as? String) ?? "none"
    }

    static let house = [
        "House/Router.md":
            "---\ntitle: The Router\ntags: [net]\ntype: device\nbought: 2024-05-06\n---\n\nIn the [[Hall#Shelf|hall]].\n",
        "House/Hall.md": "Holds the [[router]] #home", "Zoo.md": "apple",
    ]

    @Test func theShapesAreThoseOfTheReference() async throws {
        try await with(Self.house) { client, _ in
            let list = try await client.ask("GET", "/api/vault/notes").json
            let notes = try #require(list["notes"] as? [[String: Any]])
            #expect(notes.map { $0["path"] as? String } == ["House/Hall.md", "House/Router.md", "Zoo.md"])
            #expect(Set(notes[1].keys) == ["path", "title", "tags", "type", "modified", "size"])
            #expect(notes[1]["title"] as? String == "The Router" && notes[1]["type"] as? String == "device")

            let note = try await client.ask("GET", "/api/vault/notes/House/Router.md")
            #expect(note.json["body"] as? String == "In the [[Hall#Shelf|hall]].")
            #expect(note.json["links"] as? [String] == ["Hall#Shelf"])
            let front = try #require(note.json["frontmatter"] as? [String: Any])
            #expect(front["bought"] as? String == "2024-05-06" && front["tags"] as? [String] == ["net"])
            #expect(note.headers["etag"] == note.json["etag"] as? String)

            let graph: NoteGraphBody = try await client.decode("/api/vault/graph")
            #expect(graph.nodes.map(\.id) == ["House/Hall.md", "House/Router.md", "Zoo.md"])
            #expect(graph.nodes[1].label == "The Router")
            #expect(
                Set(graph.edges.map { [$0.source, $0.target] }) == [
                    ["House/Hall.md", "House/Router.md"], ["House/Router.md", "House/Hall.md"],
                ])
            let found: NoteSearchBody = try await client.decode("/api/vault/search?q=hall")
            #expect(found.results.map(\.path) == ["House/Hall.md", "House/Router.md"])
            #expect(found.results.allSatisfy { $0.score > 0 } && found.results[1].snippet.contains("[[Hall"))
            #expect(try await client.decode("/api/vault/search", as: NoteSearchBody.self).results.isEmpty)
            let filtered: NoteSearchBody = try await client.decode(
                "/api/vault/search?q=the&tag=%23home&path=House/&limit=1")
            #expect(filtered.results.map(\.path) == ["House/Hall.md"])
            let back: BacklinksBody = try await client.decode("/api/vault/backlinks?path=House/Hall.md")
            #expect(back.backlinks.map(\.path) == ["House/Router.md"])
            let tags: NoteTagsBody = try await client.decode("/api/vault/tags")
            #expect(tags.tags == [.init(tag: "home", count: 1), .init(tag: "net", count: 1)])
        }
    }

    @Test func aListComesInPages() async throws {
        let notes = (0..<25).reduce(into: [String: String]()) { $0["é \($1)/n+&#.md"] = "#t\($1 % 2)" }
        try await with(notes) { client, _ in
            var paths: [String] = []
            var cursor: String?
            repeat {
                let query = cursor.map {
                    "&cursor=\($0.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")"
                }
                let page: NotesBody = try await client.decode("/api/vault/notes?limit=10\(query ?? "")")
                #expect(page.notes.count <= 10)
                paths += page.notes.map(\.path)
                cursor = page.nextCursor
            } while cursor != nil
            #expect(Set(paths) == Set(notes.keys) && paths.count == 25)
            let some: NotesBody = try await client.decode("/api/vault/notes?tag=T1&prefix=%C3%A9%202")
            #expect(some.notes.map(\.path) == ["é 21/n+&#.md", "é 23/n+&#.md"])
            for query in ["limit=0", "limit=1001", "limit=x", "cursor=%00", "cursor=a"] {
                #expect(try await client.ask("GET", "/api/vault/notes?\(query)").status == 400, "\(query)")
            }
        }
    }

    @Test func aNoteIsChangedOnlyAsItWasRead() async throws {
        try await with(["a.md": "one"]) { client, notes in
            let old = try #require(try await client.ask("GET", "/api/vault/notes/a.md").headers["etag"])
            let match = "If-Match: \(old)\r\n"
            #expect(
                try await client.ask("GET", "/api/vault/notes/a.md", headers: "If-None-Match: W/\(old)\r\n").status
                    == 304)
            try notes.write("by hand", to: "a.md")
            for (method, path, body) in [
                ("PUT", "/api/vault/notes/a.md", #"{"content":"mine"}"#), ("DELETE", "/api/vault/notes/a.md", nil),
                ("POST", "/api/vault/move", #"{"from":"a.md","to":"b.md"}"#),
            ] as [(String, String, String?)] {
                let answer = try await client.ask(method, path, body, headers: match)
                #expect(answer.status == 412 && Self.code(answer) == "precondition_failed", "\(method): \(answer)")
            }
            #expect(notes.text(of: "a.md") == "by hand")
            let none = "If-None-Match: *\r\n"
            let body = #"{"content":"new"}"#
            #expect(try await client.ask("PUT", "/api/vault/notes/a.md", body, headers: none).status == 412)
            let made = try await client.ask("PUT", "/api/vault/notes/n.md", body, headers: none)
            #expect(made.json["created"] as? Bool == true)
            let tag = try #require(made.headers["etag"])
            let changed = try await client.ask(
                "PUT", "/api/vault/notes/n.md", #"{}"#, headers: "If-Match: \"x\", \(tag)\r\n")
            #expect(changed.json["created"] as? Bool == false)
            #expect(notes.text(of: "n.md") == "")
            #expect(
                try await client.ask("PUT", "/api/vault/notes/n.md", body, headers: "If-Match: W/\(tag)\r\n").status
                    == 412)
        }
    }

    /// P-42
    @Test func deletingIsHonest() async throws {
        try await with(["a.md": "one"]) { client, _ in
            #expect(try await client.ask("DELETE", "/api/vault/notes/a.md").status == 200)
            let again = try await client.ask("DELETE", "/api/vault/notes/a.md")
            #expect(again.status == 404 && Self.code(again) == "not_found")
        }
    }

    @Test("P-62: a move tells of the note under both names, and of every note that was rewritten")
    func aMoveIsAnnouncedInFull() async throws {
        try await with(["a.md": "[[b]]", "b.md": ""]) { client, notes in
            let listener = try await client.running.webSocket(client.device)
            let answer = try await client.ask("POST", "/api/vault/move", #"{"from":"b.md","to":"x/c.md"}"#)
            #expect(answer.json["rewritten"] as? [String] == ["a.md"])
            #expect(notes.text(of: "a.md") == "[[c]]")
            var heard: [String] = []
            for _ in 0..<3 {
                let event = try await listener.resourceEvent { $0.resource == "vault" }
                heard.append("\(event.action) \(event.id ?? "")")
            }
            #expect(heard == ["created x/c.md", "deleted b.md", "updated a.md"])
        }
    }

    @Test func editsByHandAreToldAndWhatWasAskedForIsToldOnce() async throws {
        try await with(["a.md": "one", "b.md": "two"]) { client, notes in
            _ = try await client.ask("GET", "/api/vault/notes")
            let following = Task { await notes.vault.run() }
            let listener = try await client.running.webSocket(client.device)
            // Until it is followed, edits are found but not told.
            var heard: [String] = []
            func hear(_ what: String) async throws {
                let event = try await listener.resourceEvent { $0.resource == "vault" }
                heard.append("\(event.action) \(event.id ?? "")")
                #expect(heard.last == what)
            }
            while await !notes.vault.isTelling { await Task.yield() }
            #expect(try await client.ask("PUT", "/api/vault/notes/a.md", #"{"content":"[[b]]"}"#).status == 200)
            try await hear("updated a.md")
            try notes.put("new", at: "c.md")
            try await hear("created c.md")
            #expect(try await client.ask("POST", "/api/vault/move", #"{"from":"b.md","to":"d.md"}"#).status == 200)
            for what in ["created d.md", "deleted b.md", "updated a.md"] { try await hear(what) }
            try notes.put("by hand", at: "d.md")
            try await hear("updated d.md")
            #expect(try await client.ask("DELETE", "/api/vault/notes/c.md").status == 200)
            try await hear("deleted c.md")
            try FileManager.default.removeItem(atPath: notes.folder + "/a.md")
            try await hear("deleted a.md")
            following.cancel()
            await following.value
        }
    }

    @Test func bytesAreGivenAsTheyAreAndRunNothing() async throws {
        try await with(["a.md": "# é", "x.html": "<script>1</script>"]) { client, notes in
            for (path, type) in [("a.md", "text/markdown; charset=utf-8"), ("x.html", "application/octet-stream")] {
                let answer = try await client.ask("GET", "/api/vault/notes/\(path)?raw=true")
                #expect(answer.body == notes.text(of: path))
                #expect(answer.headers["content-type"] == type)
                #expect(answer.headers["x-content-type-options"] == "nosniff")
                #expect(answer.headers["content-disposition"] == "attachment")
                #expect(answer.headers["content-security-policy"]?.contains("sandbox") == true)
            }
            #expect(try await client.ask("GET", "/api/vault/notes/a.md?raw=false").json["content"] as? String == "# é")
            let put = try await client.ask(
                "PUT", "/api/vault/notes/raw.md", "# raw", headers: "Content-Type: text/markdown\r\n")
            #expect(put.status == 200 && notes.text(of: "raw.md") == "# raw")
            try Data([0xFF, 0xFE]).write(to: URL(fileURLWithPath: notes.folder + "/b.bin"))
            let binary = try await client.ask("GET", "/api/vault/notes/b.bin")
            #expect(binary.status == 415 && Self.code(binary) == "not_text")
        }
    }

    @Test func whatIsAsLargeAsItMayBeGoesThrough() async throws {
        try await with([:]) { client, notes in
            let text = String(repeating: "\n", count: 1 << 20)
            let body = String(decoding: try JSONEncoder().encode(NoteWrite(content: text)), as: UTF8.self)
            #expect(try await client.ask("PUT", "/api/vault/notes/a.md", body).status == 200)
            #expect(notes.text(of: "a.md") == text)
            let bytes = String(repeating: "x", count: 3 << 20)
            let type = "Content-Type: application/octet-stream\r\n"
            #expect(try await client.ask("PUT", "/api/vault/notes/b.bin", bytes, headers: type).status == 200)
            #expect(try await client.ask("GET", "/api/vault/notes/b.bin?raw=true").body.utf8.count == 3 << 20)
            #expect(try await client.ask("PUT", "/api/vault/notes/b.md", bytes, headers: type).status == 413)
        }
    }

    /// P-93 and weaknesses: nothing that is asked wrongly is answered as an inner error.
    @Test func whatIsAskedWronglyIsRefusedInWords() async throws {
        var limits = Vault.Limits()
        limits.noteSize = 100
        try await with(["a.md": "one", "c.md": ""], limits: limits) { client, _ in
            let json = "Content-Type: application/json\r\n"
            let long = String(repeating: "x", count: 101)
            for (method, path, body, headers, status, code) in [
                ("GET", "/api/vault/notes/none.md", nil, "", 404, "not_found"),
                ("PUT", "/api/vault/notes/a.md", "no json", json, 400, "bad_message"),
                ("PUT", "/api/vault/notes/a.md", "[]", json, 400, "bad_message"),
                ("PUT", "/api/vault/notes/a.md", #"{"content":7}"#, json, 400, "bad_message"),
                ("PUT", "/api/vault/notes/a.md", #"{"content":"\#(long)"}"#, json, 413, "too_large"),
                ("PUT", "/api/vault/notes/a.md", long, "Content-Type: text/plain\r\n", 413, "too_large"),
                ("PUT", "/api/vault/notes/a.md", "{}", "If-None-Match: \"x\"\r\n", 400, "invalid"),
                ("POST", "/api/vault/move", #"{"from":"a.md","to":"c.md"}"#, json, 409, "conflict"),
                ("POST", "/api/vault/move", #"{"from":"no.md","to":"d.md"}"#, json, 404, "not_found"),
                ("POST", "/api/vault/move", #"{"from":"a.md","to":"../d.md"}"#, json, 400, "invalid"),
                ("POST", "/api/vault/move", #"{"from":"a.md"}"#, json, 400, "bad_message"),
                ("GET", "/api/vault/backlinks", nil, "", 400, "invalid"),
                ("GET", "/api/vault/backlinks?path=none.md", nil, "", 404, "not_found"),
                ("GET", "/api/vault/search?q=x&limit=101", nil, "", 400, "invalid"),
                ("POST", "/api/vault/notes/a.md", "{}", json, 405, "method_not_allowed"),
            ] as [(String, String, String?, String, Int, String)] {
                let answer = try await client.ask(method, path, body, headers: headers)
                #expect(answer.status == status && Self.code(answer) == code, "\(method) \(path): \(answer)")
            }
        }
    }

    /// Queries that are no words, and a grapheme that holds a quotation mark.
    @Test func noSearchIsAnInnerError() async throws {
        try await with(Self.house) { client, _ in
            for query in [
                "%E0%B5%8E%22", "%E0%B5%8E%22%20OR%20(", "%22", "NEAR(", "%00", "%CC%81", "*", "name:router%20^",
            ] {
                let answer = try await client.ask("GET", "/api/vault/search?q=\(query)&tag=%25&path=%5C")
                #expect(answer.status == 200 || answer.status == 400, "\(query): \(answer)")
                #expect(try await client.ask("GET", "/api/vault/search?q=\(query)").status < 500)
            }
        }
    }

    @Test func aFileThatCannotBeHadIsNoInnerError() throws {
        for code in [ENOSPC, EDQUOT, EACCES, EIO, ENAMETOOLONG] {
            let refusal = try #require(ErrorResponse(VaultError.file(path: "a.md", operation: "write", code: code)))
            #expect(refusal.status == .serviceUnavailable && refusal.code == .unavailable)
            #expect(refusal.message.hasPrefix("Cannot write a.md: "))
            #expect(refusal.hint?.contains(code == ENOSPC || code == EDQUOT ? "room" : "read and write") == true)
        }
    }

    @Test("EGH-31: the index is made anew when it is asked for, by an admin, and no answer is the poorer")
    func theIndexIsMadeAnew() async throws {
        try await with(Self.house) { client, _ in
            let before: NoteSearchBody = try await client.decode("/api/vault/search?q=router")
            #expect(try await client.ask("POST", "/api/vault/reindex").status == 403)
            let answer = try await client.asAdmin().ask("POST", "/api/vault/reindex")
            #expect(answer.status == 200 && answer.json["notes"] as? Int == 3, "\(answer)")
            #expect(try await client.decode("/api/vault/search?q=router", as: NoteSearchBody.self) == before)
        }
    }

    /// P-38: no spelling of a path leads out of the vault; see VaultConfinementTests for what may lie in it.
    @Test func noSpellingOfAPathLeadsOut() async throws {
        try await with(["a.md": "one", "../canary.md": "the canary sings"]) { client, notes in
            try FileManager.default.createSymbolicLink(
                atPath: notes.folder + "/link.md", withDestinationPath: notes.root + "/canary.md")
            try FileManager.default.createSymbolicLink(atPath: notes.folder + "/up", withDestinationPath: notes.root)
            for path in [
                "../canary.md", "%2e%2e/canary.md", "..%2fcanary.md", "%2E%2E%2Fcanary.md", "x/../../canary.md",
                "%252e%252e%252fcanary.md", "/etc/passwd", "%2Fetc%2Fpasswd", "%2f%2fetc/passwd", "link.md",
                "up/canary.md",
                "up%2Fcanary.md", "a.md%00", "%00", "a.md%00/../../canary.md", ".git/config", "%2egit/config",
                "..%5ccanary.md", "%c0%ae%c0%ae/canary.md", "%", "%zz", "a.md/", "./canary.md",
                "\(notes.root)/canary.md",
                String(repeating: "a", count: 4096), String(repeating: "%2e%2e%2f", count: 400) + "etc/passwd",
            ] {
                for (method, body) in [("GET", nil), ("PUT", "{}"), ("DELETE", nil)] as [(String, String?)] {
                    // Encoded twice, it is the name of a file that is not there.
                    if method == "PUT", path.hasPrefix("%25") { continue }
                    let answer = try await client.ask(method, "/api/vault/notes/\(path)", body)
                    #expect((400..<500).contains(answer.status), "\(method) \(path): \(answer)")
                    #expect(!answer.body.contains("sings"))
                }
                let quoted = String(
                    decoding: try JSONEncoder().encode(path.removingPercentEncoding ?? path), as: UTF8.self)
                for body in [#"{"from":\#(quoted),"to":"new.md"}"#, #"{"from":"a.md","to":\#(quoted)}"#] {
                    if path.hasPrefix("%25"), body.contains("a.md") { continue }
                    // What cannot be decoded is an ordinary name in JSON.
                    if path.removingPercentEncoding == nil { continue }
                    let answer = try await client.ask("POST", "/api/vault/move", body)
                    #expect((400..<500).contains(answer.status), "\(body): \(answer)")
                }
            }
            #expect(notes.text(of: "../canary.md") == "the canary sings")
            #expect(notes.text(of: "a.md") == "one")
            let left = try FileManager.default.contentsOfDirectory(atPath: notes.root).sorted()
            #expect(left.filter { !$0.hasPrefix("notes.db") } == ["canary.md", "memories"])
        }
    }
}
