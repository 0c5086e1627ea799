internal import CXML2

// What does a page of HTML hold? libxml2 reads it, with all that browsers forgive; here its tree is gone through once, without calling
// ourselves, so that no page is nested too deep. This file knows no Markdown.

/// Reads HTML.
enum HTMLTree {
    /// What is met on the way through a page.
    enum Event {
        /// An element and, by name, what is asked for of its attributes.
        case enter(String, attribute: (String) -> String?)
        case leave(String)
        case text(String)
    }

    private static let isReady: Bool = {
        xmlInitParser()
        return true
    }()

    private static let options =
        Int32(HTML_PARSE_RECOVER.rawValue) | Int32(HTML_PARSE_NOERROR.rawValue) | Int32(HTML_PARSE_NOWARNING.rawValue)
        | Int32(HTML_PARSE_NONET.rawValue) | Int32(HTML_PARSE_NODEFDTD.rawValue) | Int32(HTML_PARSE_COMPACT.rawValue)

    /// - Parameters:
    ///   - encoding: what the server says of the bytes; nil: the page says it itself.
    ///   - visit: called in the order of the page; whether what is inside an element is looked at as well.
    static func walk(_ html: [UInt8], encoding: String?, _ visit: (Event) -> Bool) {
        guard isReady, !html.isEmpty, let length = Int32(exactly: html.count) else { return }
        let document = html.withUnsafeBytes { bytes in
            htmlReadMemory(bytes.bindMemory(to: CChar.self).baseAddress, length, nil, encoding, options)
        }
        guard let document else { return }
        defer { xmlFreeDoc(document) }
        guard let root = xmlDocGetRootElement(document) else { return }
        var node = root
        while true {
            var goesInside = false
            switch node.pointee.type {
            case XML_ELEMENT_NODE:
                goesInside = visit(.enter(name(node), attribute: { attribute($0, of: node) }))
            case XML_TEXT_NODE, XML_CDATA_SECTION_NODE:
                if let content = node.pointee.content { _ = visit(.text(String(cString: content))) }
            default: break
            }
            if goesInside, let child = node.pointee.children {
                node = child
                continue
            }
            if goesInside { _ = visit(.leave(name(node))) }
            while true {
                if node == root { return }
                if let next = node.pointee.next {
                    node = next
                    break
                }
                guard let parent = node.pointee.parent else { return }
                node = parent
                _ = visit(.leave(name(node)))
            }
        }
    }

    private static func name(_ node: xmlNodePtr) -> String {
        node.pointee.name.map { String(cString: $0).lowercased() } ?? ""
    }

    private static func attribute(_ name: String, of node: xmlNodePtr) -> String? {
        guard let value = xmlGetProp(node, name) else { return nil }
        defer { openagent_xml_free(value) }
        return String(cString: value)
    }
}
