import Foundation
import Testing

@Suite struct ChatTests {
    @Test("a ticket joins, a message is answered from the notes, and what is remembered is found")
    func joinAndAsk() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let joined = try await world.join(try await server.ticket())
        #expect(joined.status == 0, "\(joined)")

        let remember = try await world.run(["chat", "-m", "remember that the backup runs at 03:00 on the blue server"])
        #expect(remember.status == 0, "\(remember)")
        let ask = try await world.run(["chat", "-m", "when does the backup run?"])
        #expect(ask.output.contains("03:00"), "\(ask)")
    }

    @Test("a message can be piped in; --json prints the events, one a line")
    func pipedMessageAndEvents() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        _ = try await world.join(try await server.ticket())
        let piped = try await world.run(["chat", "--json", "--session", "notes"], input: "hello there\n")
        #expect(piped.status == 0, "\(piped)")
        let events = try piped.output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(events.last?["type"] as? String == "turn_complete")
        #expect(events.contains { $0["type"] as? String == "response" })
        #expect(events.allSatisfy { $0["session_id"] as? String == "notes" || $0["session_id"] == nil })
    }

    @Test("P-71: without a network, a wrong ticket or a dead agent the message names the problem and the way out")
    func failuresAreClear() async throws {
        let world = try TestHome()
        let lost = try await world.run(["chat", "-m", "hello"])
        #expect(lost.status == 64)
        #expect(lost.errors.contains("hint: "))
        let wrong = try await world.join("oa1nonsense")
        #expect(wrong.status == 64)

        let server = try await world.serve()
        let ticket = try await server.ticket()
        _ = try await world.join(ticket)
        server.program.signal(SIGTERM)
        try await server.program.exit()
        let dead = try await world.run(["chat", "--timeout", "2", "-m", "hello"])
        #expect(dead.status == 69, "\(dead)")
        #expect(dead.errors.contains("hint: "))
    }

    @Test("the same ticket joins its user again and nobody else; a wrong password is refused")
    func joiningAgain() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let ticket = try await server.ticket()
        #expect(try await world.join(ticket).status == 0)
        let again = try await world.join(ticket)
        #expect(again.status == 0, "\(again)")
        let stranger = world.root.appendingPathComponent("stranger")
        let second = try await world.join(ticket, handle: "mallory", home: stranger)
        #expect(second.status == 77, "\(second)")
        let guess = try await world.join(ticket, password: "guess", home: stranger)
        #expect(guess.status == 77, "\(guess)")
    }

    @Test("a password is never an argument")
    func passwordIsNoArgument() async throws {
        let world = try TestHome()
        let join = try await world.run(["join", "oa1x", "--handle", "alice", "--password", "secret"])
        #expect(join.status == 64)
        #expect(join.errors.contains("--password"))
    }

    @Test("kill -9 in mid-turn: the accepted message is answered once and the client comes back by itself")
    func killedServerAnswersOnce() async throws {
        let world = try TestHome()
        let (server, reader) = try await world.serveSlowAnswer()
        server.program.signal(SIGKILL)
        try await server.program.exit()
        let second = try await world.serve()
        #expect(try await reader.exit(within: 60) == 0, "\(reader.output) \(reader.errors)")
        let responses = reader.output.split(separator: "\n").filter { $0.contains("\"type\":\"response\"") }
        #expect(responses.count == 1)
        #expect(responses.first?.contains("word400") == true)

        let history = try await world.run(["chat", "--json", "-m", "/status"])
        #expect(history.output.contains("Queue: 0"), "\(history)")
        second.program.signal(SIGTERM)
        #expect(try await second.program.exit() == 0)
    }

    @Test("a revoked device's chat is cut in mid-answer: it says so and ends with 77")
    func revocationCutsAChat() async throws {
        let world = try TestHome()
        let (server, reader) = try await world.serveSlowAnswer()
        let list = try await world.run(["devices", "list", "--agent", world.agent.path])
        let id = try #require(list.output.split(separator: "\t").first.map(String.init))
        let terminal = try world.startInTerminal(["connect"])
        try await terminal.line(containing: "Connected")
        #expect(try await world.run(["devices", "revoke", id, "--agent", world.agent.path]).status == 0)
        #expect(try await reader.exit(within: 10) == 77, "\(reader.errors)")
        #expect(reader.errors.contains("revoked"), "\(reader.errors)")
        #expect(try await terminal.exit(within: 10) == 77, "\(terminal.output)")
        #expect(
            terminal.output.split(whereSeparator: \.isNewline).contains {
                $0.hasPrefix("error: this device was revoked")
            },
            "the prompt and the error share no line: \(terminal.output)")
        let again = try await world.run(["devices", "revoke", id, "--agent", world.agent.path])
        #expect(again.status == 73)
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("in a terminal: a password is typed unseen and can be corrected; Ctrl-C there ends the command in good order")
    func passwordIsTyped() async throws {
        let world = try TestHome()
        let server = try await world.serve()
        let ticket = try await server.ticket()
        let nobody = try await world.run(["join", ticket, "--handle", "Bad Handle"])
        #expect(nobody.status == 64 && nobody.errors.contains("letters"), "before any password: \(nobody)")
        #expect(AdministrationTests.isAdvice(nobody.errors), "\(nobody)")
        let left = try world.startInTerminal(["join", ticket, "--handle", "alice"])
        try await left.text("Password")
        try left.type("secret\u{3}")
        #expect(try await left.exit() == 1)
        #expect(left.output.contains("interrupted") && !left.output.contains("secret"), "\(left.output)")

        let unsure = try world.startInTerminal(["join", ticket, "--handle", "alice"])
        try await unsure.text("Password")
        try unsure.type("correct horse\r")
        try await unsure.text("Once more")
        try unsure.type("correct house\r")
        #expect(try await unsure.exit() == 64)
        #expect(unsure.output.contains("the two passwords differ"), "\(unsure.output)")

        let joined = try world.startInTerminal(["join", ticket, "--handle", "alice"])
        try await joined.text("Password")
        try joined.type("wrong\u{15}correcté\u{7F} horses\u{7F}\r")
        try await joined.text("Once more")
        try joined.type("correct horse\r")
        #expect(try await joined.exit() == 0, "\(joined.output)")
        #expect(!joined.output.contains("horse"), "\(joined.output)")
        #expect(try await world.join(ticket).status == 0, "the password is the one that was meant")
    }

    @Test("in a terminal: /stop typed into a streaming answer stops it")
    func stopIsTypedIntoAnAnswer() async throws {
        let world = try TestHome()
        let server = try await world.serveSlowly()
        let chat = try world.startInTerminal(["connect"])
        try await chat.line(containing: "Connected")
        try chat.type("read long\r")
        try await chat.text("word3 ")
        try chat.type("/stop\r")
        try await chat.line(containing: "Stopped current operation", within: 10)
        try await chat.line(containing: "interrupted", within: 10)
        try chat.type("/status\r")
        try await chat.line(containing: "Idle")
        // Before the prompt the terminal would take Ctrl-D for itself.
        try await chat.prompt("› ")
        try chat.type("\u{4}")
        #expect(try await chat.exit() == 0, "\(chat.output)")
        server.program.signal(SIGTERM)
        #expect(try await server.program.exit() == 0)
    }

    @Test("in a terminal: what is typed ahead of the prompt is kept, line for line", arguments: ["\r", "\n"])
    func typedAhead(end: String) async throws {
        let world = try TestHome()
        _ = try await world.serveSlowly()
        let chat = try world.startInTerminal(["connect"])
        // Before the agent has answered; the program may not even have the terminal yet.
        try chat.type("read long\(end)")
        try await chat.text("word3 ")
        #expect(!chat.output.contains("›"), "no prompt stands in front of the answer: \(chat.output)")
        // Both at once: the second comes while the terminal changes hands.
        try chat.type("/stop\(end)/status\(end)")
        try await chat.line(containing: "Stopped current operation", within: 10)
        try await chat.line(containing: "interrupted", within: 10)
        try await chat.line(containing: "Queue: 0", within: 10)
        try await chat.prompt("› ")
        try chat.type("/quit\(end)")
        #expect(try await chat.exit() == 0, "\(chat.output)")
    }

    @Test("in a terminal: prompt, streamed answers, commands; Ctrl-C stops the answer, a second one leaves")
    func interactiveChat() async throws {
        let world = try TestHome()
        _ = try await world.serveSlowly()
        let chat = try world.startInTerminal(["connect"])
        try await chat.line(containing: "Connected")
        try chat.type("/help\r")
        try await chat.line(containing: "/status")
        try chat.type("read long\r")
        try await chat.text("word3 ")
        try chat.type("\u{3}")
        try await chat.line(containing: "interrupted", within: 10)
        try chat.type("/status\r")
        try await chat.line(containing: "Idle")
        try chat.type("\u{3}")
        try await chat.line(containing: "Ctrl-C again")
        try chat.type("\u{3}")
        #expect(try await chat.exit() == 0, "\(chat.output)")
    }

    @Test("in a terminal: an answer to another device streams above the prompt, and no word of it is lost")
    func watchedAnswerIsWhole() async throws {
        let world = try TestHome()
        _ = try await world.serveSlowly()
        let watching = try world.startInTerminal(["connect"])
        try await watching.line(containing: "Connected")
        try await watching.prompt("› ")
        let asking = try world.start(["chat", "-m", "help"])
        asking.closeInput()
        #expect(try await asking.exit() == 0)
        // Twenty words a second: they came one by one, and the prompt was drawn between them.
        try await watching.text("I am the built-in librarian, not a language model: I look up your notes")
        try await watching.text("- “list notes” shows what there is.")
    }
}

extension TestHome {
    /// Starts `openagent` on a pseudo-terminal of its own.
    func startInTerminal(_ arguments: [String]) throws -> Program {
        // `exec`: a shell around the program would get the terminal's signals too, and die of them.
        let command = "exec " + ([Self.binary] + arguments).map { "'\($0)'" }.joined(separator: " ")
        return try launch(
            "/usr/bin/script", ["-qfec", command, "/dev/null"],
            environment: ["OPENAGENT_HOME": home.path, "TERM": "xterm"])
    }
}
