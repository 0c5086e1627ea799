internal import Foundation

// How does an answer name a file that belongs to it? By a marker in its text, `[FILE:path]`, which is cut out (reference:
// websocket.md §9, vectors/attachment_markers.json). What may be given away is not decided here. Pure.

/// An answer's text without its markers, and what they named.
package struct AttachmentMarkers: Equatable {
    package struct Named: Equatable {
        package var kind: Attachment.Kind
        /// As the agent wrote it, without the space around it. May be empty.
        package var path: String
        /// The path's last component.
        package var filename: String
    }

    package private(set) var text: String
    package private(set) var named: [Named] = []

    package init(_ answer: String) {
        // Bytes, not characters: an accent behind a bracket would make another character of it.
        let bytes = Array(answer.utf8)
        var text: [UInt8] = []
        var index = 0
        // The first `]` from `index` on. Looked for once, so that a text of nothing but beginnings costs no more.
        var end = bytes.firstIndex(of: Self.closing)
        while index < bytes.count, let next = bytes[index...].firstIndex(of: Self.opening) {
            text += bytes[index..<next]
            index = next
            while let found = end, found < index { end = bytes[(found + 1)...].firstIndex(of: Self.closing) }
            guard let end else { break }
            if let marker = Self.marker(bytes[index..<end]) {
                named.append(marker)
                index = end + 1
            } else {
                text.append(Self.opening)
                index += 1
            }
        }
        text += bytes[index...]
        self.text = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static let opening = UInt8(ascii: "[")
    private static let closing = UInt8(ascii: "]")
    private static let keywords = Attachment.Kind.allCases.map { kind in
        (bytes: Array("[\(kind.rawValue.uppercased()):".utf8), kind: kind)
    }

    /// - Parameter bytes: from a `[` to before the next `]`.
    private static func marker(_ bytes: ArraySlice<UInt8>) -> Named? {
        guard let (keyword, kind) = keywords.first(where: { bytes.starts(with: $0.bytes) }), bytes.count > keyword.count
        else { return nil }
        let path = String(decoding: bytes.dropFirst(keyword.count), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        return Named(kind: kind, path: path, filename: path.split(separator: "/").last.map(String.init) ?? "")
    }
}
