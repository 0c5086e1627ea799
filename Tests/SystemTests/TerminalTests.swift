import Foundation
import Store
import Testing

/// What people see: tables that fit, codes that cameras read, questions before what can't be taken back.
@Suite struct TerminalTests {
    @Test("a ticket's QR code in a terminal is read by a real decoder, and what it reads joins the network")
    func codeIsReadable() async throws {
        let world = try TestHome()
        _ = try await world.serve()
        for arguments in [["--label", "x"], ["--ttl", "12h", "--uses", "3"]] {
            let invited = try await world.runInTerminal(
                ["network", "invite"] + arguments + ["--agent", world.agent.path], columns: 120, lines: 70)
            #expect(invited.status == 0, "\(invited)")
            let ticket = try #require(invited.output.split(separator: "\n").first.map(String.init))
            let image = world.root.appendingPathComponent("code.pbm")
            try Data(bitmap(of: invited.output).utf8).write(to: image)
            let decoder = try world.launch(
                "/usr/bin/zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", image.path])
            #expect(try await decoder.exit() == 0, "\(decoder.errors)")
            #expect(decoder.output.hasPrefix("oa1"), "\(decoder.output)")
            #expect(decoder.output.lowercased() == ticket)
            guard arguments[0] == "--label" else { continue }
            #expect(try await world.join(decoder.output).status == 0, "capital letters mean the same")
        }
    }

    @Test("a QR code that does not fit the terminal is left out with a word, and --qr and --no-qr decide")
    func codeFitsTheTerminal() async throws {
        let world = try TestHome()
        _ = try await world.run(["init", world.agent.path])
        let small = try await world.runInTerminal(["network", "invite"], columns: 80, lines: 24)
        #expect(small.output.contains("does not fit this terminal") && !small.output.contains("█"), "\(small)")
        #expect(
            try await world.runInTerminal(["network", "invite", "--qr"], columns: 80, lines: 24).output.contains("█"))
        let without = try await world.runInTerminal(["network", "invite", "--no-qr"], columns: 200, lines: 99)
        #expect(without.status == 0 && !without.output.contains("█") && !without.output.contains("fit"), "\(without)")
        let piped = try await world.run(["network", "invite"])
        #expect(piped.output.hasPrefix("oa1") && !piped.output.contains("█"), "\(piped)")
        #expect(try await world.run(["network", "invite", "--qr"]).output.contains("█"))
    }

    @Test("tables fit the terminal, and for programs they are whole, with tabs and without a head")
    func tablesFit() async throws {
        let world = try await AdministeredWorld(.running)
        for columns in [60, 80, 100, 300] {
            for command in [
                ["devices", "list"], ["users", "list"], ["audit"], ["network", "invites"], ["agents", "list"],
            ] {
                let table = try await world.home.runInTerminal(command + world.target, columns: columns, lines: 40)
                let lines = table.output.split(separator: "\n")
                #expect(lines.count > 1 && lines[0] == lines[0].uppercased(), "\(table)")
                #expect(lines.allSatisfy { $0.count <= columns }, "\(columns) columns: \(table.output)")
            }
        }
        let wide = try await world.home.runInTerminal(["devices", "list"] + world.target, columns: 300, lines: 40)
        let narrow = try await world.home.runInTerminal(["devices", "list"] + world.target, columns: 80, lines: 40)
        #expect(
            narrow.output.split(separator: "\n").dropFirst().allSatisfy {
                $0.contains(/20\d\d-\d\d-\d\d \d\d:\d\d$/)
            }, "half a time says nothing: \(narrow.output)")
        let whole = try await world.run(["devices", "list"])
        let id = try #require(whole.output.split(separator: "\t").first)
        #expect(id.count == 64 && wide.output.contains(id))
        #expect(
            !narrow.output.contains(id) && narrow.output.contains("\(id.prefix(8))") && narrow.output.contains("…"),
            "\(narrow)")
        #expect(
            whole.output.split(separator: "\n").allSatisfy {
                $0.split(separator: "\t", omittingEmptySubsequences: false).count == 7
            })
    }

    @Test("output that a full disk does not take is a failure, one that nobody wants to read is none")
    func lostOutputIsToldOf() async throws {
        let world = try TestHome()
        _ = try await world.run(["init", world.agent.path])
        for command in ["network invite --no-qr --agent", "network init --agent"] {
            let line = "'\(TestHome.binary)' \(command) '\(world.agent.path)'"
            let full = try world.launch("/bin/sh", ["-c", line + " > /dev/full"])
            #expect(try await full.exit() == 1, "\(full.errors)")
            #expect(
                AdministrationTests.isAdvice(full.errors) && full.errors.contains("No space left"), "\(full.errors)")
            let unread = try world.launch("/bin/bash", ["-c", line + " | true; exit ${PIPESTATUS[0]}"])
            #expect([0, 128 + SIGPIPE].contains(try await unread.exit()), "\(unread.errors)")
            #expect(unread.errors.isEmpty, "\(unread.errors)")
        }
    }

    @Test("a name from elsewhere is no command to the terminal, whatever the database holds")
    func labelsAreHarmless() async throws {
        let world = try await AdministeredWorld(.stopped)
        let row = try #require(
            (try await world.document(["devices", "list", "--user", "bob"])["devices"] as? [[String: Any]])?.first)
        let id = try #require(row["device"] as? String)
        let key = stride(from: 0, to: id.count, by: 2).compactMap { UInt8(id.dropFirst($0).prefix(2), radix: 16) }
        // Coordinators of today strip such labels; earlier ones and other programs did not.
        let hostile = "a\u{1B}]0;owned\u{7}b\u{202E}c\td\u{9B}2J"
        let database = try Database(path: world.home.agent.appendingPathComponent("openagent.db").path)
        #expect(try await NetworkRepository(database).write { try $0.setDeviceLabel(hostile, of: key) })
        try database.close()
        for command in [["devices", "list"], ["devices", "show", id]] {
            let terminal = try await world.home.runInTerminal(command + world.target, columns: 200, lines: 40)
            let piped = try await world.run(command)
            for output in [terminal.output, piped.output] {
                #expect(output.contains("owned"), "\(output)")
                for harmful in ["\u{1B}", "\u{7}", "\u{202E}", "\u{9B}", "c\td"] {
                    #expect(!output.contains(harmful), "\(output)")
                }
            }
        }
    }

    @Test("what can't be taken back is asked first in a terminal: y goes on, anything else changes nothing")
    func questionsAreAsked() async throws {
        let world = try await AdministeredWorld(.running)
        let command = ["users", "remove", "bob"] + world.target
        let no = try await world.home.runInTerminal(command, columns: 80, lines: 24, input: "n\r")
        #expect(no.status == 1 && no.output.contains("nothing was changed"), "\(no)")
        #expect(try await world.run(["users", "list"]).output.contains("bob"))
        let yes = try await world.home.runInTerminal(command, columns: 80, lines: 24, input: "y\r")
        #expect(yes.status == 0, "\(yes)")
        #expect(!(try await world.run(["users", "list"]).output.contains("bob")))
    }

    @Test("completions for bash load, and complete commands; those for zsh and fish are made")
    func completions() async throws {
        let world = try TestHome()
        for shell in ["bash", "zsh", "fish"] {
            let script = try await world.run(["--generate-completion-script", shell], within: 90)
            #expect(script.status == 0 && script.output.contains("invites"), "\(shell)")
            guard shell == "bash" else { continue }
            let file = world.root.appendingPathComponent("openagent.bash")
            try Data(script.output.utf8).write(to: file)
            let bash = try world.launch(
                "/bin/bash",
                [
                    "-c",
                    """
                    source '\(file.path)' && complete -p openagent &&
                    COMP_WORDS=(openagent net) COMP_CWORD=1 COMP_LINE='openagent net' COMP_POINT=13 _openagent openagent net openagent &&
                    echo "completed: ${COMPREPLY[*]}"
                    """,
                ])
            #expect(try await bash.exit() == 0, "\(bash.errors)")
            #expect(bash.output.contains("completed: network"), "\(bash.output) \(bash.errors)")
        }
    }

    /// The picture of the code that stands in `output`: four dots a side for each module, dark ones black.
    private func bitmap(of output: String) -> String {
        let scale = 4
        var rows: [[Bool]] = []
        for line in output.split(separator: "\n") where line.hasPrefix("\u{1B}[") && line.contains("m ") {
            let text = line.replacing(/\u{1B}\[[0-9;]*m/, with: "")
            rows.append(text.map { $0 == "█" || $0 == "▀" })
            rows.append(text.map { $0 == "█" || $0 == "▄" })
        }
        let width = rows.first?.count ?? 0
        // The margin of a code on paper: a terminal has one besides the two modules that are printed.
        let quiet = [[Bool]](repeating: [Bool](repeating: false, count: width), count: 4)
        let all = quiet + rows + quiet
        let lines = all.flatMap { row in
            let dots = row.map { String(repeating: $0 ? "1" : "0", count: scale) }.joined()
            let side = String(repeating: "0", count: 4 * scale)
            return [String](repeating: side + dots + side, count: scale)
        }
        return "P1\n\((width + 8) * scale) \(lines.count)\n" + lines.joined(separator: "\n") + "\n"
    }
}
