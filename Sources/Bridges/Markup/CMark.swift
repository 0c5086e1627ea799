internal import CCMark
internal import Synchronization

// What does a Markdown text consist of? Asks cmark-gfm and copies its answer into values: no pointer leaves this file.

/// A part of a Markdown text. All parts stand in one list, each before those that it holds.
struct MarkdownNode: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case document, quote
        /// - `start`: of an ordered list the first number.
        case list(start: Int?, delimiter: String)
        /// - `isDone`: of a task whether it is; nil: no task.
        case item(isDone: Bool?)
        /// - `info`: what stands behind the fence.
        case codeBlock(info: String, isFenced: Bool)
        case htmlBlock, paragraph, heading, rule
        case table, row, cell
        case text, softBreak, lineBreak, code, html
        case emphasis, strong, strike
        case link(url: String), image(url: String)
        case other
    }

    var kind: Kind
    var literal = ""
    /// Where it stands in the list of what holds it; -1: nothing does.
    var parent: Int
    /// Of an inline part the block that it is in; -1: none.
    var block: Int
    /// The list's index behind the last part that it holds.
    var end: Int
    /// From 1; columns count bytes. Breaks have none: 0.
    var startLine: Int
    var startColumn: Int
    var endLine: Int
}

enum CMark {
    /// The library keeps what its extensions look for in variables of its own: one text at a time. Holds whether they are registered.
    private static let library = Mutex(false)

    /// - Parameter text: UTF-8 without zero bytes; the time taken may grow with the square of its length.
    static func parse(_ text: [UInt8]) -> [MarkdownNode] {
        library.withLock { isRegistered in
            if !isRegistered {
                cmark_gfm_core_extensions_ensure_registered()
                isRegistered = true
            }
            guard let parser = cmark_parser_new(CMARK_OPT_STRIKETHROUGH_DOUBLE_TILDE) else { return [] }
            defer { cmark_parser_free(parser) }
            for name in ["strikethrough", "table", "tasklist"] {
                if let found = cmark_find_syntax_extension(name) { cmark_parser_attach_syntax_extension(parser, found) }
            }
            text.withUnsafeBytes { bytes in
                cmark_parser_feed(parser, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
            }
            guard let document = cmark_parser_finish(parser) else { return [] }
            defer { cmark_node_free(document) }
            return nodes(of: document)
        }
    }

    private typealias Pointer = OpaquePointer

    private static func nodes(of document: Pointer) -> [MarkdownNode] {
        guard let iterator = cmark_iter_new(document) else { return [] }
        defer { cmark_iter_free(iterator) }
        var nodes: [MarkdownNode] = []
        var open: [(index: Int, block: Int)] = []
        while true {
            let event = cmark_iter_next(iterator)
            guard event != CMARK_EVENT_DONE, let pointer = cmark_iter_get_node(iterator) else { return nodes }
            if event == CMARK_EVENT_EXIT {
                if let last = open.popLast() { nodes[last.index].end = nodes.count }
                continue
            }
            let (kind, isLeaf) = kind(of: pointer)
            let block = open.last?.block ?? -1
            let index = nodes.count
            nodes.append(
                MarkdownNode(
                    kind: kind, literal: string(cmark_node_get_literal(pointer)), parent: open.last?.index ?? -1,
                    block: block, end: index + 1, startLine: Int(cmark_node_get_start_line(pointer)),
                    startColumn: Int(cmark_node_get_start_column(pointer)),
                    endLine: Int(cmark_node_get_end_line(pointer))))
            guard !isLeaf else { continue }
            let holdsInlines = kind == .paragraph || kind == .heading || kind == .cell
            open.append((index, holdsInlines ? index : block))
        }
    }

    /// Leaves are not told the end of.
    private static func kind(of node: Pointer) -> (MarkdownNode.Kind, isLeaf: Bool) {
        switch string(cmark_node_get_type_string(node)) {
        case "document": (.document, false)
        case "block_quote": (.quote, false)
        case "list":
            cmark_node_get_list_type(node) == CMARK_ORDERED_LIST
                ? (
                    .list(
                        start: Int(cmark_node_get_list_start(node)),
                        delimiter: cmark_node_get_list_delim(node) == CMARK_PAREN_DELIM ? ")" : "."), false
                ) : (.list(start: nil, delimiter: ""), false)
        case "item": (.item(isDone: nil), false)
        case "tasklist": (.item(isDone: cmark_gfm_extensions_get_tasklist_item_checked(node)), false)
        case "code_block":
            (
                .codeBlock(
                    info: string(cmark_node_get_fence_info(node)),
                    isFenced: isFenced(node)),
                true
            )
        case "html_block": (.htmlBlock, true)
        case "paragraph": (.paragraph, false)
        case "heading": (.heading, false)
        case "thematic_break": (.rule, true)
        case "table": (.table, false)
        case "table_header", "table_row": (.row, false)
        case "table_cell": (.cell, false)
        case "text": (.text, true)
        case "softbreak": (.softBreak, true)
        case "linebreak": (.lineBreak, true)
        case "code": (.code, true)
        case "html_inline": (.html, true)
        case "emph": (.emphasis, false)
        case "strong": (.strong, false)
        case "strikethrough": (.strike, false)
        case "link": (.link(url: string(cmark_node_get_url(node))), false)
        case "image": (.image(url: string(cmark_node_get_url(node))), false)
        default: (.other, false)
        }
    }

    private static func isFenced(_ node: OpaquePointer) -> Bool {
        var (length, offset, character): (Int32, Int32, CChar) = (0, 0, 0)
        return cmark_node_get_fenced(node, &length, &offset, &character) != 0
    }

    private static func string(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
}
