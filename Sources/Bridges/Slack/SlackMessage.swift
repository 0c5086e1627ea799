internal import JSON

// How does an answer look at Slack? Text in Slack's own markup where that fits; sections of blocks where it is long or has buttons. Slack
// counts after conversion, in which `&` is five characters, so what fits before may not fit after.

/// What a message of ours holds.
struct SlackMessage: Equatable {
    /// Of text that is no block; `chat.update` refuses more.
    static let longestText = 4000
    /// Of a section.
    static let longestSection = 3000
    /// How the names of our buttons begin.
    static let buttonPrefix = "openagent-"

    /// With blocks it is what notifications show.
    var text: String
    var blocks: [JSONValue]

    /// Nil when there is nothing to show.
    init?(_ text: OutboundText) {
        let whole = SlackMarkup.text(text.markdown)
        guard whole.contains(where: { !$0.isWhitespace }) else { return nil }
        if text.buttons.isEmpty, whole.utf16.count <= Self.longestText {
            self.text = whole
            blocks = []
        } else {
            self.text = Self.cut(whole, to: Self.longestSection)
            blocks = Self.sections(text.markdown, limit: Self.longestSection).map {
                ["type": "section", "text": ["type": "mrkdwn", "text": .string($0)]]
            }
            // At most 25 stand in one row.
            for row in stride(from: 0, to: text.buttons.count, by: 25) {
                let buttons = text.buttons[row..<min(row + 25, text.buttons.count)]
                blocks.append([
                    "type": "actions", "elements": .array(zip(row..., buttons).map { Self.button($1, $0) }),
                ])
            }
        }
    }

    /// Without markup, for when Slack refuses the blocks.
    init(plain text: OutboundText) {
        self.text = Self.cut(Self.escaped(PlainText.text(text.markdown)), to: Self.longestText)
        blocks = []
    }

    /// For `chat.postMessage`, `chat.update` and answers to commands. Without blocks those that were there go.
    var fields: [String: JSONValue] { ["text": .string(text), "blocks": .array(blocks)] }

    private static func button(_ button: OutboundButton, _ number: Int) -> JSONValue {
        let label = button.label.isEmpty ? "…" : String(button.label.prefix(75))
        return [
            "type": "button", "action_id": .string("\(buttonPrefix)\(number)"), "value": .string(button.data),
            "text": ["type": "plain_text", "text": .string(label), "emoji": true],
        ]
    }

    /// The whole text in Slack's markup, none longer than a section may be.
    private static func sections(_ markdown: String, limit: Int) -> [String] {
        Splitting.pieces(of: markdown, limit: limit, unit: .utf16).flatMap { piece -> [String] in
            let text = SlackMarkup.text(piece)
            guard text.contains(where: { !$0.isWhitespace }) else { return [] }
            if text.utf16.count <= longestSection { return [text] }
            return limit > 400 ? sections(piece, limit: limit / 2) : [cut(text, to: longestSection)]
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// - Parameter limit: in UTF-16.
    private static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf16.count > limit else { return text }
        var cut = String.UnicodeScalarView()
        var left = limit - 1
        for scalar in text.unicodeScalars {
            left -= UTF16.width(scalar)
            if left < 0 { break }
            cut.append(scalar)
        }
        return String(cut) + "…"
    }
}
