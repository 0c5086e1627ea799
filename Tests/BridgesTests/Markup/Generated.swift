// Texts that nobody would write, the same ones in each run.

/// Random numbers from a seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

enum Generated {
    private static let tokens = [
        "*", "**", "***", "_", "__", "~~", "~~~~", "`", "``", "```", "~~~", "[", "](", ")", "![", "]", "<", ">", "&",
        "&amp;",
        "\"", "'", "\\", "\n", "\n\n", "  \n", "\r\n", "\t", " ", "    ", "# ", "#### ", "- ", "* ", "1. ", "7) ", "> ",
        ">> ",
        "- [x] ", "- [ ] ", "| a | b |\n|---|---|\n| c | d |\n", "|", "---\n", "===\n",
        "```swift\nlet a = 1 < 2\n```\n",
        "```c++\nx\n", "https://e.org/?a=1&b=\"2\"", "[l](https://e.org/a_b)", "[j](javascript:alert(1))", "[e]()",
        "[](https://e.org)", "<https://e.org>", "<b>", "</b>", "<!-- ", "-->", "<div>\n", "[1]: https://e.org\n",
        "[t][1]",
        "word", "snake_case", "2*3", "é", "日本", "👩‍👩‍👧", "e\u{301}", "\u{202E}عربي", "\u{0}",
        String(decoding: [0xEF, 0xB7, 0x90], as: UTF8.self), "\u{FEFF}", "x",
        "tg://user?id=1", "[m](mailto:a@b)", "[n](<a b>)", "[s](https://e.org/a\\\"b)", "![i](https://e.org/i.png)",
        "[![i](https://e.org/i.png)](https://e.org)", "&#0;", "&lt;b&gt;", "```sh ls```",
    ]

    static func markdown(_ seed: UInt64, tokens count: Int) -> String {
        var random = Seeded(seed)
        return (0..<count).map { _ in tokens.randomElement(using: &random) ?? "" }.joined()
    }

    /// Prose, lists and whole blocks of code, as models write.
    static func answer(_ seed: UInt64, blocks: Int) -> String {
        var random = Seeded(seed)
        var text = ""
        for _ in 0..<blocks {
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                let language = ["", "swift", "c++"].randomElement(using: &random) ?? ""
                text += "```\(language)\n"
                for line in 0..<Int.random(in: 1..<30, using: &random) {
                    text += String(repeating: " ", count: line % 5 * 2) + "let x\(line) = [\(line), 😀]\n"
                }
                text += "```\n\n"
            case 1: for item in 0..<5 { text += "\(item % 2 == 0 ? "" : "  ")- item **\(item)** and _more_\n" }
            case 2: text += "| a | b |\n|---|---|\n| 1 | two 日本 |\n\n"
            case 3: text += "> a quote\n> of two lines\n\n"
            case 4: text += String(repeating: "👩‍👩‍👧", count: Int.random(in: 1..<40, using: &random)) + "\n"
            default:
                for _ in 0..<Int.random(in: 1..<60, using: &random) {
                    text +=
                        (["word", "*it*", "`code`", "naïve", "[l](https://e.org/?a=1&b=2)"].randomElement(
                            using: &random) ?? "")
                    text += " "
                }
                text += "\n\n"
            }
        }
        return text
    }
}
