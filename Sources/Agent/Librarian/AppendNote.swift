internal import Foundation

// What is written down when somebody says "remember that …", and where? The arguments of the librarian's only tool,
// as they stand in a turn's journal.

/// One line to be added to a note.
struct AppendNote: Equatable, Codable {
    static let toolName = "vault_append_note"

    /// The note, relative to the vault.
    var path: String
    /// The first lines of the note if it has to be made.
    var heading: String
    /// A list item; further lines of the text are indented below it.
    var line: String

    /// - Parameter now: Unix time in seconds. A note per month (UTC) keeps each of them small.
    init(fact: String, handle: String, now: Double) {
        let day = Date(timeIntervalSince1970: now).formatted(.iso8601.year().month().day())
        let month = String(day.prefix(7))
        path = "remembered/\(month).md"
        heading = "# Remembered in \(month)"
        let printable = fact.filter {
            $0.isNewline || !$0.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
        let lines = printable.split(omittingEmptySubsequences: true, whereSeparator: \.isNewline)
        line = "- " + lines.joined(separator: "\n  ") + " (\(handle.isEmpty ? "" : handle + ", ")\(day))"
    }

    /// Reads what ``json`` wrote; nil for the arguments of another tool.
    init?(json: String) {
        guard let call = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = call
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
