// What does a model read when a user sends files along? A list of them in front of the text (reference: websocket.md §9), in one
// place for every model.

extension TurnRequest {
    /// The user's text, after a list of the files that came with it.
    public var promptText: String {
        guard !attachments.isEmpty else { return text }
        let lines = attachments.map { "- \($0.kind): \($0.filename) — local path: \($0.path)" }
        return """
            The user attached files:
            \(lines.joined(separator: "\n"))
            Read them when they matter to the answer.

            \(text)
            """
    }
}
