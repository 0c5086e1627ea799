internal import Foundation

// What does an answer of the web say to somebody who reads? Markdown of a page, or text as it is; of anything else only its kind.

/// An answer as text.
struct WebPage: Equatable {
    var title: String?
    var text: String
    var isCut: Bool

    private static let textTypes: Set<String> = [
        "application/json", "application/xml", "application/javascript", "application/x-javascript", "application/yaml",
        "application/x-yaml", "application/toml", "application/x-ndjson", "application/ld+json",
    ]

    /// - Parameter limit: bytes of the text.
    /// - Returns: nil when the answer is no text.
    init?(_ answer: WebAnswer, limit: Int) {
        let (type, charset) = Self.kind(answer.header("content-type"))
        if type == "text/html" || type == "application/xhtml+xml" || (type.isEmpty && Self.looksLikeHTML(answer.body)) {
            let page = HTMLMarkdown(answer.body, encoding: charset, base: answer.address, limit: limit)
            (title, text, isCut) = (page.title.isEmpty ? nil : page.title, page.text, page.isCut || answer.isCut)
            return
        }
        let isText =
            type.hasPrefix("text/") || Self.textTypes.contains(type) || type.hasSuffix("+json")
            || type.hasSuffix("+xml") || (type.isEmpty && !answer.body.contains(0))
        guard isText || answer.body.isEmpty else { return nil }
        let all = Self.decoded(answer.body, charset)
        text = String(decoding: all.utf8.prefix(limit), as: UTF8.self)
        isCut = answer.isCut || all.utf8.count > limit
        title = nil
    }

    /// Type and charset of a content type, in lower case.
    static func kind(_ header: String?) -> (type: String, charset: String?) {
        let parts = (header ?? "").split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        let charset = parts.dropFirst().first { $0.lowercased().hasPrefix("charset=") }
            .map { $0.dropFirst("charset=".count).trimmingCharacters(in: CharacterSet(charactersIn: "\"' ")) }
        let isName = charset.map { name in
            (1...40).contains(name.utf8.count) && name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        }
        return (parts.first?.lowercased() ?? "", isName == true ? charset?.lowercased() : nil)
    }

    private static func decoded(_ bytes: [UInt8], _ charset: String?) -> String {
        switch charset {
        case "iso-8859-1", "latin1", "windows-1252", "us-ascii":
            if let text = String(data: Data(bytes), encoding: .windowsCP1252) { return text }
        case "utf-16", "utf-16le", "utf-16be":
            let encoding: String.Encoding =
                charset == "utf-16" ? .utf16 : charset == "utf-16le" ? .utf16LittleEndian : .utf16BigEndian
            if let text = String(data: Data(bytes), encoding: encoding) { return text }
        default: break
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func looksLikeHTML(_ bytes: [UInt8]) -> Bool {
        let start = String(decoding: bytes.prefix(512), as: UTF8.self).lowercased()
        return start.contains("<!doctype html") || start.contains("<html")
    }
}
