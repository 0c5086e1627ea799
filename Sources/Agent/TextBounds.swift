// How does a text of any length fit where there is room for so many bytes? Its beginning stays, in whole characters, and a sign that more
// was there.

extension String {
    /// The text, or when it has more UTF-8 bytes than `length` as much of its beginning as fits, with an ellipsis behind it.
    func cut(to length: Int) -> String {
        guard utf8.count > length else { return self }
        var end = max(0, length)
        while end > 0 {
            if let beginning = String(utf8.prefix(end)) { return beginning + "…" }
            end -= 1
        }
        return "…"
    }
}
