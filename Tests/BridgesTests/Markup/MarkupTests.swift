import TestPlatforms
import Testing

@testable import Bridges

@Suite(.timeLimit(.minutes(1))) struct TelegramMarkupTests {
    @Test(arguments: [
        ("***x***", "<i><b>x</b></i>"),
        ("1. a:\n   ```sh\n     ls\n   ```\n2. b", "1. a:\n<pre><code class=\"language-sh\">  ls</code></pre>\n2. b"),
        ("- ```\n  x\n  ```", "• <pre>x</pre>"),
        ("**bold *and* `code` ~~gone~~**", "<b>bold <i>and</i> <code>code</code> <s>gone</s></b>"),
        ("# A **b** [c](https://e.org)", "<b>A b <a href=\"https://e.org\">c</a></b>"),
        ("**a **b** c**", "<b>a b c</b>"),
        ("3. c\n3. d\n   - e", "3. c\n4. d\n   • e"),
        ("1) a", "1) a"),
        ("- [x] done\n- [ ] not", "• ☑ done\n• ☐ not"),
        ("- a\n\n  b\n- c", "• a\n\n  b\n• c"),
        ("> a\n> b **c**\n\nd", "<blockquote>a\nb <b>c</b></blockquote>\n\nd"),
        ("> a\n> > b\n> > c", "<blockquote>a\n&gt; b\n&gt; c</blockquote>"),
        ("> - a\n> - b", "<blockquote>• a\n• b</blockquote>"),
        ("| Name | n |\n|:--|--:|\n| `a` | 1 |\n| **日本** | 22 |", "<pre>Name | n\n-----|---\na    | 1\n日本 | 22</pre>"),
        ("    indented <code>", "<pre>indented &lt;code&gt;</pre>"),
        ("~~~\nx\n~~~", "<pre>x</pre>"),
        ("```a\"b<c\nx\n```", "<pre>x</pre>"),
        ("```c#\nx\n\n\n```\ny", "<pre><code class=\"language-c#\">x</code></pre>\ny"),
        ("```\nopen <", "<pre>open &lt;</pre>"),
        ("[a](javascript:alert(1))", "a (javascript:alert(1))"),
        ("[a](/relative)", "a (/relative)"),
        ("[a](tg://user?id=7)", "<a href=\"tg://user?id=7\">a</a>"),
        ("[a](mailto:x@y.org)", "<a href=\"mailto:x@y.org\">a</a>"),
        ("[a](HTTPS://e.org/\"x\"<y>)", "<a href=\"HTTPS://e.org/%22x%22%3Cy%3E\">a</a>"),
        ("[a](<https://e.org/b c>)", "<a href=\"https://e.org/b%20c\">a</a>"),
        ("[](https://e.org)", "<a href=\"https://e.org\">https://e.org</a>"),
        ("<https://e.org/?a&b>", "<a href=\"https://e.org/?a&amp;b\">https://e.org/?a&amp;b</a>"),
        ("[![alt](https://e.org/i.png)](https://e.org)", "<a href=\"https://e.org\">alt</a>"),
        ("[1]: https://e.org\n[t][1]", "[1]: https://e.org\n[t][1]"),
        ("a~~~~b", "a~~~~b"),
        ("a &amp; b &copy; &lt;", "a &amp; b © &lt;"),
        ("\\*no\\*", "*no*"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<div>\n**x**\n</div>", "&lt;div&gt;\n**x**\n&lt;/div&gt;"),
        ("a\u{0}b", "a\u{FFFD}b"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\u{202E}*עברית*", "\u{202E}<i>עברית</i>"),
        ("\n\nlead", "lead"),
        ("```\n```", "```\n```"),
        ("a ``x`y`` b", "a <code>x`y</code> b"),
        ("text\n===\nmore", "<b>text</b>\nmore"),
        ("_a\nb_ and\n  - _c\n  d_", "_a\nb_ and\n• _c\n  d_"),
        ("> `a\nb` _c\nd_", "<blockquote><code>a b</code> _c\nd_</blockquote>"),
    ])
    func examples(_ source: String, _ expected: String) throws {
        let html = TelegramMarkup.html(source)
        #expect(html == expected)
        _ = try TelegramHTMLCheck.text(of: html)
    }

    @Test("Whatever an answer holds, Telegram takes its HTML")
    func generated() throws {
        for seed in 0..<2000 as Range<UInt64> {
            let source = Generated.markdown(seed, tokens: 4 + Int(seed % 60))
            let html = TelegramMarkup.html(source)
            do { _ = try TelegramHTMLCheck.text(of: html) } catch {
                Issue.record("seed \(seed): \(error)\n\(source.debugDescription)\n\(html.debugDescription)")
                return
            }
        }
    }

    @Test func noWordOfAnAnswerIsLost() throws {
        for seed in 0..<200 as Range<UInt64> {
            let source = Generated.answer(seed, blocks: 6)
            let shown = try TelegramHTMLCheck.text(of: TelegramMarkup.html(source))
            // What is left of marks and addresses; the language of code is in an attribute.
            func words(_ text: String) -> [String] {
                text.replacing("https://e.org/?a=1&b=2", with: "").replacing("```swift", with: "").replacing(
                    "```c++", with: ""
                )
                .split { !$0.isLetter && !$0.isNumber }.map(String.init)
            }
            #expect(words(shown) == words(source), "seed \(seed)")
        }
    }

    @Test("A message that fits before fits after: tables and quotes may not make it too long")
    func lengths() throws {
        var texts = (0..<40 as Range<UInt64>).flatMap { seed in
            Splitting.pieces(of: Generated.answer(seed, blocks: 60), limit: 4096, unit: .utf16)
        }
        texts.append(
            "| a |\n|---|\n" + String(repeating: "| b |\n", count: 640) + "| " + String(repeating: "c", count: 200)
                + " |")
        texts.append(String(repeating: "> > > a\nb\n", count: 400))
        texts.append("9999999. a\n" + String(repeating: "1. a\n", count: 800))
        for text in texts {
            #expect(text.utf16.count <= 4096)
            let shown = try TelegramHTMLCheck.text(of: TelegramMarkup.html(text))
            #expect(shown.utf16.count <= 4096, "\(text.prefix(60))")
        }
    }

    @Test(arguments: [
        "*", "_", "**a", "*a ", "[", "![", "[a](", "<", "&", ">", "> ", "- ", "`", "``` ", "~~", "~~a", "|",
        "|a|\n|-|\n", "1. ",
        "\\", "<!--", "(", "[a](<b", "_a*b~~c", "#", "\t", "\u{0}", "e\u{301}", "]:", "~~~~x",
    ])
    func hostileTextsTakeLittleTime(_ pattern: String) throws {
        for size in [4096, Markdown.longest] {
            let text = String(String(repeating: pattern, count: size / pattern.utf8.count + 1).utf8.prefix(size)) ?? ""
            let time = try ContinuousClock().measure { _ = try TelegramHTMLCheck.text(of: TelegramMarkup.html(text)) }
            #expect(time < .seconds(10), "\(size)")
        }
    }
}

extension TelegramMarkupTests {
    @Test(arguments: ["*", "<", "x"])
    func aMillionLettersAreShownAsTheyAre(_ pattern: String) throws {
        let text = String(repeating: pattern, count: 1_000_000)
        #expect(try TelegramHTMLCheck.text(of: TelegramMarkup.html(text)) == text)
    }
}

@Suite struct OtherMarkupTests {
    @Test(arguments: [
        ("***x***", "_*x*_"), ("1. a:\n   ```\n   x\n    y\n   ```", "1. a:\n```\nx\n y\n```"),
        ("> ```\n> x\n> ```", "> ```\n> x\n> ```"), ("**a _b_ c**", "*a _b_ c*"), ("# A **b**", "*A b*"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "```\na | b\n--|--\n1 | 2\n```"),
        ("> a\n> b", "> a\n> b"), ("[a](https://e.org)", "a (https://e.org)"), ("<https://e.org>", "https://e.org"),
        ("1. a\n2. b", "1. a\n2. b"), ("~~~py\nx\n~~~", "```py\nx\n```"), ("- [ ] a", "- ☐ a"),
    ])
    func whatsApp(_ source: String, _ expected: String) { #expect(WhatsAppMarkup.text(source) == expected) }

    @Test(arguments: [
        ("**b** *i* ~~s~~ `c<`", "*b* _i_ ~s~ `c&lt;`"), ("# T", "*T*"),
        ("a & <b> <!channel> <@U1>", "a &amp; &lt;b&gt; &lt;!channel&gt; &lt;@U1&gt;"),
        ("[l&l](https://e.org/?a=1&b=|>)", "<https://e.org/?a=1&amp;b=%7C%3E|l&amp;l>"),
        ("```swift\na < b\n```", "```\na &lt; b\n```"),
        ("> a\n> b", "&gt; a\n&gt; b"), ("- a\n  - b", "• a\n  • b"), ("![i](https://e.org/i)", "<https://e.org/i|i>"),
    ])
    func slack(_ source: String, _ expected: String) { #expect(SlackMarkup.text(source) == expected) }

    @Test(arguments: [
        ("**b** _i_ ~~s~~ `c` [l](https://e.org) > x", "**b** _i_ ~~s~~ `c` [l](https://e.org) > x"),
        ("a\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nz", "a\n\n```\na | b\n--|--\n1 | 2\n```\n\nz"),
        ("#### T\n# U", "### T\n# U"), ("- [x] a\n- [ ] b", "- ☑ a\n- ☐ b"),
        ("![i](https://e.org/i)", "[i](https://e.org/i)"),
        ("```\n| a |\n|---|\n| 1 |\n#### T\n```", "```\n| a |\n|---|\n| 1 |\n#### T\n```"),
    ])
    func discord(_ source: String, _ expected: String) { #expect(DiscordMarkup.text(source) == expected) }

    @Test(arguments: [
        ("# T\n\n**b** _i_ ~~s~~ `c` [l](https://e.org)", "T\n\nb i s c l (https://e.org)"),
        ("```x\ny\n```\nz", "y\nz"),
        ("* a\n  1. b", "- a\n  1. b"), ("> q", "> q"), ("| a | b |\n|-|-|\n| 1 | 2 |", "a | b\n--|--\n1 | 2"),
    ])
    func plain(_ source: String, _ expected: String) { #expect(PlainText.text(source) == expected) }

    @Test func noTextMentionsAnybodyInSlack() {
        for seed in 0..<1500 as Range<UInt64> {
            let source = Generated.markdown(seed, tokens: 4 + Int(seed % 60)) + "<!here>"
            let text = SlackMarkup.text(source)
            // All that stands between angle brackets is a link.
            var rest = text[...]
            while let open = rest.firstIndex(of: "<") {
                let link = rest[open...].dropFirst().prefix { $0 != ">" }
                guard ["http", "mailto:", "tg:"].contains(where: link.lowercased().hasPrefix), link.contains("|"),
                    !link.contains("<")
                else {
                    Issue.record("seed \(seed): \(text.debugDescription)")
                    return
                }
                rest = rest[link.endIndex...].dropFirst()
            }
        }
    }

    @Test func textsThatNobodyWouldWriteComeThroughEveryDialect() {
        for seed in 0..<800 as Range<UInt64> {
            let source = Generated.markdown(seed, tokens: 80)
            for text in [WhatsAppMarkup.text(source), DiscordMarkup.text(source), PlainText.text(source)] {
                #expect(!text.unicodeScalars.contains(Markdown.seam), "seed \(seed): \(text.debugDescription)")
                #expect(!text.isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func nothingIsLongerThanAMessageMayBe() {
        for seed in 0..<60 as Range<UInt64> {
            for (limit, text) in [(2000, DiscordMarkup.text), (4096, WhatsAppMarkup.text), (2000, PlainText.text)]
                as [(Int, (String) -> String)]
            {
                for piece in Splitting.pieces(of: Generated.answer(seed, blocks: 20), limit: limit, unit: .scalars) {
                    #expect(text(piece).unicodeScalars.count <= limit, "seed \(seed)")
                }
            }
        }
    }
}

@Suite struct TelegramHTMLCheckTests {
    @Test(arguments: [
        "<b>a", "a</b>", "<b><i>a</b></i>", "<code><b>a</b></code>", "<pre><i>a</i></pre>", "<u a=\"b\">a</u>",
        "<x>a</x>", "a < b", "a > b",
        "a & b", "&nbsp;", "<a>a</a>", "<a href=\"javascript:x\">a</a>", "<a href=\"https://e.org/\"\">a</a>",
        "<b><b>a</b></b>",
        "<a href=\"https://e.org?a&b\">a</a>", "<blockquote><blockquote>a</blockquote></blockquote>",
        "<code class=\"language-a\">a</code>",
        "<pre>x<code class=\"language-a\">a</code></pre>",
        "<a href=\"https://e.org\"><a href=\"https://e.org\">a</a></a>", "<b", "<br>",
    ])
    func refuses(_ html: String) {
        #expect(throws: TelegramHTMLCheck.Refusal.self) { try TelegramHTMLCheck.text(of: html) }
    }

    @Test func takesAndShows() throws {
        let html =
            "<b>a &amp; <i>b</i></b>\n<pre><code class=\"language-c++\">x &lt; y</code></pre> <tg-spoiler>s</tg-spoiler> &#33;"
        #expect(try TelegramHTMLCheck.text(of: html) == "a & b\nx < y s !")
    }
}
