import Foundation
import JSON
import Testing

@testable import Gateway
@testable import Wire

// Is a document changed where it has to change, and nowhere else?

@Suite struct ConfigurationDocumentTests {
    private func change(_ text: String, _ edit: (inout [String: JSONValue]) -> Void) throws -> String {
        let document = try ConfigurationDocument(text, file: "f")
        var fields = document.fields
        edit(&fields)
        let changed = try document.changed(to: fields, file: "f")
        #expect(try ConfigurationDocument(changed, file: "f").fields == fields)
        return changed
    }

    private static let written = """
        # My agent.
        name: "Ada"   # a short name

        # Where it listens.
        network:
          # forwarded by the router
          port: 4433 # UDP
          name: 'home'

        channels:
          telegram:
            token: abc
            ids: [1, 2]
        # limits:
        #   file_size: 1

        """

    @Test("comments, order and spelling of what is not changed stay as they were")
    func onlyWhatChangesIsRewritten() throws {
        let text = Self.written
        #expect(try change(text) { _ in } == text)
        #expect(
            try change(text) { $0["name"] = "Grace" }
                == text.replacing(#"name: "Ada"   # a short name"#, with: "name: Grace   # a short name"))
        #expect(
            try change(text) { $0["network"] = ["port": 5000, "name": "home"] } == text.replacing("4433", with: "5000"))
        #expect(
            try change(text) { $0["network"] = ["port": 4433, "name": "home", "x": [1]] }
                == text.replacing("  name: 'home'\n", with: "  name: 'home'\n  x:\n    - 1\n"))
        #expect(
            try change(text) { $0["network"] = ["name": "home"] } == text.replacing("  port: 4433 # UDP\n", with: ""))
        #expect(try change(text) { $0["limits"] = ["file_size": 5] } == text + "limits:\n  file_size: 5\n")
        #expect(
            try change(text) { $0["channels"] = nil }
                == text.replacing("channels:\n  telegram:\n    token: abc\n    ids: [1, 2]\n", with: ""))
        #expect(try change(text) { $0["network"] = 5 }.contains("# Where it listens.\nnetwork: 5\n\nchannels:"))
        #expect(try change("# nothing yet") { $0["name"] = "x" } == "# nothing yet\nname: x\n")
        #expect(try change("") { $0["name"] = "x" } == "name: x\n")
        #expect(try change("name: a") { $0["name"] = nil } == "")
        #expect(
            try change("a: |\n  # no comment\n  text\nb: 1\n") { $0["b"] = 2 } == "a: |\n  # no comment\n  text\nb: 2\n"
        )
    }

    @Test("what is written in a way that can't be changed in place is written anew, and says the same")
    func otherFormsAreRewritten() throws {
        #expect(try change("{a: 1, b: 2}") { $0["a"] = 3 } == "a: 3\nb: 2\n")
        #expect(try change("a: &x {k: v}\nb: *x\n") { $0["a"] = 1 } == "a: 1\nb:\n  k: v\n")
        #expect(try change("--- {a: 1}\n...\n") { $0["b"] = 3 } == "a: 1\nb: 3\n")
    }

    @Test("what another reader of YAML could take for something else is in quotes")
    func ambiguousTextsAreQuoted() throws {
        for text in [
            "3:00", "yes", "No", "on", "null", "~", "true", "5", "1.5", "0x1F", "2026-01-01", "", " a", "a ", "- a",
            "a: b", "a #b", "#a", "{env:X}", "${X}", "[a", "*a", "&a", "!a", "%a", "@a", "`a", "'a", "\"a", "a\nb",
            "\t",
            "\u{85}", "\u{2028}", "\u{7F}", "\u{1F600}", "\\", "y", "<<", "=", ".inf", ".nan", "1e3", "-",
            "?",
        ] {
            let line = YAMLWriter.scalar(.string(text))
            let document = try ConfigurationDocument("k: \(line)\n", file: "f")
            #expect(document.fields == ["k": .string(text)], "\(line)")
            #expect(line.hasPrefix("\""), "\(line)")
        }
        #expect(try change("a: 1\n") { $0["a"] = "0 4 * * *" } == "a: \"0 4 * * *\"\n")
    }

    @Test func valuesMeanWhatPeopleMean() throws {
        let text = """
            a: 3:00
            b: yes
            c: "yes"
            d: 2026-01-01
            e: 1.0
            f: 007
            g: ~
            h: 0x10
            i: !!str 5
            j: -2.5e1
            k: 123456789012345678901234567890
            l: {x: [1, off]}
            """
        #expect(
            try ConfigurationDocument(text, file: "f").fields == [
                "a": "3:00", "b": true, "c": "yes", "d": "2026-01-01", "e": 1, "f": "007", "g": nil, "h": 16, "i": "5",
                "j": -25, "k": .number(123456789012345678901234567890), "l": ["x": [1, false]],
            ])
    }

    @Test("aliases that stand for more than anybody can hold are refused")
    func bombsAreRefused() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let inner = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(inner)]\n"
        }
        let bomb = text
        #expect(throws: ConfigurationError.self) { try ConfigurationDocument(bomb, file: "f") }
        let deep = "a: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(throws: ConfigurationError.self) { try ConfigurationDocument(deep, file: "f") }
        #expect(throws: ConfigurationError.self) { try ConfigurationDocument("? [a]\n: 1\n", file: "f") }
    }

    /// Some thousand changes of every kind; each has to say afterwards exactly what was wanted, and a comment that stands
    /// before a section stays as long as there is the section.
    @Test func anyChangeSaysWhatWasWanted() throws {
        var random = SplitMix(state: 7)
        func value(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 2 ? 6 : 9), using: &random) {
            case 0: .null
            case 1: .bool(.random(using: &random))
            case 2: .integer(.random(in: -5...5, using: &random))
            case 3: .number(0.5)
            case 4:
                .string(
                    ["yes", "a # b", "plain text", "x: y", "multi\nline", "{env:A}", ""].randomElement(using: &random)!)
            case 5: .string("w\(Int.random(in: 0..<9, using: &random))")
            case 6: .array((0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) })
            default: object(depth + 1)
            }
        }
        func object(_ depth: Int) -> JSONValue {
            var fields: [String: JSONValue] = [:]
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                fields["k\(Int.random(in: 0..<6, using: &random))"] = value(depth)
            }
            return .object(fields)
        }
        var text = Self.written
        for _ in 0..<2_000 {
            let document = try ConfigurationDocument(text, file: "f")
            var fields = document.fields
            let key = ["name", "network", "channels", "k1", "k2", "k3"].randomElement(using: &random)!
            if case .object(var inner)? = fields[key], Bool.random(using: &random), let one = inner.keys.sorted().first
            {
                inner[one] = value(1)
                fields[key] = .object(inner)
            } else {
                fields[key] = Bool.random(using: &random) ? value(0) : nil
            }
            let before = text
            text = try document.changed(to: fields, file: "f")
            #expect(try ConfigurationDocument(text, file: "f").fields == fields, "\(before)\n=== \(key)")
            #expect(text.contains("# My agent."), "\(before)\n=== \(key)\n\(text)")
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
