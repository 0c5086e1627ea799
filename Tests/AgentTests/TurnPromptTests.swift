import Agent
import Testing

@Suite struct TurnPromptTests {
    private func turn(_ text: String, _ files: [(String, String)]) -> TurnRequest {
        TurnRequest(
            turnID: "t", sessionID: "s", handle: "ada", text: text,
            attachments: files.map { TurnAttachment(kind: $0.0, path: "/files/\($0.1)", filename: $0.1) })
    }

    @Test func filesStandBeforeTheText() {
        #expect(turn("look", []).promptText == "look")
        #expect(
            turn("look", [("image", "a.png"), ("voice", "b.ogg")]).promptText == """
                The user attached files:
                - image: a.png — local path: /files/a.png
                - voice: b.ogg — local path: /files/b.ogg
                Read them when they matter to the answer.

                look
                """)
    }

    @Test func theLibrarianSaysWhichFilesCame() async throws {
        let librarian = Librarian(try TestVault(["Keys.md": "The spare key is in the shed.\n"]).vault)
        func answer(_ turn: TurnRequest) async throws -> String {
            try await librarian.run(turn, journal: TestJournal()) { _ in }.text
        }
        #expect(try await answer(turn(" ", [("file", "a.txt")])).hasPrefix("I got “a.txt”."))
        let both = try await answer(turn("where is the spare key?", [("file", "a.txt"), ("file", "b"), ("file", "c")]))
        #expect(both.hasPrefix("I got “a.txt”, “b” and “c”.") && both.contains("shed"))
    }
}
