internal import Foundation
internal import Hummingbird

// How is a long list read? In pages: `limit` says how many, and `cursor` is what the page before said in `next_cursor`. A cursor
// holds the key of the last row that was shown, so what is added or removed meanwhile shifts nothing. Clients must not read it.

/// Which rows are asked for.
struct PageRequest<Key: Codable & Sendable>: Sendable {
    /// How many rows at most.
    let limit: Int
    /// The last row that was seen; nil for the first page.
    let after: Key?

    /// The page out of rows that were read with one more than ``limit``.
    ///
    /// - Returns: the rows to show, and the cursor of the next page; nil when there is none.
    func page<Row>(of rows: [Row], key: (Row) -> Key) throws -> (rows: [Row], nextCursor: String?) {
        guard rows.count > limit, let last = rows.prefix(limit).last else { return (rows, nil) }
        return (Array(rows.prefix(limit)), try Self.cursor(after: key(last)))
    }

    /// What `next_cursor` says when this is the last row that was shown.
    static func cursor(after key: Key) throws -> String {
        // As it may stand in a query (RFC 4648, section 5).
        try JSONEncoder().encode([key]).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    }
}

extension PageRequest {
    /// The page out of rows that are in memory already, in the order of the list.
    ///
    /// - Parameter isBehind: whether a row comes after the one with this key.
    func page<Row>(
        ofAll rows: [Row], key: (Row) -> Key, isBehind: (Row, Key) -> Bool
    ) throws -> (rows: [Row], nextCursor: String?) {
        guard let after else { return try page(of: Array(rows.prefix(limit + 1)), key: key) }
        let first = rows.firstIndex { isBehind($0, after) } ?? rows.endIndex
        return try page(of: Array(rows[first...].prefix(limit + 1)), key: key)
    }
}

extension Request {
    /// Reads `limit` and `cursor` of what is listed newest first, by numbers; also `before`, which earlier clients send with
    /// what `next` said.
    func newestFirst() throws(ErrorResponse) -> PageRequest<Int64> {
        let asked = try page(by: Int64.self)
        let before = try queryNumber("before", in: 1...Int64.max)
        return .init(limit: asked.limit, after: asked.after ?? before)
    }

    /// Reads `limit` and `cursor`.
    ///
    /// - Parameters:
    ///   - usual: how many rows when the client doesn't say.
    ///   - most: how many it may ask for.
    func page<Key: Codable & Sendable>(
        by key: Key.Type, usual: Int = 100, most: Int = 1_000
    ) throws(ErrorResponse) -> PageRequest<Key> {
        let limit = try queryNumber("limit", in: 1...most) ?? usual
        guard let text = uri.queryParameters.get("cursor"), !text.isEmpty else {
            return .init(limit: limit, after: nil)
        }
        guard text.utf8.count <= 8_192,
            let data = Data(base64Encoded: text.replacing("-", with: "+").replacing("_", with: "/")),
            let keys = try? JSONDecoder().decode([Key].self, from: data), keys.count == 1
        else {
            throw .invalid("'cursor' is not what an earlier answer said.", hint: "Leave it out for the first page.")
        }
        return .init(limit: limit, after: keys[0])
    }
}
