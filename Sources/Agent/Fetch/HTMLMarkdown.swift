// How does a page read as Markdown? Headings, paragraphs, lists, quotes, code, tables and links of what people see; scripts, styles and
// forms are left out. It is for a model that reads, not for a browser that shows.

/// Makes Markdown of HTML.
struct HTMLMarkdown {
    private(set) var title = ""
    /// The page has more than was wanted.
    private(set) var isCut = false
    var text: String { String(decoding: out, as: UTF8.self) }

    private static let hidden: Set<String> = [
        "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "textarea",
        "button", "audio", "video", "map", "dialog",
    ]
    private static let blocks: Set<String> = [
        "p", "div", "section", "article", "main", "header", "footer", "nav", "aside", "figure", "figcaption", "address",
        "form", "fieldset", "table", "dl", "dt", "dd", "details", "summary", "body", "html",
    ]
    private static let mostLinks = 2_000
    private static let mostNested = 64

    private let base: WebAddress?
    private let limit: Int
    private var out: [UInt8] = []
    private var hasSpace = false
    /// Line breaks that come before the next word.
    private var breaks = 0
    /// What each line begins with: marks of quotes and room for lists.
    private var prefixes: [String] = []
    /// What the next line begins with instead of the last prefix: a list's mark.
    private var mark: String?
    /// The number of the last item of each list; nil: without numbers.
    private var lists: [Int?] = []
    private var codeDepth = 0
    private var isTitle = false
    private var links: [(start: Int, target: String?)] = []
    private var linkCount = 0

    /// - Parameters:
    ///   - base: where the page was, so that its links are whole.
    ///   - limit: bytes of the text.
    init(_ html: [UInt8], encoding: String?, base: WebAddress?, limit: Int) {
        self.init(base: base, limit: limit)
        read(html, encoding)
    }

    private init(base: WebAddress?, limit: Int) {
        self.base = base
        self.limit = limit
    }

    private mutating func read(_ html: [UInt8], _ encoding: String?) {
        HTMLTree.walk(html, encoding: encoding) { event in
            guard !isCut else { return false }
            switch event {
            case .enter(let name, let attribute): return enter(name, attribute)
            case .leave(let name):
                leave(name)
                return true
            case .text(let text):
                take(text)
                return true
            }
        }
        while let last = out.last, last == 0x20 || last == 0x0A { out.removeLast() }
        title = Self.collapsed(title)
    }

    // MARK: Elements

    private mutating func enter(_ name: String, _ attribute: (String) -> String?) -> Bool {
        if Self.hidden.contains(name) { return false }
        switch name {
        case "title": isTitle = true
        case "head": break
        case "h1", "h2", "h3", "h4", "h5", "h6":
            block(2)
            word(String(repeating: "#", count: name.utf8.last.map { Int($0) - 48 } ?? 1) + " ")
        case "br": block(1)
        case "hr":
            block(2)
            word("---")
            block(2)
        case "ul", "ol":
            block(lists.isEmpty ? 2 : 1)
            lists.append(name == "ol" ? 0 : nil)
        case "li":
            block(1)
            var dash = "- "
            if let number = lists.last ?? nil {
                lists[lists.count - 1] = number + 1
                dash = "\(number + 1). "
            }
            mark = dash
            prefixes.append(String(repeating: " ", count: dash.utf8.count))
        case "blockquote":
            block(2)
            prefixes.append("> ")
        case "pre":
            block(2)
            word("```")
            block(1)
            codeDepth += 1
        case "code", "kbd", "samp": if codeDepth == 0 { word("`") }
        case "strong", "b": word("**")
        case "tr": block(1)
        case "td", "th": word("| ")
        case "img":
            if let alt = attribute("alt").map(Self.collapsed), !alt.isEmpty { take("[image: \(alt)]") }
            return false
        case "input": return false
        case "a":
            linkCount += 1
            let target = linkCount <= Self.mostLinks ? attribute("href").flatMap(target) : nil
            if target != nil { word("[") }
            links.append((out.count, target))
        case _ where Self.blocks.contains(name): block(name == "dd" || name == "dt" ? 1 : 2)
        default: break
        }
        return true
    }

    private mutating func leave(_ name: String) {
        switch name {
        case "title": isTitle = false
        case "h1", "h2", "h3", "h4", "h5", "h6": block(2)
        case "ul", "ol":
            if !lists.isEmpty { lists.removeLast() }
            block(lists.isEmpty ? 2 : 1)
        case "li":
            mark = nil
            if !prefixes.isEmpty { prefixes.removeLast() }
            block(1)
        case "blockquote":
            block(2)
            if !prefixes.isEmpty { prefixes.removeLast() }
        case "pre":
            codeDepth = max(0, codeDepth - 1)
            block(1)
            word("```")
            block(2)
        case "code", "kbd", "samp": if codeDepth == 0 { glue("`") }
        case "strong", "b": glue("**")
        case "td", "th": hasSpace = true
        case "tr": block(1)
        case "a":
            guard let link = links.popLast(), let target = link.target else { return }
            if out.count == link.start, link.start > 0 {
                // Nothing to click on.
                out.removeLast()
            } else {
                glue("](\(target))")
            }
        case _ where Self.blocks.contains(name): block(2)
        default: break
        }
    }

    private func target(_ link: String) -> String? {
        let link = Self.collapsed(link)
        guard !link.isEmpty, !link.hasPrefix("#") else { return nil }
        if link.lowercased().hasPrefix("mailto:") {
            return link.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x29 } ? link : nil
        }
        // Host names that would not be fetched are no reason to hide a link, but nothing else than the web is one.
        guard let base, let address = try? base.resolve(link) else { return nil }
        return address.description.replacing("(", with: "%28").replacing(")", with: "%29")
    }

    // MARK: Text

    private mutating func take(_ text: String) {
        if isTitle {
            title += text.prefix(512)
            return
        }
        if codeDepth > 0 {
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                if number > 0 { newLine() }
                if !line.isEmpty { write(String(line)) }
            }
            return
        }
        var words = text.split(whereSeparator: \.isWhitespace)[...]
        if text.first?.isWhitespace == true { hasSpace = true }
        while let next = words.popFirst() {
            write(String(next))
            if !words.isEmpty { hasSpace = true }
        }
        if text.last?.isWhitespace == true { hasSpace = true }
    }

    /// Marks that begin something: the space before them counts.
    private mutating func word(_ text: String) { write(text) }

    /// Marks that end something: they stand right behind it.
    private mutating func glue(_ text: String) {
        let (space, later) = (hasSpace, breaks)
        (hasSpace, breaks) = (false, 0)
        write(text)
        (hasSpace, breaks) = (space, later)
    }

    private mutating func block(_ count: Int) {
        breaks = max(breaks, count)
        hasSpace = false
    }

    private mutating func newLine() {
        flush()
        breaks = 1
        hasSpace = false
    }

    private mutating func flush() {
        guard breaks > 0 else { return }
        if !out.isEmpty {
            for number in 0..<breaks {
                out.append(0x0A)
                if number + 1 < breaks { out += prefixes.prefix(Self.mostNested).joined().utf8 }
            }
        }
        var line = prefixes.prefix(Self.mostNested).map { $0 }
        if let mark, !line.isEmpty { line[line.count - 1] = mark }
        mark = nil
        out += line.joined().utf8
        breaks = 0
    }

    private mutating func write(_ text: String) {
        guard !text.isEmpty, !isCut else { return }
        if breaks > 0 {
            flush()
        } else if hasSpace, !out.isEmpty, out.last != 0x20 {
            out.append(0x20)
        }
        hasSpace = false
        // Of control characters none gets through, whatever a terminal would make of them.
        let plain =
            text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
            ? String(
                String.UnicodeScalarView(
                    text.unicodeScalars.filter { $0 == "\t" || $0.value >= 0x20 && $0.value != 0x7F }))
            : text
        guard out.count + plain.utf8.count <= limit else {
            isCut = true
            return
        }
        out += plain.utf8
    }

    private static func collapsed(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
