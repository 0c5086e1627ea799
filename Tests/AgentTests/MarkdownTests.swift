import Foundation
import JSON
import Testing

@testable import Agent

@Suite struct FrontMatterTests {
    func note(_ text: String) throws -> MarkdownNote { MarkdownNote(text, path: try NotePath("folder/Name.md")) }

    @Test(
        arguments: [
            ("---\na: 1\nb: x\n---\n", ["a": .integer(1), "b": .string("x")]),
            ("---\nd: 2024-05-06\n---\n", ["d": .string("2024-05-06")]),
            ("---\nd: 2024-05-06 10:20:30\n---\n", ["d": .string("2024-05-06T10:20:30")]),
            (
                "---\nn: 1.5\ny: true\nz:\nq: 'true'\n---\n",
                ["n": .number(1.5), "y": .bool(true), "z": .null, "q": .string("true")]
            ),
            (
                "---\nl: [a, 2]\nm:\n  k: v\n---\n",
                ["l": .array([.string("a"), .integer(2)]), "m": .object(["k": .string("v")])]
            ),
            ("---\nv: a---b\n---\n", ["v": .string("a---b")]),
            ("---\nn: .nan\n---\n", ["n": .string(".nan")]),
            ("---\n- a\n- b\n---\n", [:]),
            ("---\n---\n", [:]),
            (" ---\na: 1\n---\n", [:]),
            ("---a: 1\n---\n", [:]),
            ("----\na: 1\n----\n", [:]),
        ] as [(String, [String: JSONValue])])
    func propertiesAreReadAsJSON(_ text: String, _ properties: [String: JSONValue]) throws {
        #expect(try note(text).properties == properties)
    }

    @Test func aBlockThatIsNoYAMLIsTakenOffAllTheSame() throws {
        let note = try note("---\na: [1\nb: }\n---\nbody\n")
        #expect(note.properties.isEmpty)
        #expect(note.body == "body\n")
    }

    @Test func withoutAClosingFenceAllIsBody() throws {
        let text = "---\ntitle: T\ntags: [a]\nno end"
        let note = try note(text)
        #expect(note.properties.isEmpty && note.tags.isEmpty)
        #expect(note.title == "Name")
        #expect(note.body == text)
    }

    /// Blocks that are built to overflow the stack or the memory say nothing, and quickly.
    @Test(arguments: [
        String(repeating: "[", count: 60_000), String(repeating: "- ", count: 30_000),
        "a: " + String(repeating: "{b: ", count: 15_000), String(repeating: "? ", count: 30_000),
        (0..<1000).map { String(repeating: " ", count: $0) + "k:\n" }.joined(),
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "bcdefghij".reduce(into: ("", Character("a"))) { made, name in
                made.0 +=
                    "\(name): &\(name) [" + Array(repeating: "*\(made.1)", count: 9).joined(separator: ",") + "]\n"
                made.1 = name
            }.0,
        String(repeating: "k: v # x\n", count: 10_000),
    ])
    func aHostileBlockSaysNothing(_ yaml: String) throws {
        let note = try note("---\n" + yaml + "\n---\nbody")
        #expect(note.properties.isEmpty)
        #expect(note.body == "body")
    }

    @Test(
        arguments: [
            ("---\ntags: one two\n---\n", ["one two"]), ("---\ntags: [a, A, '#b', 3, '']\n---\n", ["a", "b", "3"]),
            ("---\ntags:\n---\n", []), ("---\ntags: {a: b}\n---\n", []),
            ("---\ntags: [a]\n---\ntext #b and #A", ["a", "b"]),
            (
                "#first (#no) x#no ##no # no #1984 #2024goal #a/b/ #c-d_e, #ünï.",
                ["first", "2024goal", "a/b", "c-d_e", "ünï"]
            ),
            ("```\n#no\n```\n#yes\n~~~~\n#no\n~~~\n#no\n~~~~\n#also", ["yes", "also"]),
            ("`#no` ``a ` #no`` #yes ` #open", ["yes", "open"]), ("# Heading\n\ta\t#tab", ["tab"]), ("#", []),
            ("#-", ["-"]),
            ("x\r\n#line\r\n", ["line"]),
        ] as [(String, [String])])
    func tagsOfFrontMatterAndTextAreFound(_ text: String, _ tags: [String]) throws {
        #expect(try note(text).tags == tags)
    }

    @Test(
        arguments: [
            ("[[a]] [[b|c]] [[a]]", ["a", "b", "a"]), ("![[p.png]] [[f/n#h|x]] [[n^b]]", ["p.png", "f/n#h", "n^b"]),
            ("[[a|]] [[]] [[|x]] [[a]b]] [a] [[ a ]]", [" a "]), ("```\n[[in code]]\n```", ["in code"]),
            ("[[[a]]]", ["[a"]), ("[[a|[[b]]", ["a"]), ("[[|[[b]]", ["b"]), ("[[a|b] [[c]]", ["c"]), ("[[a", []),
            ("[[a\nb]]", ["a\nb"]), ("[[é|ü]]", ["é"]), ("[[a||b]]", ["a"]),
        ] as [(String, [String])])
    func linksAreFoundAsTheyStand(_ text: String, _ links: [String]) throws {
        #expect(try note(text).links == links)
    }

    @Test(arguments: ["[", "[[", "[[|", "[[a|", "[[a|b]", "`", "` `` ", "#a ", "#"])
    func timeGrowsWithTheTextAlone(_ piece: String) throws {
        let text = String(repeating: piece, count: 200_000 / piece.utf8.count)
        let start = ContinuousClock.now
        _ = MarkdownScanner.links(in: Array(text.utf8))
        _ = MarkdownScanner.tags(in: Array(text.utf8))
        #expect(ContinuousClock.now - start < .seconds(5))
    }
}

@Suite struct LinkResolverTests {
    @Test(
        arguments: [
            ("a/Router", 1), ("A/ROUTER.md", 1), ("/a/Router", 1), ("./a/Router", 1), ("router", 0),
            ("Router#Setup", 0),
            ("Router^b1", 0), ("b/Router", 2), ("x/y/Router", 0), ("deep/Note", 3), ("other/Note", 3), ("Note.md", 3),
            (" Note ", 3), ("nothing", nil), ("#heading", nil), ("", nil), ("outer", nil), ("a/Router.md.md", nil),
        ] as [(String, Int?)])
    func aLinkMeansThePathThenTheNearestName(_ link: String, _ place: Int?) {
        let resolver = LinkResolver(["Router.md", "a/Router.md", "c/b/Router.md", "very/deep/Note.md"])
        #expect(LinkResolver.key(link[...]).flatMap(resolver.resolve) == place)
    }
}
